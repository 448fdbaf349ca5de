//! The endpoints of one PostgreSQL, of which one is the primary.
//!
//! A server that cannot be reached or is a standby is passed over for the next, and the one that answered is tried first
//! from then on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kamaji_core::endpoint::HostPort;
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::{BECOME_ADMINISTRATOR, Failure, LOG_IN};
use super::probe::probe;
use super::session::{Login, Session};
use crate::connection::{BasicAuth, Connection};
use crate::error::{Error, Site, require_endpoints};
use crate::tenancy::Tenancy;
use crate::tls::{Flaw, client_config};

/// Time limit of opening a connection, TLS and log-in included.
const CONNECT: Duration = Duration::from_secs(3);
/// Time limit of the diagnosis of an endpoint that did not serve.
const PROBE: Duration = Duration::from_secs(1);
/// Most connections outside the pool at once: those into tenants' databases.
const AT_ONCE: usize = 4;

/// The endpoints of one PostgreSQL and the administrator's credentials.
pub(super) struct Servers {
    connection: Connection,
    tls: Option<Arc<ClientConfig>>,
    /// Credentials of the operator.
    pub(super) administrator: BasicAuth,
    /// Index of the endpoint that answered last.
    preferred: AtomicUsize,
    turns: Arc<Semaphore>,
}

