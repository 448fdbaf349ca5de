//! Checks of the server: whether it asks for passwords, and whether the operator is its administrator.

use std::sync::atomic::Ordering;

use kamaji_api::owner::AUTH_PROBE_USER;
use tokio_postgres::Row;

use super::answer::{CHECK_PASSWORDS, Failure};
use super::client::Postgres;
use super::records::MAINTENANCE;
use super::session::Login;
use crate::driver::AccessControl;
use crate::error::Error;

/// A server whose administrator accepts that it checks no passwords.
const OPEN: AccessControl = AccessControl::Off {
    exposure: "whoever reaches this PostgreSQL from the operator's address, each tenant perhaps included, logs in as \
               any tenant without a password",
    remedy: "replace trust by scram-sha-256 in pg_hba.conf and reload it",
};
/// Powers of the operator's own role, and whether it may use the owner records if they exist.
const POWERS: &str = "SELECT rolname::text, rolsuper, rolcreaterole, rolcreatedb, rolinherit,
        coalesce((
            SELECT bool_and(has_table_privilege(to_regclass('public.owners'), privilege))
            FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege), true)
    FROM pg_roles WHERE rolname = current_user";
const VERSION: &str = "SELECT current_setting('server_version')";

impl Postgres {
    /// Refuses a server that would let every tenant log in as every other, unless that is accepted: it lets the log-in
    /// of a user that does not exist come as far as looking for that user.
    pub(super) async fn require_passwords(&self) -> Result<AccessControl, Error> {
        if self.passwords_seen.load(Ordering::Relaxed) {
            return Ok(AccessControl::On);
        }
        let doing = "asking whether passwords are checked";
        let login = Login {
            user: AUTH_PROBE_USER,
            password: "",
            database: MAINTENANCE,
            writes: false,
        };
        match self.pool.servers.direct(&login).await {
            Ok(_) | Err(Failure::UnknownUser(_)) if self.accepts_open => Ok(OPEN),
            Ok(_) | Err(Failure::UnknownUser(_)) => Err(Error::AccessControlOff {
                site: self.pool.servers.site(doing),
                remedy: CHECK_PASSWORDS,
            }),
            Err(Failure::WrongPassword(_) | Failure::NotAdmitted(_) | Failure::Denied { .. }) => {
                self.passwords_seen.store(true, Ordering::Relaxed);
                Ok(AccessControl::On)
            }
            Err(failure) => Err(self.pool.servers.error(doing, failure)),
        }
    }

    /// Checks that the operator may create roles and databases, and use the owner records.
    pub(super) async fn require_powers(&self) -> Result<(), Error> {
        let doing = "reading the operator's own role";
        let error = |failure| self.pool.servers.error(doing, failure);
        let answer = self.row(POWERS).await.map_err(error)?;
        match lack(&answer) {
            Some(lack) => Err(self.pool.servers.lacks(doing, lack)),
            None => Ok(()),
        }
    }

    /// Product and version of the server, without what a distribution adds to it.
    pub(super) async fn server_version(&self) -> Result<String, Error> {
        let answer = self.row(VERSION).await;
        let row =
            answer.map_err(|failure| self.pool.servers.error("reading the version", failure))?;
        let text: &str = row.get(0);
        let number = text.split(' ').next().unwrap_or_default();
        Ok(format!("PostgreSQL {number}"))
    }

    /// The row that a query about the server has, in the operator's database if that exists.
    async fn row(&self, query: &str) -> Result<Row, Failure> {
        let rows = match self.pool.lease().await {
            Ok(lease) => lease.rows(query, &[]).await?,
            // The operator's database comes with the first tenant.
            Err(Failure::NoDatabase(_)) => {
                let login = self.pool.servers.administrator_in(MAINTENANCE);
                let session = self.pool.servers.direct(&login).await?;
                session.rows(query, &[]).await?
            }
            Err(failure) => return Err(failure),
        };
        let row = rows.into_iter().next();
        row.ok_or_else(|| Failure::Unexpected("no row where one is certain".to_owned()))
    }
}

/// The first thing that the operator's role lacks, by the answer to [`POWERS`].
fn lack(row: &Row) -> Option<&'static str> {
    let facts: [bool; 5] = [1, 2, 3, 4, 5].map(|n| row.get(n));
    let [superuser, roles, databases, inherits, records] = facts;
    let needs = [
        (roles, "lacks CREATEROLE"),
        (databases, "lacks CREATEDB"),
        (
            inherits,
            "has NOINHERIT, so that it cannot act for the tenants' roles",
        ),
        (records, "may not change the table of owner records"),
    ];
    let lacking = needs.into_iter().find(|(given, _)| !superuser && !given);
    lacking.map(|(_, lack)| lack)
}
