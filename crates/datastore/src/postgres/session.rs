//! One connection to one server, with a time limit for each request.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kamaji_core::endpoint::HostPort;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Connection, NoTls, Row, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::answer::Failure;
use super::metered::{Allowance, Metered, MeteredTls};
use super::sql::Statement;
use crate::transfer::kine::VALUE_BYTES;

/// Time limit of a request that reads, or changes one thing.
const CALL: Duration = Duration::from_secs(5);
/// Time limit of a request that creates or deletes a database: the server writes a checkpoint meanwhile.
const SLOW_CALL: Duration = Duration::from_secs(15);
/// Time limit of a request that reads or writes many rows.
const LONG_CALL: Duration = Duration::from_secs(30);
/// Most bytes of the answer to a request that reads many rows: twice the largest value, which comes alone with its name.
const LONG_ANSWER: usize = 2 * VALUE_BYTES;
/// Time limit of the request that tells whether an idle connection still works.
const LIVENESS: Duration = Duration::from_secs(1);
/// Oldest version of the server that has `DROP DATABASE ... WITH (FORCE)`.
const OLDEST_VERSION: u32 = 13;

/// First statements of a session, after which names mean the server's own things, whatever the owner of the database
/// or the role has set, and no request waits for ever.
const PREPARE: &str = "SET search_path = pg_catalog; SET ROLE NONE; SET statement_timeout = '5s'; \
    SET lock_timeout = '4s'; SET idle_in_transaction_session_timeout = '10s'; \
    SELECT current_setting('server_version_num'), pg_is_in_recovery(), \
    current_setting('transaction_read_only')";

/// User, password and database of a session.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) database: &'a str,
    /// True if a server that refuses writes does not do.
    pub(super) writes: bool,
}

