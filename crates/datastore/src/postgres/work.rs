//! Writes of the driver at a server, each by the administrator under the locks of the tenancy's names.

use tokio_postgres::types::Type;

use super::answer::Failure;
use super::client::Postgres;
use super::observed::Observed;
use super::plan::{DatabaseWrite, RoleWrite, Write};
use super::records;
use super::servers::Servers;
use super::session::Session;
use super::sql::{Ident, Statement};
use crate::change::{Change, Item, Step};
use crate::error::Error;
use crate::ownership::{Standings, overtaken};
use crate::tenancy::Tenancy;

const END_SESSIONS: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
/// Databases in which the role owns something or has privileges.
const DEPENDENT: &str = "SELECT DISTINCT d.datname::text
    FROM pg_shdepend AS s JOIN pg_database AS d ON d.oid = s.dbid
    WHERE s.refclassid = 'pg_authid'::regclass
    AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND d.datallowconn";

impl Servers {
    /// Decides ownership; nothing may be written without it. True if the records have to be written.
    pub(super) fn decide(&self, observed: &Observed, tenancy: &Tenancy) -> Result<bool, Error> {
        let user = tenancy.user.as_str();
        observed.refuse_administrator().map_err(|_| Error::Refused {
            site: self.site(format!("reading user {user}")),
            reason: format!(
                "user {user} is a superuser and so is an administrator of the store; give the tenant another \
                 datastore user, or take SUPERUSER from this one"
            ),
        })?;
        if user == self.administrator.user {
            return Err(Error::Refused {
                site: self.site(format!("reading user {user}")),
                reason: format!(
                    "user {user} is the operator's own; give the tenant another datastore user"
                ),
            });
        }
        let (schema, user) = (observed.schema(tenancy), observed.login(tenancy));
        let standings = Standings::of(tenancy, schema, user, |doing| self.site(doing))?;
        Ok(!standings.are_own())
    }
}

impl Postgres {
    /// Observes a tenancy under its locks and claims its names.
    pub(super) async fn claim(
        &self,
        session: &Session,
        tenancy: &Tenancy,
        change: &mut Change,
    ) -> Result<Observed, Error> {
        let doing = || format!("recording the owner of schema {}", tenancy.schema);
        let error = |failure| self.pool.servers.error(doing(), failure);
        let observed = Observed::read(session, tenancy).await.map_err(error)?;
        if self.pool.servers.decide(&observed, tenancy)? {
            let claimed = records::claim(session, tenancy, &observed).await;
            if !claimed.map_err(error)? {
                return Err(self.overtaken(doing(), tenancy));
            }
            change.steps.push(Step::OwnerRecorded);
        }
        Ok(observed)
    }

    /// Writes one thing; the step is `None` where it is part of another.
    pub(super) async fn write(
        &self,
        session: &Session,
        write: Write,
        tenancy: &Tenancy,
    ) -> Result<Option<Step>, Error> {
        let (statement, step) = match &write {
            Write::CreateRole => {
                let verifier = self.verifier(tenancy)?;
                let statement = Statement::create_role(Ident::from(&tenancy.user), &verifier);
                let step = Step::Created(Item::new("role", tenancy.user.as_str()));
                (statement, Some(step))
            }
            Write::Role(write) => of_role(write, tenancy, session.version),
            Write::Database(write) => of_database(*write, tenancy),
        };
        self.perform(session, &statement, tenancy).await?;
        if write == Write::CreateRole {
            self.note_password(tenancy);
        }
        Ok(step)
    }

    async fn perform(
        &self,
        session: &Session,
        statement: &Statement,
        tenancy: &Tenancy,
    ) -> Result<(), Error> {
        let done = if statement.is_slow() {
            session.run_slow(statement).await
        } else {
            session.run(statement).await
        };
        done.map_err(|failure| {
            let doing = format!("{} for schema {}", statement.verb(), tenancy.schema);
            self.pool.servers.error(doing, failure)
        })
    }

