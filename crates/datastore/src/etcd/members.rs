//! Which of the endpoints answers?
//!
//! One client per endpoint instead of one balanced client: a request that fails at a dead endpoint
//! is given to the next, and the one that answered is asked first from then on. Every request of
//! this driver may be repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout};

use super::answer::Failure;
use super::diagnosis::{Diagnosis, diagnose};
use super::material::Material;
use crate::connection::{Connection, Endpoint};
use crate::error::{Error, Site};

const CONNECT: Duration = Duration::from_secs(3);
const CALL: Duration = Duration::from_secs(5);
/// How often a call is repeated because other tenants' users change at the same time.
const STALE_RETRIES: u32 = 8;

struct Member {
    endpoint: Endpoint,
    client: Client,
}

/// All endpoints of a cluster.
pub(super) struct Members {
    connection: Connection,
    members: Vec<Member>,
    config: Arc<ClientConfig>,
    /// Index of the member that answered last.
    preferred: AtomicUsize,
}

/// Why one member didn't serve, the most telling last.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Unreachable(String),
    TlsRefused(String),
}

impl Members {
    /// Prepares a client per endpoint; nothing is dialled yet.
    pub(super) async fn prepare(connection: &Connection) -> Result<Self, Error> {
        let site = || Site::new(connection, "connecting");
        if connection.endpoints.is_empty() {
            let reason = "is empty".to_owned();
            return Err(Error::InvalidMaterial {
                site: site(),
                what: "list of endpoints",
                reason,
            });
        }
        let material = Material::parse(connection)?;
        let mut members = Vec::with_capacity(connection.endpoints.len());
        for endpoint in &connection.endpoints {
            let tls = material
                .options
                .clone()
                .domain_name(endpoint.host())
                .timeout(CONNECT);
            let options = ConnectOptions::new()
                .with_tls(tls)
                .with_connect_timeout(CONNECT)
                .with_require_leader(true);
            let client = Client::connect([format!("https://{endpoint}")], Some(options))
                .await
                .map_err(|error| Error::Protocol {
                    site: site(),
                    cause: error.to_string(),
                })?;
            members.push(Member {
                endpoint: endpoint.clone(),
                client,
            });
        }
        Ok(Self {
            connection: connection.clone(),
            members,
            config: material.config,
            preferred: AtomicUsize::new(0),
        })
    }

    /// The site of something done with this cluster.
    pub(super) fn site(&self, doing: impl Into<String>) -> Site {
        Site::new(&self.connection, doing)
    }

    /// Asks one member after the other until one serves the request.
    pub(super) async fn call<T, F>(
        &self,
        doing: impl Into<String>,
        request: impl Fn(Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let site = self.site(doing);
        let first = self.preferred.load(Ordering::Relaxed);
        let mut troubles = Vec::new();
        for index in (0..self.members.len()).map(|n| (first + n) % self.members.len()) {
            let member = &self.members[index];
            let since = Instant::now();
            let failure = match member.attempt(&request).await {
                Ok(value) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(value);
                }
                Err(failure) => failure,
            };
            troubles.push(match failure {
                Failure::Denied(cause) => {
                    return Err(Error::NotAuthorised { site, cause });
                }
                Failure::AuthOff => {
                    return Err(Error::AuthDisabled { site });
                }
                Failure::Unexpected(cause) => {
                    return Err(Error::Protocol { site, cause });
                }
                Failure::Stale(words) | Failure::Unavailable(words) => {
                    Trouble::Unreachable(format!("{}: {words}", member.endpoint))
                }
                Failure::Transport(words) => self.explain(member, words, since).await,
            });
            tracing::debug!(endpoint = %member.endpoint, trouble = ?troubles.last(), "not served");
        }
        Err(failed(site, troubles))
    }

    /// Finds out why there was no answer, unless waiting for it has already taken long.
    async fn explain(&self, member: &Member, words: String, since: Instant) -> Trouble {
        let endpoint = &member.endpoint;
        if since.elapsed() >= CONNECT {
            return Trouble::Unreachable(format!("{endpoint}: {words}"));
        }
        match diagnose(endpoint, Arc::clone(&self.config), CONNECT).await {
            Diagnosis::TlsRefused(cause) => Trouble::TlsRefused(cause),
            Diagnosis::Unreachable(cause) => Trouble::Unreachable(cause),
            Diagnosis::Answers => Trouble::Unreachable(format!("{endpoint}: {words}")),
        }
    }
}

impl Member {
    async fn attempt<T, F>(&self, request: &impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let mut retries = 0;
        loop {
            let answer = timeout(CALL, request(self.client.clone()))
                .await
                .map_err(|_| {
                    Failure::Transport(format!("no answer within {} s", CALL.as_secs()))
                })?;
            match answer.map_err(|error| Failure::of(&error)) {
                Err(Failure::Stale(_)) if retries < STALE_RETRIES => retries += 1,
                other => return other,
            }
        }
    }
}

/// One error out of every member's trouble: refused certificates need a person, so they win.
fn failed(site: Site, mut troubles: Vec<Trouble>) -> Error {
    troubles.sort();
    let refused = matches!(troubles.last(), Some(Trouble::TlsRefused(_)));
    let causes: Vec<String> = troubles
        .into_iter()
        .filter_map(|trouble| match trouble {
            Trouble::Unreachable(cause) if !refused => Some(cause),
            Trouble::TlsRefused(cause) => Some(cause),
            Trouble::Unreachable(_) => None,
        })
        .collect();
    let cause = causes.join("; ");
    if refused {
        Error::TlsRefused { site, cause }
    } else {
        Error::Unreachable { site, cause }
    }
}
