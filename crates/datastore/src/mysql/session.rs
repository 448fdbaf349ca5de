//! One connection in use, and its requests.

use std::time::Duration;

use kamaji_core::endpoint::HostPort;
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Opts, OptsBuilder, Params};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::answer::code;
use super::dial::dial;
use super::facts::Facts;
use super::failed::{Failed, unless};
use super::idle::IdleConnections;
use super::query::Query;
use super::sql::Statement;
use crate::connection::Connection;
use crate::error::{Error, Site};
use crate::tenancy::{Secret, User};

/// Time limit of a request.
pub(super) const CALL: Duration = Duration::from_secs(5);
/// Time limit of a request that deletes a database.
const DELETION: Duration = Duration::from_secs(15);

/// Endpoint of a connection, and the list that keeps it while nobody uses it.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) connection: &'a Connection,
    pub(super) endpoint: &'a HostPort,
    /// Index of the endpoint.
    pub(super) server: usize,
    pub(super) idle: &'a IdleConnections,
}

/// A user and the password that it is to have.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) user: &'a User,
    pub(super) password: &'a Secret,
}

/// A connection in use. [`Session::finish`] keeps it for the next; a session that is dropped closes its connection,
/// with whatever lock it holds.
pub(super) struct Session<'a> {
    origin: Origin<'a>,
    conn: Conn,
    /// State of the server when the session began.
    pub(super) facts: Facts,
    _permit: SemaphorePermit<'a>,
}

impl<'a> Session<'a> {
    /// Takes a connection into use.
    pub(super) fn new(
        origin: Origin<'a>,
        conn: Conn,
        facts: Facts,
        permit: SemaphorePermit<'a>,
    ) -> Self {
        Self {
            origin,
            conn,
            facts,
            _permit: permit,
        }
    }

    /// The operator's own user; empty if it logs in without one.
    pub(super) fn administrator(&self) -> &'a str {
        let auth = self.origin.connection.basic_auth.as_ref();
        auth.map_or("", |auth| auth.user.as_str())
    }

    /// The site of an operation, for errors.
    pub(super) fn site(&self, doing: impl Into<String>) -> Site {
        Site::new(self.origin.connection, doing)
    }

    /// Endpoint of the session, and the options of its connection.
    pub(super) fn origin(&self) -> (&HostPort, Opts) {
        (self.origin.endpoint, self.conn.opts().clone())
    }

    /// Keeps the connection for the next session.
    pub(super) fn finish(self) {
        self.origin.idle.keep(self.conn, self.origin.server);
    }

    /// True if the user can log in with this password at the same endpoint; false if the password is another or the
    /// account is locked.
    pub(super) async fn logs_in(&self, login: Login<'_>) -> Result<bool, Error> {
        let Login { user, password } = login;
        let options = OptsBuilder::from_opts(self.conn.opts().clone())
            .user(Some(user.as_str()))
            .pass(Some(password.expose()));
        match dial(self.origin.endpoint, options.into()).await {
            Ok(conn) => {
                // The answer is known; how the connection ends does not matter.
                let _ = timeout(CALL, conn.disconnect()).await;
                Ok(true)
            }
            Err((_, number))
                if code::LOGIN_REFUSED.contains(&number) || code::LOCKED.contains(&number) =>
            {
                Ok(false)
            }
            Err((failure, _)) => {
                Err(failure.into_error(self.site(format!("logging in as user {user}"))))
            }
        }
    }

    /// Rows of a query with bound parameters.
    pub(super) async fn rows<R: FromRow + Send + 'static>(
        &mut self,
        doing: &str,
        query: &str,
        parameters: impl Into<Params> + Send,
    ) -> Result<Vec<R>, Error> {
        let found = self
            .rows_unless(&[], Query::new(doing, query), parameters)
            .await?;
        Ok(found.unwrap_or_default())
    }

    /// Rows of a query, or nothing where the server answers with one of the errors `harmless`.
    pub(super) async fn rows_unless<R: FromRow + Send + 'static>(
        &mut self,
        harmless: &[u16],
        query: Query<'_>,
        parameters: impl Into<Params> + Send,
    ) -> Result<Option<Vec<R>>, Error> {
        let request = timeout(CALL, self.conn.exec(query.text, parameters.into())).await;
        let answer = Failed::of_request(self.origin.endpoint, request, CALL);
        self.unless(harmless, query.doing, answer)
    }

    /// Executes a statement within [`CALL`].
    pub(super) async fn write(&mut self, doing: &str, statement: &Statement) -> Result<(), Error> {
        self.write_unless(&[], doing, statement).await.map(drop)
    }

    /// Executes a statement that may take long.
    pub(super) async fn write_slowly(
        &mut self,
        doing: &str,
        statement: &Statement,
    ) -> Result<(), Error> {
        let request = timeout(DELETION, self.conn.query_drop(statement.as_str())).await;
        let answer = Failed::of_request(self.origin.endpoint, request, DELETION);
        self.unless(&[], doing, answer).map(drop)
    }

    /// Executes a statement; false where the server answers with one of the errors `harmless`.
    pub(super) async fn write_unless(
        &mut self,
        harmless: &[u16],
        doing: &str,
        statement: &Statement,
    ) -> Result<bool, Error> {
        let request = timeout(CALL, self.conn.query_drop(statement.as_str())).await;
        let answer = Failed::of_request(self.origin.endpoint, request, CALL);
        let done = self.unless(harmless, doing, answer)?;
        Ok(done.is_some())
    }

    /// Executes a change of rows with bound parameters; returns the number of rows that changed, 0 where the server
    /// answers with one of the errors `harmless`.
    pub(super) async fn change_unless(
        &mut self,
        harmless: &[u16],
        query: Query<'_>,
        parameters: impl Into<Params> + Send,
    ) -> Result<u64, Error> {
        let request = timeout(CALL, self.conn.exec_drop(query.text, parameters.into())).await;
        let answer = Failed::of_request(self.origin.endpoint, request, CALL);
        let done = self.unless(harmless, query.doing, answer)?;
        Ok(done.map_or(0, |()| self.conn.affected_rows()))
    }

    fn unless<T>(
        &self,
        harmless: &[u16],
        doing: &str,
        answer: Result<T, Failed>,
    ) -> Result<Option<T>, Error> {
        unless(harmless, answer, || self.site(doing))
    }
}