    /// Ends the tenant's access and deletes database and role, after ownership was decided under the locks.
    pub(super) async fn destroy(
        &self,
        session: &Session,
        observed: &Observed,
        tenancy: &Tenancy,
    ) -> Result<Vec<Step>, Error> {
        let role = Ident::from(&tenancy.user);
        let mut steps = Vec::new();
        if let Some(owned) = observed.role.as_ref().and_then(|role| role.owned.first()) {
            let doing = format!("deleting user {}", tenancy.user);
            let cause = format!("it owns the database {owned}, too: give that one another owner");
            return Err(self.pool.servers.error(doing, Failure::Unexpected(cause)));
        }
        if observed.role.is_some() {
            if observed.must_join() {
                let join = Statement::join(role, session.version);
                self.perform(session, &join, tenancy).await?;
            }
            let forbid = Statement::forbid_login(role);
            self.perform(session, &forbid, tenancy).await?;
            let user = tenancy.user.as_str();
            let ended = session
                .rows(END_SESSIONS, &[(&user as _, Type::TEXT)])
                .await;
            ended.map_err(|failure| {
                let doing = format!("ending sessions of user {user}");
                self.pool.servers.error(doing, failure)
            })?;
        }
        if observed.database.is_some() {
            let drop = Statement::drop_database(Ident::from(&tenancy.schema));
            self.perform(session, &drop, tenancy).await?;
            let item = Item::new("database", tenancy.schema.as_str());
            steps.push(Step::Removed(item));
        }
        if observed.role.is_some() {
            self.drop_role(session, tenancy).await?;
            let item = Item::new("role", tenancy.user.as_str());
            steps.push(Step::Removed(item));
        }
        Ok(steps)
    }

    /// Deletes the role, and before it what it left in other databases, such as large objects.
    async fn drop_role(&self, session: &Session, tenancy: &Tenancy) -> Result<(), Error> {
        let (role, user) = (Ident::from(&tenancy.user), tenancy.user.as_str());
        let servers = &self.pool.servers;
        let doing = || format!("deleting user {user}");
        let error = |failure| servers.error(doing(), failure);
        let found = session.rows(DEPENDENT, &[(&user as _, Type::TEXT)]).await;
        for row in found.map_err(error)? {
            let database: String = row.get(0);
            let login = servers.administrator_in(&database);
            let there = servers.direct(&login).await.map_err(error)?;
            let dropped = there.run(&Statement::drop_owned(role)).await;
            dropped.map_err(error)?;
        }
        // What it was granted on shared objects goes from any database.
        session
            .run(&Statement::drop_owned(role))
            .await
            .map_err(error)?;
        session
            .run(&Statement::drop_role(role))
            .await
            .map_err(error)
    }

    /// Error of an operation whose records another writer changed meanwhile.
    pub(super) fn overtaken(&self, doing: String, tenancy: &Tenancy) -> Error {
        overtaken(self.pool.servers.site(doing), tenancy)
    }
}

/// Statement and step of a change of the tenant's role, on a server of this version.
fn of_role(write: &RoleWrite, tenancy: &Tenancy, version: u32) -> (Statement, Option<Step>) {
    let role = Ident::from(&tenancy.user);
    match write {
        RoleWrite::Join => (Statement::join(role, version), None),
        RoleWrite::AllowLogin => {
            let step = Step::AccessGranted("log-in".to_owned());
            (Statement::allow_login(role), Some(step))
        }
        RoleWrite::TakePower(power) => {
            let step = Step::AccessRevoked(power.as_str().to_owned());
            (Statement::take_power(role, *power), Some(step))
        }
        RoleWrite::EndMembership(membership) => {
            let foreign = Ident::known(&membership.role);
            let by = (foreign, Ident::known(&membership.grantor));
            let access = format!("membership in role {}", membership.role);
            let step = Step::AccessRevoked(access);
            (Statement::leave(role, by, version), Some(step))
        }
        RoleWrite::Withdraw(database) => {
            let step = Step::AccessRevoked(format!("access to database {database}"));
            let statement = Statement::revoke_database(Ident::known(database), role);
            (statement, Some(step))
        }
    }
}

/// Statement and step of a change of the tenant's database.
fn of_database(write: DatabaseWrite, tenancy: &Tenancy) -> (Statement, Option<Step>) {
    let (database, role) = (Ident::from(&tenancy.schema), Ident::from(&tenancy.user));
    let schema = tenancy.schema.as_str();
    match write {
        DatabaseWrite::Create => {
            let step = Step::Created(Item::new("database", schema));
            (Statement::create_database(database), Some(step))
        }
        DatabaseWrite::Close(was_open) => {
            let access = format!("access of PUBLIC to database {schema}");
            let step = was_open.then_some(Step::AccessRevoked(access));
            (Statement::close_database(database), step)
        }
        DatabaseWrite::Open => (Statement::open_database(database), None),
        DatabaseWrite::Give => {
            let step = Step::AccessGranted(format!("database {schema}"));
            (Statement::give_database(database, role), Some(step))
        }
        DatabaseWrite::Grant => {
            let step = Step::AccessGranted(format!("connections to database {schema}"));
            (Statement::grant_database(database, role), Some(step))
        }
    }
}