/// An open connection; it is closed with the value, whatever the server is doing for it.
pub(super) struct Session {
    client: Client,
    task: AbortHandle,
    endpoint: HostPort,
    /// Major version of the server.
    pub(super) version: u32,
    /// True while a request has no answer, and for ever if its future was dropped.
    busy: AtomicBool,
    /// True while the session holds locks on the server.
    pub(super) locked: AtomicBool,
    /// Time limit of each request.
    limit: Duration,
    /// Bound of each answer.
    allowance: Arc<Allowance>,
    /// Turn of a session that no pool counts.
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    /// Connects to a server, which has to be a primary.
    pub(super) async fn open(
        endpoint: &HostPort,
        tls: Option<&Arc<ClientConfig>>,
        login: &Login<'_>,
    ) -> Result<Self, Failure> {
        let mut config = Config::new();
        config
            .user(login.user)
            .password(login.password)
            .dbname(login.database)
            .application_name("kamaji");
        let io = |error: std::io::Error| Failure::Transport(error.to_string());
        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port));
        let tcp = tcp.await.map_err(io)?;
        tcp.set_nodelay(true).map_err(io)?;
        let allowance: Arc<Allowance> = Arc::default();
        let (client, task) = if let Some(tls) = tls {
            config.ssl_mode(SslMode::Require);
            let mut tls = MakeRustlsConnect::new(ClientConfig::clone(tls));
            let tls = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, &endpoint.host)
                .map_err(|error| Failure::Transport(error.to_string()))?;
            let tls = MeteredTls::new(tls, Arc::clone(&allowance));
            let opened = config.connect_raw(tcp, tls).await;
            let (client, connection) = opened.map_err(|error| Failure::of(endpoint, &error))?;
            (client, drive(connection))
        } else {
            config.ssl_mode(SslMode::Disable);
            let tcp = Metered::new(tcp, Arc::clone(&allowance));
            let opened = config.connect_raw(tcp, NoTls).await;
            let (client, connection) = opened.map_err(|error| Failure::of(endpoint, &error))?;
            (client, drive(connection))
        };
        let session = Self {
            client,
            task,
            endpoint: endpoint.clone(),
            version: 0,
            busy: AtomicBool::new(false),
            locked: AtomicBool::new(false),
            limit: CALL,
            allowance,
            turn: None,
        };
        session.prepare(login.writes).await
    }

    /// Makes the session independent of settings in the database, and refuses a server that does not do.
    async fn prepare(mut self, writes: bool) -> Result<Self, Failure> {
        let answers = self
            .bounded(CALL, self.client.simple_query(PREPARE))
            .await?;
        let row = answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let text = |index| row.and_then(|row| row.get(index)).unwrap_or_default();
        let number: u32 = text(0).parse().unwrap_or_default();
        self.version = number / 10_000;
        let unsuitable = |cause: String, remedy| Err(Failure::Unsuitable { cause, remedy });
        if self.version < OLDEST_VERSION {
            let version = self.version;
            return unsuitable(
                format!("it is PostgreSQL {version}, which is too old"),
                "use PostgreSQL 13 or newer",
            );
        }
        if text(1) == "t" {
            return unsuitable(
                "it is a standby, not the primary".to_owned(),
                "name the primary in spec.endpoints, or promote the standby",
            );
        }
        if writes && text(2) == "on" {
            return unsuitable(
                "it is read-only (default_transaction_read_only is on)".to_owned(),
                "let it be written again, or name another server in spec.endpoints",
            );
        }
        Ok(self)
    }

    /// Prepares for requests that read or write many rows: each may take [`LONG_CALL`] with an answer of
    /// [`LONG_ANSWER`], and reads ranges of an index in its order, also of a table that was never analysed.
    pub(super) async fn allow_long_calls(&mut self) -> Result<(), Failure> {
        let settings = "SET statement_timeout = '30s'; SET enable_sort = off; SET enable_seqscan = off; SET jit = off";
        self.bounded(CALL, self.client.batch_execute(settings))
            .await?;
        self.limit = LONG_CALL;
        self.allowance.raise(LONG_ANSWER);
        Ok(())
    }

    /// True if the session can be used for another operation.
    pub(super) fn is_reusable(&self) -> bool {
        !self.busy.load(Ordering::Relaxed)
            && !self.locked.load(Ordering::Relaxed)
            && !self.client.is_closed()
    }

    /// Asks an idle session whether its server still answers and still is a primary.
    pub(super) async fn is_alive(&self) -> bool {
        let answer = self.client.simple_query("SELECT pg_is_in_recovery()");
        let Ok(answers) = self.bounded(LIVENESS, answer).await else {
            return false;
        };
        answers.iter().any(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("f"),
            _ => false,
        })
    }

    /// Reads all rows of a query, within the session's time limit.
    pub(super) async fn rows(
        &self,
        query: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Failure> {
        self.bounded(self.limit, self.client.query_typed(query, parameters))
            .await
    }

    /// Changes rows, and returns their number.
    pub(super) async fn execute(
        &self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<u64, Failure> {
        self.bounded(self.limit, self.client.execute_typed(statement, parameters))
            .await
    }

    /// Runs a statement within the session's time limit.
    pub(super) async fn run(&self, statement: &Statement) -> Result<(), Failure> {
        self.bounded(self.limit, self.client.batch_execute(statement.as_str()))
            .await
    }

    /// Creates or deletes a database. The server goes on with it when the time is over, and keeps the locks of this
    /// session until it is done.
    pub(super) async fn run_slow(&self, statement: &Statement) -> Result<(), Failure> {
        self.bounded(CALL, self.client.batch_execute("SET statement_timeout = 0"))
            .await?;
        self.bounded(SLOW_CALL, self.client.batch_execute(statement.as_str()))
            .await?;
        self.bounded(
            CALL,
            self.client.batch_execute("SET statement_timeout = '5s'"),
        )
        .await
    }

    async fn bounded<T>(
        &self,
        limit: Duration,
        request: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        self.busy.store(true, Ordering::Relaxed);
        let Ok(answer) = timeout(limit, request).await else {
            let cause = format!("{}: no answer within {} s", self.endpoint, limit.as_secs());
            return Err(Failure::Transport(cause));
        };
        let failure = match answer {
            Ok(value) => {
                self.busy.store(false, Ordering::Relaxed);
                return Ok(value);
            }
            Err(error) => Failure::of(&self.endpoint, &error),
        };
        // The library only says that the connection is closed.
        if let Some(cause) = self.allowance.exceeded() {
            return Err(Failure::Excessive(cause.to_owned()));
        }
        if let Failure::Transport(cause) = failure {
            return Err(Failure::Transport(format!("{}: {cause}", self.endpoint)));
        }
        self.busy.store(false, Ordering::Relaxed);
        Err(failure)
    }
}

/// Moves a connection's bytes until it is closed from either side. Notices are dropped: their text is of whoever owns the
/// functions that a request runs, and the library by itself would log it.
fn drive<S, T>(mut connection: Connection<S, T>) -> AbortHandle
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let task = tokio::spawn(async move {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let Err(error) = message {
                tracing::debug!(%error, "connection to PostgreSQL closed");
                return;
            }
        }
    });
    task.abort_handle()
}
