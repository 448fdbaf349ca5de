//! The endpoints of an etcd cluster, with one client each instead of one balanced client.
//!
//! A request that fails at a dead endpoint is sent to the next, and the endpoint that answered is
//! tried first from then on. Every request of this driver may be repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use kamaji_core::endpoint::HostPort;
use rustls::ClientConfig;
use tokio::time::{Instant, timeout};

use super::answer::{BECOME_ADMINISTRATOR, ENABLE_AUTH, FREE_SPACE, Failure};
use super::diagnosis::diagnose;
use super::material::Material;
use crate::connection::Connection;
use crate::error::{Error, Site, require_endpoints};
use crate::handshake::Diagnosis;

const CONNECT: Duration = Duration::from_secs(3);
const CALL: Duration = Duration::from_secs(5);
/// Most repetitions of a call because other tenants' users change at the same time.
const STALE_RETRIES: u32 = 8;

struct Member {
    endpoint: HostPort,
    client: Client,
}

/// The endpoints of one etcd cluster.
pub(super) struct Members {
    connection: Connection,
    members: Vec<Member>,
    config: Arc<ClientConfig>,
    /// Number of requests that a member did not serve: each may have been carried out all the same, or may be later.
    unserved: AtomicU64,
    /// Index of the member that answered last.
    preferred: AtomicUsize,
}

/// Reason for which one member did not serve a request, the most informative last.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unserved {
    Unreachable(String),
    TlsRefused(String),
}

impl Members {
    /// Prepares a client per endpoint; nothing is dialled yet.
    pub(super) async fn prepare(connection: &Connection) -> Result<Self, Error> {
        require_endpoints(connection)?;
        let material = Material::parse(connection)?;
        let mut members = Vec::with_capacity(connection.endpoints.len());
        for endpoint in &connection.endpoints {
            let tls = material
                .options
                .clone()
                .domain_name(&endpoint.host)
                .timeout(CONNECT);
            let options = ConnectOptions::new()
                .with_tls(tls)
                .with_connect_timeout(CONNECT)
                .with_require_leader(true);
            let client = Client::connect([format!("https://{endpoint}")], Some(options))
                .await
                .map_err(|error| Error::Protocol {
                    site: Site::new(connection, "connecting"),
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
            unserved: AtomicU64::new(0),
            preferred: AtomicUsize::new(0),
        })
    }

    /// The site of an operation at this cluster, for errors.
    pub(super) fn site(&self, doing: impl Into<String>) -> Site {
        Site::new(&self.connection, doing)
    }

    /// Number of requests so far of which it is not known whether they are carried out.
    pub(super) fn unserved(&self) -> u64 {
        self.unserved.load(Ordering::Relaxed)
    }

    /// Sends the request to one member after the other until one serves it.
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
        let mut reasons = Vec::new();
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
            self.unserved.fetch_add(1, Ordering::Relaxed);
            reasons.push(match failure {
                Failure::Denied(cause) => {
                    return Err(Error::NotAuthorised {
                        site,
                        cause,
                        remedy: BECOME_ADMINISTRATOR,
                    });
                }
                Failure::AuthOff => {
                    return Err(Error::AccessControlOff {
                        site,
                        remedy: ENABLE_AUTH,
                    });
                }
                Failure::Full(cause) => {
                    return Err(Error::Unsuitable {
                        site,
                        cause,
                        remedy: FREE_SPACE,
                    });
                }
                Failure::Unexpected(cause) => {
                    return Err(Error::Protocol { site, cause });
                }
                Failure::Stale(words) | Failure::Unavailable(words) => {
                    Unserved::Unreachable(format!("{}: {words}", member.endpoint))
                }
                Failure::Transport(words) => self.explain(member, words, since).await,
            });
            tracing::debug!(endpoint = %member.endpoint, reason = ?reasons.last(), "request not served");
        }
        Err(failed(site, reasons))
    }

    /// Diagnoses a member that gave no answer, unless waiting for it has already taken long.
    async fn explain(&self, member: &Member, words: String, since: Instant) -> Unserved {
        let endpoint = &member.endpoint;
        if since.elapsed() >= CONNECT {
            return Unserved::Unreachable(format!("{endpoint}: {words}"));
        }
        match diagnose(endpoint, Arc::clone(&self.config), CONNECT).await {
            Diagnosis::TlsRefused(cause) => Unserved::TlsRefused(cause),
            Diagnosis::Unreachable(cause) => Unserved::Unreachable(cause),
            Diagnosis::Answers => Unserved::Unreachable(format!("{endpoint}: {words}")),
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

/// Combines the reasons of all members into one error; refused certificates win, since only an
/// administrator can correct them.
fn failed(site: Site, mut reasons: Vec<Unserved>) -> Error {
    reasons.sort();
    let refused = matches!(reasons.last(), Some(Unserved::TlsRefused(_)));
    let causes: Vec<String> = reasons
        .into_iter()
        .filter_map(|reason| match reason {
            Unserved::Unreachable(cause) if !refused => Some(cause),
            Unserved::TlsRefused(cause) => Some(cause),
            Unserved::Unreachable(_) => None,
        })
        .collect();
    let cause = causes.join("; ");
    if refused {
        Error::TlsRefused { site, cause }
    } else {
        Error::Unreachable { site, cause }
    }
}
