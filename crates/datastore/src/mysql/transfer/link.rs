//! Connection of a transfer as one user, opened by the first request and again after it broke.

use std::time::Duration;

use kamaji_core::endpoint::HostPort;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error as ClientError, Opts, OptsBuilder, Params, Row};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::super::answer::Failure;
use super::super::answer::code::LOGIN_REFUSED;
use super::super::dial::dial;
use super::super::failed::{Failed, unless};
use super::super::query::Query;
use super::super::sql::Statement;
use super::gather::{ANSWER, gather};
use crate::error::{Error, Site};

/// Time limit of a request that reads or writes one batch.
const CALL: Duration = Duration::from_secs(30);
/// Time limit of a request that reads or changes the whole table.
const SCAN: Duration = Duration::from_mins(2);
/// Largest packet in bytes that a transfer takes or sends: a value of kine's table always fits.
const PACKET: usize = 32 << 20;

/// A connection of one user to one endpoint.
pub(super) struct Link {
    endpoint: HostPort,
    options: Opts,
    /// Options to use instead once the server refuses the log-in with the others.
    other: Option<Opts>,
    store: String,
    conn: Option<Conn>,
    /// True while no other connection may take the place of one that breaks.
    pinned: bool,
}

impl Link {
    /// Prepares a connection; nothing is dialled yet. The store is that of `site`.
    pub(super) fn new(endpoint: &HostPort, options: OptsBuilder, site: Site) -> Self {
        Self {
            endpoint: endpoint.clone(),
            options: options.max_allowed_packet(Some(PACKET)).into(),
            other: None,
            store: site.store,
            conn: None,
            pinned: false,
        }
    }

    /// Adds another log-in, which is tried when the server refuses the one in use.
    pub(super) fn or(mut self, options: OptsBuilder) -> Self {
        self.other = Some(options.max_allowed_packet(Some(PACKET)).into());
        self
    }

    /// The site of an operation, for errors.
    pub(super) fn site(&self, doing: impl Into<String>) -> Site {
        Site {
            store: self.store.clone(),
            doing: doing.into(),
        }
    }

    /// Error of an answer that cannot be used.
    pub(super) fn unexpected(&self, doing: &str, cause: impl Into<String>) -> Error {
        Error::Protocol {
            site: self.site(doing),
            cause: cause.into(),
        }
    }

    /// Rows of a query, or nothing where the server answers with one of the errors `harmless`. Asked again once if the
    /// connection had been ended.
    pub(super) async fn rows_unless(
        &mut self,
        harmless: &[u16],
        query: Query<'_>,
        parameters: impl Into<Params> + Send,
    ) -> Result<Option<Vec<Row>>, Error> {
        let parameters = parameters.into();
        let mut answer = self.rows_once(query.text, &parameters).await;
        if !self.pinned && answer.as_ref().is_err_and(|failed| failed.broken) {
            answer = self.rows_once(query.text, &parameters).await;
        }
        self.unless(harmless, query.doing, answer)
    }

    /// Rows of a query.
    pub(super) async fn rows(
        &mut self,
        query: Query<'_>,
        parameters: impl Into<Params> + Send,
    ) -> Result<Vec<Row>, Error> {
        let rows = self.rows_unless(&[], query, parameters).await?;
        Ok(rows.unwrap_or_default())
    }

    /// Rows of a query in a transaction, which a new connection would be without.
    pub(super) async fn rows_in_transaction(
        &mut self,
        query: Query<'_>,
        parameters: impl Into<Params> + Send,
    ) -> Result<Vec<Row>, Error> {
        let answer = self.rows_once(query.text, &parameters.into()).await;
        let rows = self.unless(&[], query.doing, answer)?;
        Ok(rows.unwrap_or_default())
    }

    /// Opens the connection anew if it was ended while nobody used it.
    pub(super) async fn awake(&mut self) -> Result<(), Error> {
        self.pinned = false;
        self.rows(Query::new("connecting", "SELECT 1"), ())
            .await
            .map(drop)
    }

