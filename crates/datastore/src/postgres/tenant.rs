//! A tenant's database as the tenant itself finds it, by a log-in with its own credentials.
//!
//! The log-in proves password and access as kine needs them, without a write and without the right to read password
//! hashes. Whatever is read in a tenant's database is read as the tenant: the owner of a table decides which functions
//! run when it is read, and they must not run as the administrator.

use tokio_postgres::Row;

use super::answer::Failure;
use super::client::Postgres;
use super::servers::Servers;
use super::session::{Login, Session};
use super::sql::{Ident, Statement};
use super::transfer::prepare;
use crate::change::{Change, Item, Step};
use crate::error::Error;
use crate::fence::REFUSED;
use crate::tenancy::{Access, Secret, Tenancy};

const VIEW: &str = "SELECT
        coalesce(has_schema_privilege(to_regnamespace('public')::oid, 'USAGE')
            AND has_schema_privilege(to_regnamespace('public')::oid, 'CREATE'), false),
        c.oid IS NOT NULL,
        c.relowner <> (SELECT oid FROM pg_roles WHERE rolname = current_user),
        has_table_privilege(c.oid, 'SELECT'),
        has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
            AND has_table_privilege(c.oid, 'DELETE'),
        has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
            OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'),
        c.relrowsecurity AND c.relforcerowsecurity
            AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = 'kamaji_fence'),
        c.relrowsecurity
    FROM (SELECT) AS one LEFT JOIN (SELECT c.* FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relname = 'kine') AS c ON true";
const TABLE: &str = "SELECT to_regclass('public.kine') IS NOT NULL";
/// Rows of the table: counted up to a million, which takes less than the limit of a request, else as the server
/// estimated them when it last analysed the table.
const COUNT: &str = "SELECT CASE WHEN reltuples > 1000000 THEN reltuples::bigint
        ELSE (SELECT count(*) FROM (SELECT FROM public.kine LIMIT 1000000) AS counted) END
    FROM pg_class WHERE oid = 'public.kine'::regclass";
/// Bytes of the table with its indexes and long values; NULL without a table.
const SIZE: &str = "SELECT pg_total_relation_size(to_regclass('public.kine'))";

/// Result of a tenant's log-in.
#[derive(Debug, PartialEq, Eq)]
enum View {
    /// The tenant is in, and it lacks this.
    Seen(Vec<Lack>),
    /// The password is not the tenant's.
    WrongPassword,
    /// The server lets tenants not in from the operator's address, so that nothing can be said.
    Unseen(String),
}

/// Flaw of a tenant's database that an administrator has to mend, in the order of mending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// The tenant may not use the schema `public`.
    Public,
    /// Another role owns kine's table.
    Owner,
    /// The tenant may only read, and a table that kine creates would be its own to write.
    Table,
    /// The tenant may write, and must not.
    ReadOnly,
    /// The tenant may not write, or not read.
    ReadWrite,
}

impl Lack {
    /// Statement that mends it; `None` for the table, which the tenant itself creates.
    fn statement(self, user: Ident<'_>) -> Option<Statement> {
        match self {
            Self::Public => Some(Statement::grant_public(user)),
            Self::Owner => Some(Statement::give_table(user)),
            Self::Table => None,
            Self::ReadOnly => Some(Statement::forbid_writes(user)),
            Self::ReadWrite => Some(Statement::allow_writes(user)),
        }
    }

    fn step(self) -> Step {
        let granted = |access: &str| Step::AccessGranted(access.to_owned());
        match self {
            Self::Public => granted("schema public"),
            Self::Owner => granted("table kine"),
            Self::Table => Step::Created(Item::new("table", "kine")),
            Self::ReadOnly => Step::Corrected(Item::new("table", "kine")),
            Self::ReadWrite => granted("writes to table kine"),
        }
    }
}

