//! A tenant's database as the tenant itself finds it, by a log-in with its own credentials.
//!
//! The log-in proves password and access as kine needs them, without a write and without the right to read password
//! hashes. Whatever is read in a tenant's database is read as the tenant: the owner of a table decides which functions
//! run when it is read, and they must not run as the administrator.

use super::answer::Failure;
use super::client::Postgres;
use super::servers::Servers;
use super::session::{Login, Session};
use super::sql::{Ident, Statement};
use crate::change::{Change, Step};
use crate::error::Error;
use crate::tenancy::{Secret, Tenancy};

const VIEW: &str = "SELECT
        coalesce(has_schema_privilege(to_regnamespace('public')::oid, 'USAGE')
            AND has_schema_privilege(to_regnamespace('public')::oid, 'CREATE'), false),
        EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = 'public' AND c.relname = 'kine'
            AND c.relowner <> (SELECT oid FROM pg_roles WHERE rolname = current_user))";
const TABLE: &str = "SELECT to_regclass('public.kine') IS NOT NULL";
const COUNT: &str = "SELECT count(*) FROM public.kine";

/// Result of a tenant's log-in.
#[derive(Debug, PartialEq, Eq)]
enum View {
    /// The tenant is in, with these lacks.
    Seen { public: bool, foreign_table: bool },
    /// The password is not the tenant's.
    WrongPassword,
    /// The server lets tenants not in from the operator's address, so that nothing can be said.
    Unseen(String),
}

impl Postgres {
    /// Log-in of a tenant in its database.
    pub(super) fn tenant<'a>(&self, tenancy: &'a Tenancy) -> Result<Login<'a>, Error> {
        let Some(password) = &tenancy.password else {
            return Err(Error::InvalidMaterial {
                site: self
                    .pool
                    .servers
                    .site(format!("logging in as {}", tenancy.user)),
                what: "password of the tenant",
                reason: "is missing".to_owned(),
            });
        };
        Ok(Login {
            user: tenancy.user.as_str(),
            password: password.expose(),
            database: tenancy.schema.as_str(),
            writes: false,
        })
    }

    /// True if the tenant has all that it needs in its database.
    pub(super) async fn is_served(&self, tenancy: &Tenancy) -> Result<bool, Error> {
        Ok(match self.view(tenancy).await? {
            View::Seen {
                public,
                foreign_table,
            } => public && !foreign_table,
            View::WrongPassword => false,
            View::Unseen(cause) => {
                let known = self.has_set_password(tenancy);
                tracing::debug!(user = %tenancy.user, cause, known, "password cannot be verified");
                known
            }
        })
    }

    /// Makes password, schema `public` and kine's table as the tenant needs them.
    pub(super) async fn serve(
        &self,
        session: &Session,
        tenancy: &Tenancy,
        change: &mut Change,
    ) -> Result<(), Error> {
        let mut view = self.view(tenancy).await?;
        let unverified = matches!(view, View::Unseen(_)) && !self.has_set_password(tenancy);
        if view == View::WrongPassword || unverified {
            self.set_password(session, tenancy).await?;
            let access = format!("the password of user {}", tenancy.user);
            change.steps.push(Step::AccessGranted(access));
            view = self.view(tenancy).await?;
        }
        match view {
            View::Unseen(_) => Ok(()),
            View::WrongPassword => Err(self.pool.servers.error(
                format!("logging in as {}", tenancy.user),
                Failure::WrongPassword(
                    "the tenant's new password is refused; does the server look passwords up elsewhere?".to_owned(),
                ),
            )),
            View::Seen {
                public,
                foreign_table,
            } => self.mend(tenancy, (public, foreign_table), change).await,
        }
    }

    /// Mends what only an administrator in the tenant's database can.
    async fn mend(
        &self,
        tenancy: &Tenancy,
        (public, foreign_table): (bool, bool),
        change: &mut Change,
    ) -> Result<(), Error> {
        let (servers, user) = (&self.pool.servers, Ident::from(&tenancy.user));
        let mut mends = Vec::new();
        if !public {
            mends.push((Statement::grant_public(user), "schema public"));
        }
        if foreign_table {
            mends.push((Statement::give_table(user), "table kine"));
        }
        if mends.is_empty() {
            return Ok(());
        }
        let doing = format!(
            "giving {} what is in database {}",
            tenancy.user, tenancy.schema
        );
        let error = |failure| servers.error(doing.as_str(), failure);
        let login = servers.administrator_in(tenancy.schema.as_str());
        let session = servers.direct(&login).await.map_err(error)?;
        for (statement, access) in mends {
            session.run(&statement).await.map_err(error)?;
            change.steps.push(Step::AccessGranted(access.to_owned()));
        }
        Ok(())
    }

    async fn view(&self, tenancy: &Tenancy) -> Result<View, Error> {
        let doing = || format!("logging in as {}", tenancy.user);
        let login = self.tenant(tenancy)?;
        let answer = match self.pool.servers.direct(&login).await {
            Ok(session) => session.rows(VIEW, &[]).await,
            Err(Failure::WrongPassword(_)) => return Ok(View::WrongPassword),
            Err(Failure::NotAdmitted(cause)) => return Ok(View::Unseen(cause)),
            Err(failure) => Err(failure),
        };
        let rows = answer.map_err(|failure| self.pool.servers.error(doing(), failure))?;
        let [public, foreign_table] = rows
            .first()
            .map_or([false, false], |row| [row.get(0), row.get(1)]);
        Ok(View::Seen {
            public,
            foreign_table,
        })
    }

    /// Sets the tenant's password. The server gets only what it stores, so that no log of its shows the password.
    async fn set_password(&self, session: &Session, tenancy: &Tenancy) -> Result<(), Error> {
        let verifier = self.verifier(tenancy)?;
        let statement = Statement::set_password(Ident::from(&tenancy.user), &verifier);
        let doing = || format!("setting the password of user {}", tenancy.user);
        let set = session.run(&statement).await;
        set.map_err(|failure| self.pool.servers.error(doing(), failure))?;
        self.note_password(tenancy);
        Ok(())
    }

    /// The SCRAM verifier that the server stores instead of the tenant's password.
    pub(super) fn verifier(&self, tenancy: &Tenancy) -> Result<String, Error> {
        let password = self.tenant(tenancy)?.password;
        Ok(postgres_protocol::password::scram_sha_256(
            password.as_bytes(),
        ))
    }

    /// Remembers that the tenant's password was set, for servers on which it cannot be verified.
    pub(super) fn note_password(&self, tenancy: &Tenancy) {
        if let Some(password) = tenancy.password.clone() {
            self.passwords()
                .insert(tenancy.user.as_str().to_owned(), password);
        }
    }

    /// Drops what is remembered of a tenant that was removed.
    pub(super) fn forget_password(&self, tenancy: &Tenancy) {
        self.passwords().remove(tenancy.user.as_str());
    }

    fn has_set_password(&self, tenancy: &Tenancy) -> bool {
        let set: Option<Secret> = self.passwords().get(tenancy.user.as_str()).cloned();
        set.is_some() && set == tenancy.password
    }
}

/// Number of rows of kine's table, counted by the user of `login`.
pub(super) async fn count(servers: &Servers, login: &Login<'_>) -> Result<u64, Failure> {
    let session = servers.direct(login).await?;
    let rows = session.rows(TABLE, &[]).await?;
    if !rows.first().is_some_and(|row| row.get(0)) {
        return Ok(0);
    }
    let rows = session.rows(COUNT, &[]).await?;
    let count: i64 = rows.first().map_or(0, |row| row.get(0));
    Ok(count.unsigned_abs())
}