    /// Gives the rows of a query over the whole table to `row` one by one; false where the server answers with one of
    /// the errors `harmless`.
    pub(super) async fn each_unless(
        &mut self,
        harmless: &[u16],
        query: Query<'_>,
        mut row: impl FnMut(Row) + Send,
    ) -> Result<bool, Error> {
        self.awake().await?;
        let answer = match self.take().await {
            Ok(mut conn) => {
                let request = timeout(
                    SCAN,
                    conn.exec_fold(query.text, (), (), |(), next| row(next)),
                )
                .await;
                self.keep(conn, request, SCAN)
            }
            Err(failed) => Err(failed),
        };
        let done = self.unless(harmless, query.doing, answer)?;
        Ok(done.is_some())
    }

    /// Changes rows, and returns their number.
    pub(super) async fn change(
        &mut self,
        query: Query<'_>,
        parameters: impl Into<Params> + Send,
    ) -> Result<u64, Error> {
        let answer = match self.take().await {
            Ok(mut conn) => {
                let request = timeout(CALL, conn.exec_drop(query.text, parameters.into())).await;
                let changed = conn.affected_rows();
                let answer = self.keep(conn, request, CALL);
                answer.map(|()| changed)
            }
            Err(failed) => Err(failed),
        };
        let changed = self.unless(&[], query.doing, answer)?;
        Ok(changed.unwrap_or_default())
    }

    /// Executes a statement; false where the server answers with one of the errors `harmless`.
    pub(super) async fn run_unless(
        &mut self,
        harmless: &[u16],
        doing: &str,
        statement: &Statement,
    ) -> Result<bool, Error> {
        let answer = match self.take().await {
            Ok(mut conn) => {
                let request = timeout(SCAN, conn.query_drop(statement.as_str())).await;
                self.keep(conn, request, SCAN)
            }
            Err(failed) => Err(failed),
        };
        let done = self.unless(harmless, doing, answer)?;
        Ok(done.is_some())
    }

    /// Executes a statement within the time limit of a whole table.
    pub(super) async fn run(&mut self, doing: &str, statement: &Statement) -> Result<(), Error> {
        self.run_unless(&[], doing, statement).await.map(drop)
    }

    /// Keeps to the connection that is open, until [`Link::awake`]: requests fail once it has ended.
    pub(super) fn pin(&mut self) {
        self.pinned = true;
    }

    /// Ends the connection, and with it an open transaction.
    pub(super) fn close(&mut self) {
        self.conn = None;
    }

    async fn rows_once(&mut self, query: &str, parameters: &Params) -> Result<Vec<Row>, Failed> {
        let mut conn = self.take().await?;
        let request = timeout(CALL, gather(&mut conn, query, parameters.clone())).await;
        if matches!(request, Ok(Ok(None))) {
            let words = format!(
                "{} answers with more than the {ANSWER} bytes that are read: the table kine is not as kine makes it",
                self.endpoint
            );
            return Err(Failed::new(Failure::Unexpected(words), 0));
        }
        let rows = self.keep(conn, request, CALL)?;
        Ok(rows.unwrap_or_default())
    }

    async fn take(&mut self) -> Result<Conn, Failed> {
        if let Some(conn) = self.conn.take() {
            return Ok(conn);
        }
        if self.pinned {
            let words = format!("{} has ended the connection", self.endpoint);
            return Err(Failed::new(Failure::Unreachable(words), 0));
        }
        let mut dialled = dial(&self.endpoint, self.options.clone()).await;
        let refused = matches!(&dialled, Err((_, number)) if LOGIN_REFUSED.contains(number));
        if refused && let Some(other) = &mut self.other {
            dialled = dial(&self.endpoint, other.clone()).await;
            if dialled.is_ok() {
                std::mem::swap(&mut self.options, other);
            }
        }
        dialled.map_err(|(failure, number)| Failed::new(failure, number))
    }

    /// Keeps the connection after an answer of the server, and closes it after anything else: what the server still
    /// does for it ends with it.
    fn keep<T>(
        &mut self,
        conn: Conn,
        request: Result<Result<T, ClientError>, Elapsed>,
        limit: Duration,
    ) -> Result<T, Failed> {
        let answer = Failed::of_request(&self.endpoint, request, limit);
        if answer.as_ref().err().is_none_or(Failed::is_answer) {
            self.conn = Some(conn);
        }
        answer
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