impl Postgres {
    /// Log-in for reading a tenant's database: the tenant's own, which the administrator may use, too.
    pub(super) async fn reading_login<'a>(
        &'a self,
        doing: &str,
        tenancy: &'a Tenancy,
    ) -> Result<Login<'a>, Error> {
        let servers = &self.pool.servers;
        let own = servers.administrator_in(tenancy.schema.as_str());
        if own.user == tenancy.user.as_str() {
            return Ok(Login {
                writes: false,
                ..own
            });
        }
        // Only an administrator gets as far as the operator's database.
        let lease = self.pool.lease().await;
        lease.map_err(|failure| servers.error(doing, failure))?;
        servers.tenant(tenancy)
    }

    /// True if the tenant has all that it needs in its database.
    pub(super) async fn is_served(&self, tenancy: &Tenancy) -> Result<bool, Error> {
        Ok(match self.view(tenancy).await? {
            View::Seen(lacks) => lacks.is_empty(),
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
            View::Seen(lacks) => self.mend((session, tenancy), &lacks, change).await,
        }
    }

    /// Mends what only an administrator in the tenant's database can.
    async fn mend(
        &self,
        (locked, tenancy): (&Session, &Tenancy),
        lacks: &[Lack],
        change: &mut Change,
    ) -> Result<(), Error> {
        if lacks.is_empty() {
            return Ok(());
        }
        let (servers, user) = (&self.pool.servers, Ident::from(&tenancy.user));
        let doing = format!(
            "giving {} what is in database {}",
            tenancy.user, tenancy.schema
        );
        let error = |failure| servers.error(doing.as_str(), failure);
        let login = servers.administrator_in(tenancy.schema.as_str());
        let session = servers.direct(&login).await.map_err(error)?;
        // As long as the other session answers, it holds the locks. Who notes a fence holds them, and ends this one.
        locked.rows("SELECT 1", &[]).await.map_err(error)?;
        for lack in lacks {
            if matches!(lack, Lack::ReadWrite) {
                let first = Statement::allow_writes_at_first(user);
                session.run(&first).await.map_err(error)?;
                tokio::time::sleep(REFUSED).await;
            }
            match lack.statement(user) {
                Some(statement) => session.run(&statement).await.map_err(error)?,
                None => self.create_table(tenancy).await?,
            }
            change.steps.push(lack.step());
        }
        Ok(())
    }

    async fn create_table(&self, tenancy: &Tenancy) -> Result<(), Error> {
        let servers = &self.pool.servers;
        let doing = || format!("creating kine's table in database {}", tenancy.schema);
        let error = |failure| servers.error(doing(), failure);
        let login = servers.tenant(tenancy)?;
        let session = servers.session(&login).await.map_err(error)?;
        prepare(&session).await.map_err(error)
    }

    async fn view(&self, tenancy: &Tenancy) -> Result<View, Error> {
        let doing = || format!("logging in as {}", tenancy.user);
        let login = self.pool.servers.tenant(tenancy)?;
        let answer = match self.pool.servers.direct(&login).await {
            Ok(session) => session.rows(VIEW, &[]).await,
            Err(Failure::WrongPassword(_)) => return Ok(View::WrongPassword),
            Err(Failure::NotAdmitted(cause)) => return Ok(View::Unseen(cause)),
            Err(failure) => Err(failure),
        };
        let rows = answer.map_err(|failure| self.pool.servers.error(doing(), failure))?;
        let lacks = rows.first().map(|row| lacks(row, tenancy.access));
        Ok(View::Seen(lacks.unwrap_or_default()))
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
        let password = self.pool.servers.tenant(tenancy)?.password;
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

/// Lacks of a tenant that demands `access`, by a row of [`VIEW`].
fn lacks(row: &Row, access: Access) -> Vec<Lack> {
    let [public, table]: [bool; 2] = [0, 1].map(|column| row.get(column));
    // Null without a table.
    let [foreign, reads, writes_all, writes_any, fenced, filtered] =
        [2, 3, 4, 5, 6, 7].map(|column| {
            let answer: Option<bool> = row.get(column);
            answer.unwrap_or_default()
        });
    let rights = match access {
        Access::ReadOnly => {
            (!table || foreign || !reads || writes_any || !fenced).then_some(Lack::ReadOnly)
        }
        // A new owner has all rights.
        Access::ReadWrite => {
            (filtered || table && !foreign && !(reads && writes_all)).then_some(Lack::ReadWrite)
        }
    };
    [
        (!public).then_some(Lack::Public),
        foreign.then_some(Lack::Owner),
        (!table && access == Access::ReadOnly).then_some(Lack::Table),
        rights,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Number of rows of kine's table, counted by the user of `login`; of more than a million the server's estimate.
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

/// Bytes of kine's table, read by the user of `login`.
pub(super) async fn size(servers: &Servers, login: &Login<'_>) -> Result<u64, Failure> {
    let session = servers.direct(login).await?;
    let rows = session.rows(SIZE, &[]).await?;
    let size: Option<i64> = rows.first().and_then(|row| row.get(0));
    Ok(size.unwrap_or_default().unsigned_abs())
}
