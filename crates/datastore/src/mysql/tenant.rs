//! Making and removing one tenant within a session.

use super::answer::code::NO_ROLE;
use super::log_in;
use super::observed::Observed;
use super::passwords::Passwords;
use super::plan::Write;
use super::session::{Login, Session};
use super::sql::{Account, Pattern, Statement, privileges};
use crate::change::{Change, Item, Step};
use crate::error::Error;
use crate::ownership::Standings;
use crate::tenancy::{Access, Secret, Tenancy, User};

/// Desired state of a tenant at a server: its tenancy, the password of its user, and the pattern of its database.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) tenancy: &'a Tenancy,
    pub(super) password: &'a Secret,
    pub(super) own: &'a Pattern,
}

/// Connections of a tenant that a call ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every connection, if the call writes anything.
    Outdated,
    /// Every connection, whatever the call writes.
    All,
}

impl<'a> Target<'a> {
    fn login(self) -> Login<'a> {
        Login {
            user: &self.tenancy.user,
            password: self.password,
        }
    }
}

impl Session<'_> {
    /// Claims the names of a tenancy and makes database, account and grants as desired. Without anything to write,
    /// no lock is taken.
    pub(super) async fn ensure(
        &mut self,
        tenancy: &Tenancy,
        passwords: &Passwords,
    ) -> Result<Change, Error> {
        let password = &log_in::password(self.password(tenancy)?, tenancy.access);
        let own = Pattern::of(&tenancy.schema, self.facts.literal_patterns);
        let target = Target {
            tenancy,
            password,
            own: &own,
        };
        let (observed, standings) = self.observe(tenancy, &own).await?;
        let right = self.knows(&observed, target, passwords).await?;
        if standings.are_own() && observed.repairs(&own, right, tenancy.access).is_empty() {
            return Ok(Change::default());
        }
        self.lock(tenancy).await?;
        let change = self.mend(target, passwords, Ended::Outdated).await?;
        self.unlock(tenancy).await?;
        Ok(change)
    }

    /// Records the owner, and writes what is missing or wrong, under the locks.
    pub(super) async fn mend(
        &mut self,
        target: Target<'_>,
        passwords: &Passwords,
        ended: Ended,
    ) -> Result<Change, Error> {
        let Target { tenancy, own, .. } = target;
        let (observed, standings) = self.observe(tenancy, own).await?;
        let right = self.knows(&observed, target, passwords).await?;
        let mut change = Change::default();
        let recorded = self.record(tenancy, &observed, standings).await?;
        change.steps.extend(recorded);
        let writes = observed.repairs(own, right, tenancy.access);
        if tenancy.access == Access::ReadWrite && !writes.is_empty() {
            self.require_fence(tenancy, None).await?;
        }
        // The table that is held is in the database, which is made first if it is missing. Where there is no user
        // either, nobody is connected; connections outlive a user who was deleted.
        let is_new = !observed.database && observed.verifier.is_none();
        let free = if is_new {
            writes.len()
        } else {
            usize::from(!observed.database)
        };
        let (free, held) = writes.split_at(free);
        for write in free {
            let steps = self.apply(write, target).await?;
            change.steps.extend(steps);
        }
        if !held.is_empty() || ended == Ended::All && !is_new {
            let steps = self.change_access(target, &observed, held).await?;
            change.steps.extend(steps);
        }
        Ok(change)
    }

    /// Deletes account, database and records of a tenancy, in this order: a call that ends early leaves a record, by
    /// which the next one goes on.
    pub(super) async fn remove(&mut self, tenancy: &Tenancy) -> Result<Change, Error> {
        let own = Pattern::of(&tenancy.schema, self.facts.literal_patterns);
        if Observed::read(self, tenancy).await?.is_empty() {
            return Ok(Change::default());
        }
        self.lock(tenancy).await?;
        let observed = Observed::read(self, tenancy).await?;
        let mut change = Change::default();
        if !observed.is_empty() {
            let standings = self.standings(&observed, tenancy, &own)?;
            let recorded = self.record(tenancy, &observed, standings).await?;
            change.steps.extend(recorded);
            self.delete(tenancy, &observed, &mut change).await?;
            change.steps.push(self.forget(tenancy, &observed).await?);
        }
        self.unlock(tenancy).await?;
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

    /// Password of the tenant, which every user of MySQL needs.
    pub(super) fn password<'t>(&self, tenancy: &'t Tenancy) -> Result<&'t Secret, Error> {
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
        target: Target<'_>,
        passwords: &Passwords,
    ) -> Result<bool, Error> {
        let Some(verifier) = &observed.verifier else {
            return Ok(false);
        };
        passwords.is_right(self, target.login(), verifier).await
    }

    pub(super) async fn apply(
        &mut self,
        write: &Write,
        target: Target<'_>,
    ) -> Result<Vec<Step>, Error> {
        let Tenancy { schema, user, .. } = target.tenancy;
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
                let statement = Statement::create_user(account, target.password.expose());
                self.write(&doing, &statement).await?;
                Ok(vec![Step::Created(Item::new("user", user.as_str()))])
            }
            Write::SetPassword => {
                let doing = format!("setting the password of user {user}");
                let statement = Statement::set_password(account, target.password.expose());
                self.write(&doing, &statement).await?;
                Ok(vec![Step::AccessGranted(format!("log-in of user {user}"))])
            }
            Write::RevokeEverything(foreign) => self.revoke_everything(foreign, user).await,
            Write::RevokeRole(role, host) => {
                let doing = format!("revoking role {role} from user {user}");
                let statement = Statement::revoke_role(role, host, account);
                if !self.write_unless(&NO_ROLE, &doing, &statement).await? {
                    self.recreate(target).await?;
                }
                Ok(vec![Step::AccessRevoked(format!("role {role}"))])
            }
            Write::RevokeWrites => {
                let doing = format!("taking the right to write from user {user}");
                self.write(&doing, &Statement::revoke_writes(target.own, account))
                    .await?;
                let item = Item::new("access of user", user.as_str());
                Ok(vec![Step::Corrected(item)])
            }
            Write::Grant => self.grant(target.tenancy, target.own).await,
        }
    }

    async fn grant(&mut self, tenancy: &Tenancy, own: &Pattern) -> Result<Vec<Step>, Error> {
        let Tenancy { user, access, .. } = tenancy;
        let doing = format!("granting {own} to user {user}");
        let statement = Statement::grant(own, Account::of(user), *access);
        self.write(&doing, &statement).await?;
        let privileges = privileges(*access).join(", ");
        Ok(vec![Step::AccessGranted(format!(
            "{privileges} on {own}.*"
        ))])
    }

    /// Makes the account anew, and with it without roles: only who administers a role may revoke it.
    async fn recreate(&mut self, target: Target<'_>) -> Result<(), Error> {
        let (user, access) = (&target.tenancy.user, target.tenancy.access);
        let (doing, account) = (format!("creating user {user} anew"), Account::of(user));
        for statement in [
            Statement::drop_user(account),
            Statement::create_user(account, target.password.expose()),
            Statement::grant(target.own, account, access),
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

    /// Refuses a transfer unless schema and user are recorded as the tenant's.
    pub(super) async fn require_own(&mut self, tenancy: &Tenancy) -> Result<Observed, Error> {
        let own = Pattern::of(&tenancy.schema, self.facts.literal_patterns);
        let (observed, standings) = self.observe(tenancy, &own).await?;
        if standings.are_own() {
            return Ok(observed);
        }
        Err(Error::Refused {
            site: self.site(format!("transferring schema {}", tenancy.schema)),
            reason: "no record says that schema and user are this tenant's; it is set up first"
                .to_owned(),
        })
    }
}
