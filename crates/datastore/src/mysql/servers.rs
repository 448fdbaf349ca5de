//! The endpoints of one datastore.
//!
//! A session goes to the endpoint that served last, and to the next one if that cannot be reached or takes no writes.
//! An idle connection is asked whether its server still takes writes before it is used.

use std::sync::atomic::{AtomicUsize, Ordering};

use kamaji_core::endpoint::HostPort;
use mysql_async::Opts;
use tokio::sync::Semaphore;

use super::answer::Failure;
use super::dial::{dial, options};
use super::facts::Facts;
use super::idle::IdleConnections;
use super::session::{CALL, Origin, Session};
use crate::connection::Connection;
use crate::error::{Error, Site, require_endpoints};

/// Most connections at once.
const AT_ONCE: usize = 4;

/// One endpoint, and the options of a connection to it.
struct Server {
    endpoint: HostPort,
    options: Opts,
}

/// The endpoints of one datastore.
pub(super) struct Servers {
    connection: Connection,
    servers: Vec<Server>,
    /// Index of the endpoint that served last.
    preferred: AtomicUsize,
    permits: Semaphore,
    idle: IdleConnections,
}

impl Servers {
    /// The site of an operation, for errors.
    pub(super) fn site(&self, doing: impl Into<String>) -> Site {
        Site::new(&self.connection, doing)
    }

    /// Checks the connection data and prepares the options; nothing is dialled yet.
    pub(super) fn prepare(connection: &Connection) -> Result<Self, Error> {
        require_endpoints(connection)?;
        let options = options(connection)?;
        let servers = connection.endpoints.iter().map(|endpoint| Server {
            endpoint: endpoint.clone(),
            options: options
                .clone()
                .ip_or_hostname(endpoint.host.clone())
                .tcp_port(endpoint.port)
                .into(),
        });
        Ok(Self {
            connection: connection.clone(),
            servers: servers.collect(),
            preferred: AtomicUsize::new(0),
            permits: Semaphore::new(AT_ONCE),
            idle: IdleConnections::default(),
        })
    }

    /// A session at an endpoint that takes writes. Waits for its turn if [`AT_ONCE`] others are in use.
    pub(super) async fn session(&self, doing: &str) -> Result<Session<'_>, Error> {
        let site = || self.site(doing);
        let permit = self.permits.acquire().await.map_err(|_| Error::Protocol {
            site: site(),
            cause: "the connections were closed".to_owned(),
        })?;
        while let Some((mut conn, server)) = self.idle.take() {
            let origin = self.origin(server);
            if let Ok(facts) = Facts::read(&mut conn, origin.endpoint, CALL).await {
                return Ok(Session::new(origin, conn, facts, permit));
            }
        }
        let first = self.preferred.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        for server in (0..self.servers.len()).map(|n| (first + n) % self.servers.len()) {
            let origin = self.origin(server);
            let endpoint = origin.endpoint;
            let failure = match self.open(server).await {
                Ok((conn, facts)) => {
                    self.preferred.store(server, Ordering::Relaxed);
                    return Ok(Session::new(origin, conn, facts, permit));
                }
                Err(failure) => failure,
            };
            if !failure.is_of_endpoint() {
                return Err(failure.into_error(site()));
            }
            tracing::debug!(%endpoint, reason = ?failure, "no session");
            failures.push(failure);
        }
        Err(Failure::combine(failures).into_error(site()))
    }

    fn origin(&self, server: usize) -> Origin<'_> {
        Origin {
            connection: &self.connection,
            endpoint: &self.servers[server].endpoint,
            server,
            idle: &self.idle,
        }
    }

    async fn open(&self, server: usize) -> Result<(mysql_async::Conn, Facts), Failure> {
        let Server { endpoint, options } = &self.servers[server];
        let dialled = dial(endpoint, options.clone()).await;
        let mut conn = dialled.map_err(|(failure, _)| failure)?;
        let facts = Facts::read(&mut conn, endpoint, CALL).await?;
        Ok((conn, facts))
    }
}
