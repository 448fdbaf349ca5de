//! Making and removing one tenant within a session.

use super::answer::code::{NO_ROLE, NO_THREAD};
use super::observed::Observed;
use super::passwords::Passwords;
use super::plan::Write;
use super::session::Session;
use super::sql::{Account, PRIVILEGES, Pattern, Statement};
use crate::change::{Change, Item, Step};
use crate::error::Error;
use crate::ownership::Standings;
use crate::tenancy::{Secret, Tenancy, User};

const SESSIONS: &str = "SELECT ID, USER, DB FROM information_schema.PROCESSLIST WHERE USER = ?";

impl Session<'_> {
    /// Claims the names of a tenancy and makes database, account and grants as desired. Without anything to write,
    /// the lock is not taken.
    pub(super) async fn ensure(
        &mut self,
        tenancy: &Tenancy,
        passwords: &Passwords,
    ) -> Result<Change, Error> {
        let password = self.password(tenancy)?;
        let own = Pattern::of(&tenancy.schema, self.facts.literal_patterns);
        let (observed, standings) = self.observe(tenancy, &own).await?;
        let right = self
            .knows(&observed, tenancy, (password, passwords))
            .await?;
        if standings.are_own() && observed.repairs(&own, right).is_empty() {
            return Ok(Change::default());
        }
        self.lock().await?;
        let (observed, standings) = self.observe(tenancy, &own).await?;
        let right = self
            .knows(&observed, tenancy, (password, passwords))
            .await?;
        let mut change = Change::default();
        let recorded = self.record(tenancy, &observed, standings).await?;
        change.steps.extend(recorded);
        let writes = observed.repairs(&own, right);
        for write in &writes {
            let steps = self.apply(write, tenancy, (password, &own)).await?;
            change.steps.extend(steps);
        }
        if writes.iter().any(Write::ends_sessions) {
            self.end_sessions(tenancy, &observed).await?;
        }
        self.unlock().await?;
        Ok(change)
    }

    /// Deletes account, database and records of a tenancy, in this order: a call that ends early leaves a record, by
    /// which the next one goes on.
    pub(super) async fn remove(&mut self, tenancy: &Tenancy) -> Result<Change, Error> {
        let own = Pattern::of(&tenancy.schema, self.facts.literal_patterns);
        if Observed::read(self, tenancy).await?.is_empty() {
            return Ok(Change::default());
        }
        self.lock().await?;
        let observed = Observed::read(self, tenancy).await?;
        let mut change = Change::default();
        if !observed.is_empty() {
            let standings = self.standings(&observed, tenancy, &own)?;
            let recorded = self.record(tenancy, &observed, standings).await?;
            change.steps.extend(recorded);
            self.delete(tenancy, &observed, &mut change).await?;
            change.steps.push(self.forget(tenancy, &observed).await?);
        }
        self.unlock().await?;
        Ok(change)
    }

    async fn delete(
        &mut self,
        tenancy: &Tenancy,
        observed: &Observed,
        change: &mut Change,
    ) -> Result<(), Error> {
        let Tenancy { schema, user, .. } = tenancy;
        if observed.verifier.is_some() {
            let statement = Statement::drop_user(Account::of(user));
            self.write(&format!("deleting user {user}"), &statement)
                .await?;
            change
                .steps
                .push(Step::Removed(Item::new("user", user.as_str())));
        }
        // Sessions outlive their account, and would hold up the deletion of the database.
        self.end_sessions(tenancy, observed).await?;
        if observed.database {
            let doing = format!("deleting database {schema}");
            self.write_slowly(&doing, &Statement::drop_database(schema))
                .await?;
            let item = Item::new("database", schema.as_str());
            change.steps.push(Step::Removed(item));
        }
        Ok(())
    }

    fn password<'t>(&self, tenancy: &'t Tenancy) -> Result<&'t Secret, Error> {
        tenancy.password.as_ref().ok_or_else(|| Error::Refused {
            site: self.site(format!("claiming user {}", tenancy.user)),
            reason: "a user of MySQL needs a password, and the tenant has none; restore the \
                     DB_PASSWORD of its datastore Secret"
                .to_owned(),
        })
    }

    /// Refuses names that no tenant can have at this server, whatever is there.
    fn examine_names(&self, tenancy: &Tenancy) -> Result<(), Error> {
        let (schema, user) = (tenancy.schema.as_str(), tenancy.user.as_str());
        let refused = |reason| Error::Refused {
            site: self.site(format!("claiming schema {schema} and user {user}")),
            reason,
        };
        if user == self.administrator() {
            return Err(refused(format!(
                "{user} is the operator's own user; choose another dataStoreUsername"
            )));
        }
        if self.facts.folds_names && schema.chars().any(char::is_uppercase) {
            return Err(refused(format!(
                "the server does not tell {schema} from the same name in lower case \
                 (lower_case_table_names); choose a dataStoreSchema in lower case"
            )));
        }
        Ok(())
    }

    async fn observe(
        &mut self,
        tenancy: &Tenancy,
        own: &Pattern,
    ) -> Result<(Observed, Standings), Error> {
        let observed = Observed::read(self, tenancy).await?;
        let standings = self.standings(&observed, tenancy, own)?;
        if let Some(pattern) = observed.exposure(tenancy) {
            return Err(Error::Refused {
                site: self.site(format!("claiming schema {}", tenancy.schema)),
                reason: format!(
                    "every user of the server may reach it, by the grant on {pattern} to PUBLIC or \
                     to the user without a name; choose another dataStoreSchema, or revoke that grant"
                ),
            });
        }
        Ok((observed, standings))
    }

    fn standings(
        &self,
        observed: &Observed,
        tenancy: &Tenancy,
        own: &Pattern,
    ) -> Result<Standings, Error> {
        self.examine_names(tenancy)?;
        let (schema, user) = (observed.schema(tenancy), observed.login(tenancy, own));
        Standings::of(tenancy, schema, user, |doing| self.site(doing))
    }

    async fn knows(
        &mut self,
        observed: &Observed,
        tenancy: &Tenancy,
        (password, passwords): (&Secret, &Passwords),
    ) -> Result<bool, Error> {
        let Some(verifier) = &observed.verifier else {
            return Ok(false);
        };
        passwords
            .is_right(self, (&tenancy.user, password), verifier)
            .await
    }

    async fn apply(
        &mut self,
        write: &Write,
        tenancy: &Tenancy,
        (password, own): (&Secret, &Pattern),
    ) -> Result<Vec<Step>, Error> {
        let Tenancy { schema, user, .. } = tenancy;
        let account = Account::of(user);
        match write {
            Write::CreateDatabase => {
                let doing = format!("creating database {schema}");
                self.write(&doing, &Statement::create_database(schema))
                    .await?;
                let item = Item::new("database", schema.as_str());
                Ok(vec![Step::Created(item)])
            }
            Write::CreateUser => {
                let doing = format!("creating user {user}");
                let statement = Statement::create_user(account, password.expose());
                self.write(&doing, &statement).await?;
                Ok(vec![Step::Created(Item::new("user", user.as_str()))])
            }
            Write::SetPassword => {
                let doing = format!("setting the password of user {user}");
                let statement = Statement::set_password(account, password.expose());
                self.write(&doing, &statement).await?;
                Ok(vec![Step::AccessGranted(format!("log-in of user {user}"))])
            }
            Write::RevokeEverything(foreign) => self.revoke_everything(foreign, user).await,
            Write::RevokeRole(role, host) => {
                let doing = format!("revoking role {role} from user {user}");
                let statement = Statement::revoke_role(role, host, account);
                if !self.write_unless(&NO_ROLE, &doing, &statement).await? {
                    self.recreate(user, (password, own)).await?;
                }
                Ok(vec![Step::AccessRevoked(format!("role {role}"))])
            }
            Write::Grant => {
                let doing = format!("granting {own} to user {user}");
                self.write(&doing, &Statement::grant(own, account)).await?;
                let privileges = PRIVILEGES.join(", ");
                Ok(vec![Step::AccessGranted(format!(
                    "{privileges} on {own}.*"
                ))])
            }
        }
    }

    /// Makes the account anew, and with it without roles: only who administers a role may revoke it.
    async fn recreate(
        &mut self,
        user: &User,
        (password, own): (&Secret, &Pattern),
    ) -> Result<(), Error> {
        let (doing, account) = (format!("creating user {user} anew"), Account::of(user));
        for statement in [
            Statement::drop_user(account),
            Statement::create_user(account, password.expose()),
            Statement::grant(own, account),
        ] {
            self.write(&doing, &statement).await?;
        }
        Ok(())
    }

    async fn revoke_everything(
        &mut self,
        foreign: &[String],
        user: &User,
    ) -> Result<Vec<Step>, Error> {
        let doing = format!("revoking {} from user {user}", foreign.join(", "));
        let statement = Statement::revoke_everything(Account::of(user));
        self.write(&doing, &statement).await?;
        let steps = foreign.iter().cloned().map(Step::AccessRevoked);
        Ok(steps.collect())
    }

    /// Ends the connections of the tenant's user. Where the server has users of this name for other hosts, only those
    /// that use the tenant's database: the others may be another application's.
    async fn end_sessions(&mut self, tenancy: &Tenancy, observed: &Observed) -> Result<(), Error> {
        let (schema, user) = (tenancy.schema.as_str(), tenancy.user.as_str());
        let doing = format!("ending connections of user {user}");
        let all: Vec<(u64, String, Option<String>)> = self.rows(&doing, SESSIONS, (user,)).await?;
        let own = all.into_iter().filter(|(_, name, database)| {
            name == user && (observed.other_hosts.is_empty() || database.as_deref() == Some(schema))
        });
        for (id, ..) in own {
            self.write_unless(&[NO_THREAD], &doing, &Statement::kill(id))
                .await?;
        }
        Ok(())
    }
}