impl Servers {
    /// Checks endpoints, credentials and TLS material; nothing is dialled yet.
    pub(super) fn prepare(connection: &Connection) -> Result<Self, Error> {
        require_endpoints(connection)?;
        let flaw = |what, reason: &str| Flaw::new(what, reason).into_error(connection);
        let Some(administrator) = connection.basic_auth.clone() else {
            return Err(flaw(
                "user and password",
                "are missing: PostgreSQL knows its administrator by spec.basicAuth",
            ));
        };
        let tls = connection.tls.as_ref();
        let tls = tls
            .map(|tls| client_config(tls, x509_parser::time::ASN1Time::now()))
            .transpose()
            .map_err(|flaw| flaw.into_error(connection))?;
        Ok(Self {
            connection: connection.clone(),
            tls: tls.map(Arc::new),
            administrator,
            preferred: AtomicUsize::new(0),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// Log-in of the operator in `database`.
    pub(super) fn administrator_in<'a>(&'a self, database: &'a str) -> Login<'a> {
        Login {
            user: &self.administrator.user,
            password: self.administrator.password.expose(),
            database,
            writes: true,
        }
    }

    /// Log-in of a tenant in its database.
    pub(super) fn tenant<'a>(&self, tenancy: &'a Tenancy) -> Result<Login<'a>, Error> {
        let Some(password) = &tenancy.password else {
            return Err(Error::InvalidMaterial {
                site: self.site(format!("logging in as {}", tenancy.user)),
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

    /// Opens a session that no pool counts; it waits for its turn.
    pub(super) async fn direct(&self, login: &Login<'_>) -> Result<Session, Failure> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        let mut session = self.session(login).await?;
        session.turn = turn;
        Ok(session)
    }

    /// Opens a session at the first endpoint that can serve it.
    pub(super) async fn session(&self, login: &Login<'_>) -> Result<Session, Failure> {
        let endpoints = &self.connection.endpoints;
        let first = self.preferred.load(Ordering::Relaxed);
        let mut passed = Vec::new();
        for index in (0..endpoints.len()).map(|n| (first + n) % endpoints.len()) {
            let endpoint = &endpoints[index];
            match self.dial(endpoint, login).await {
                Ok(session) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(session);
                }
                Err(failure) => {
                    tracing::debug!(%endpoint, ?failure, "endpoint passed over");
                    passed.push(Passed::by(endpoint, failure)?);
                }
            }
        }
        Err(combined(passed))
    }

    async fn dial(&self, endpoint: &HostPort, login: &Login<'_>) -> Result<Session, Failure> {
        let opening = Session::open(endpoint, self.tls.as_ref(), login);
        let failure = match timeout(CONNECT, opening).await {
            Ok(Ok(session)) => return Ok(session),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Transport(format!("no answer within {} s", CONNECT.as_secs())),
        };
        let Failure::Transport(words) = failure else {
            return Err(failure);
        };
        match timeout(PROBE, probe(endpoint, self.tls.as_ref())).await {
            Ok(Some(found)) => Err(found),
            _ => Err(Failure::Unavailable(words)),
        }
    }

    /// The site of an operation, for errors.
    pub(super) fn site(&self, doing: impl Into<String>) -> Site {
        Site::new(&self.connection, doing)
    }

    /// The error of an operation that failed.
    pub(super) fn error(&self, doing: impl Into<String>, failure: Failure) -> Error {
        let site = self.site(doing);
        match failure {
            Failure::Transport(cause) | Failure::Unavailable(cause) => {
                Error::Unreachable { site, cause }
            }
            Failure::TlsRefused(cause) => Error::TlsRefused { site, cause },
            Failure::Unsuitable { cause, remedy } => Error::Unsuitable {
                site,
                cause,
                remedy,
            },
            Failure::WrongPassword(cause)
            | Failure::UnknownUser(cause)
            | Failure::NotAdmitted(cause) => Error::NotAuthorised {
                site,
                cause,
                remedy: LOG_IN,
            },
            Failure::Denied { cause, remedy } => Error::NotAuthorised {
                site,
                cause,
                remedy,
            },
            Failure::ReservedName(cause) => Error::Refused {
                site,
                reason: format!("{cause}; give the tenant another schema and user"),
            },
            Failure::NoDatabase(cause)
            | Failure::NoTable(cause)
            | Failure::Excessive(cause)
            | Failure::Exists(cause)
            | Failure::Unexpected(cause) => Error::Protocol { site, cause },
        }
    }

    /// The error of an operation that the operator's role may not do.
    pub(super) fn lacks(&self, doing: impl Into<String>, what: &str) -> Error {
        let cause = format!("the role {} {what}", self.administrator.user);
        let remedy = BECOME_ADMINISTRATOR;
        self.error(doing, Failure::Denied { cause, remedy })
    }
}

/// Endpoint that could not serve a session, the most telling last.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Passed {
    Unavailable(String),
    Unsuitable(&'static str, String),
    TlsRefused(String),
}

impl Passed {
    /// Decides whether another endpoint may do better; an error that every endpoint would give is returned.
    fn by(endpoint: &HostPort, failure: Failure) -> Result<Self, Failure> {
        match failure {
            Failure::Transport(cause) | Failure::Unavailable(cause) => {
                Ok(Self::Unavailable(format!("{endpoint}: {cause}")))
            }
            Failure::Unsuitable { cause, remedy } => {
                Ok(Self::Unsuitable(remedy, format!("{endpoint}: {cause}")))
            }
            Failure::TlsRefused(cause) => Ok(Self::TlsRefused(cause)),
            other => Err(other),
        }
    }
}

/// Combines the reasons of all endpoints; refused certificates win, since only an administrator can correct them.
fn combined(mut passed: Vec<Passed>) -> Failure {
    passed.sort();
    let worst = passed.pop();
    let mut causes: Vec<String> = Vec::new();
    let refused = matches!(worst, Some(Passed::TlsRefused(_)));
    let mut remedy = "";
    for each in passed.into_iter().chain(worst) {
        match each {
            Passed::TlsRefused(cause) => causes.push(cause),
            _ if refused => {}
            Passed::Unavailable(cause) => causes.push(cause),
            Passed::Unsuitable(known, cause) => {
                remedy = known;
                causes.push(cause);
            }
        }
    }
    let cause = causes.join("; ");
    if refused {
        Failure::TlsRefused(cause)
    } else if remedy.is_empty() {
        Failure::Unavailable(cause)
    } else {
        Failure::Unsuitable { cause, remedy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(host: &str, failure: Failure) -> Passed {
        Passed::by(&format!("{host}:1").parse().unwrap(), failure).unwrap()
    }

    #[test]
    fn the_most_telling_reason_of_several_endpoints_is_given() {
        let dead = || passed("a", Failure::Transport("connection refused".to_owned()));
        let standby = || {
            let failure = Failure::Unsuitable {
                cause: "it is a standby".to_owned(),
                remedy: "name the primary",
            };
            passed("b", failure)
        };
        let refused = || passed("c", Failure::TlsRefused("c:1 refused".to_owned()));
        assert_eq!(
            combined(vec![standby(), dead()]),
            Failure::Unsuitable {
                cause: "a:1: connection refused; b:1: it is a standby".to_owned(),
                remedy: "name the primary"
            }
        );
        assert_eq!(
            combined(vec![refused(), standby(), dead()]),
            Failure::TlsRefused("c:1 refused".to_owned())
        );
        assert_eq!(
            combined(vec![dead(), dead()]),
            Failure::Unavailable("a:1: connection refused; a:1: connection refused".to_owned())
        );
    }

    #[test]
    fn a_wrong_password_is_not_tried_at_the_next_endpoint() {
        let failure = || Failure::WrongPassword("no".to_owned());
        let endpoint = "a:1".parse().unwrap();
        assert_eq!(Passed::by(&endpoint, failure()), Err(failure()));
    }
}
