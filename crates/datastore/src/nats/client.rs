//! Client of one NATS server or cluster: one connection, opened when it is needed, and requests of bounded time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::HeaderMap;
use async_nats::client::Request;
use async_nats::jetstream::{Context, ErrorCode};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;
use tokio::sync::Mutex;
use x509_parser::time::ASN1Time;

use super::answer::{self, ENABLE_JETSTREAM, GIVE_RIGHTS};
use super::session::{Credentials, Session, Unanswered, Unusable};
use crate::connection::Connection;
use crate::driver::AccessControl;
use crate::error::{Error, Site, require_endpoints};
use crate::tls;

/// Most attempts of a request, each with a new connection.
const ATTEMPTS: usize = 2;
/// Name of a stream that does not exist, to find out what the operator may do.
const NO_STREAM: &str = "KV_kamaji_clastix_io_probe";
/// Consequence of a NATS without access control.
const EXPOSURE: &str =
    "whoever reaches the server reads and writes the objects and Secrets of the tenant";
/// Instruction for a NATS without access control.
const ENABLE_ACCESS_CONTROL: &str = "give the server accounts with users and passwords (accounts, or authorization \
     for a server of its own), or let it verify client certificates (tls with verify: true)";

/// A request to JetStream's API.
pub(super) struct Call<'a> {
    /// Subject below `$JS.API.`, for example `STREAM.INFO.KV_a`.
    verb: &'a str,
    /// JSON of the request, or the reason why there is none; `None` sends no body.
    body: Option<serde_json::Result<Vec<u8>>>,
}

impl<'a> Call<'a> {
    /// A request without a body.
    pub(super) fn new(verb: &'a str) -> Self {
        Self { verb, body: None }
    }

    /// A request with a body.
    pub(super) fn with(verb: &'a str, body: &impl Serialize) -> Self {
        Self {
            verb,
            body: Some(serde_json::to_vec(body)),
        }
    }
}

/// A message for a bucket.
pub(super) struct Message<'a> {
    /// Subject of the key.
    pub(super) subject: String,
    /// Headers with the expected revision.
    pub(super) headers: &'a HeaderMap,
    /// Value of the key.
    pub(super) payload: &'a [u8],
}

/// The endpoints of one NATS, and the connection to one of them.
pub(super) struct Nats {
    connection: Connection,
    credentials: Credentials,
    session: Mutex<Option<Arc<Session>>>,
    /// Index of the endpoint that answered last.
    preferred: AtomicUsize,
}

impl Nats {
    /// Checks the material of the connection; nothing is dialled yet.
    pub(super) fn open(connection: &Connection) -> Result<Self, Error> {
        require_endpoints(connection)?;
        let tls = connection
            .tls
            .as_ref()
            .map(|tls| tls::client_config(tls, ASN1Time::now()))
            .transpose()
            .map_err(|flaw| flaw.into_error(connection))?;
        Ok(Self {
            connection: connection.clone(),
            credentials: Credentials {
                tls: tls.map(Arc::new),
                basic_auth: connection.basic_auth.clone(),
            },
            session: Mutex::default(),
            preferred: AtomicUsize::new(0),
        })
    }

    /// Client of the same NATS with a connection of its own, which ends with the value.
    pub(super) fn apart(&self) -> Self {
        Self {
            connection: self.connection.clone(),
            credentials: self.credentials.clone(),
            session: Mutex::default(),
            preferred: AtomicUsize::new(self.preferred.load(Ordering::Relaxed)),
        }
    }

    /// The site of an operation, for errors.
    pub(super) fn site(&self, doing: impl Into<String>) -> Site {
        Site::new(&self.connection, doing)
    }

    /// Name of the user by which the server knows the operator, for people.
    pub(super) fn user(&self) -> &str {
        let user = self.connection.basic_auth.as_ref();
        user.map_or("of the client certificate", |auth| auth.user.as_str())
    }

    /// Product and version of the server, by its greeting.
    pub(super) async fn server_version(&self) -> Result<String, Error> {
        let site = self.site("reading the version");
        let session = self.session(&site).await?;
        Ok(format!("NATS {}", session.greeting.version))
    }

    /// Most bytes of a message that the server takes, by its greeting.
    pub(super) async fn largest_message(&self) -> Result<u64, Error> {
        let session = self.session(&self.site("reading max_payload")).await?;
        Ok(session.greeting.max_payload)
    }

    /// JetStream as the client library offers it, by a connection that was not lost yet.
    pub(super) async fn jetstream(&self, site: &Site) -> Result<Context, Error> {
        let session = self.session(site).await?;
        if session.is_connected() {
            return Ok(session.jetstream());
        }
        self.close(&session).await;
        Ok(self.session(site).await?.jetstream())
    }

    /// Access control by the server's greeting; a server without it is an error, unless the connection accepts it.
    pub(super) async fn require_access(&self) -> Result<AccessControl, Error> {
        let site = self.site("reading whether access control is on");
        let session = self.session(&site).await?;
        if session.greeting.controls_access() {
            Ok(AccessControl::On)
        } else if self.connection.without_access_control {
            Ok(AccessControl::Off {
                exposure: EXPOSURE,
                remedy: ENABLE_ACCESS_CONTROL,
            })
        } else {
            Err(Error::AccessControlOff {
                site,
                remedy: ENABLE_ACCESS_CONTROL,
            })
        }
    }

    /// Fails if JetStream is off in the server or for the account.
    pub(super) async fn require_jetstream(&self) -> Result<(), Error> {
        let doing = "reading the limits of JetStream";
        self.api::<IgnoredAny>(doing, Call::new("INFO"), &[])
            .await
            .map(drop)
    }

    /// Fails unless the operator may create and delete streams. Both requests are ones that JetStream refuses after
    /// the server has let them pass: a body that names another stream, and a body where none may be.
    pub(super) async fn require_streams(&self) -> Result<(), Error> {
        let other = json!({"name": "other"});
        let refused = [
            ("CREATE", ErrorCode::STREAM_MISMATCH),
            ("DELETE", ErrorCode::NOT_EMPTY_REQUEST),
        ];
        for (verb, code) in refused {
            let doing = format!("finding out whether it may {} streams", verb.to_lowercase());
            let verb = format!("STREAM.{verb}.{NO_STREAM}");
            self.api::<IgnoredAny>(doing, Call::with(&verb, &other), &[code])
                .await?;
        }
        Ok(())
    }

    /// Sends a request to JetStream's API; an error that is among `harmless` is `None`.
    pub(super) async fn api<T: DeserializeOwned>(
        &self,
        doing: impl Into<String>,
        call: Call<'_>,
        harmless: &[ErrorCode],
    ) -> Result<Option<T>, Error> {
        let site = self.site(doing);
        let payload = call.body.transpose().map_err(|error| Error::Protocol {
            site: site.clone(),
            cause: error.to_string(),
        })?;
        let subject = format!("$JS.API.{}", call.verb);
        let request = || Request::new().payload(payload.clone().unwrap_or_default().into());
        match self.exchange(&site, &subject, request).await? {
            Some(answer) => answer::parse(site, &answer, harmless),
            None => Err(Error::Unsuitable {
                site,
                cause: "nothing in the server serves JetStream".to_owned(),
                remedy: ENABLE_JETSTREAM,
            }),
        }
    }

    /// Publishes a message and returns the acknowledgement of its stream; `None` without a stream.
    pub(super) async fn publish(
        &self,
        site: &Site,
        message: Message<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let request = || {
            Request::new()
                .headers(message.headers.clone())
                .payload(message.payload.to_vec().into())
        };
        self.exchange(site, &message.subject, request).await
    }

    /// Sends a request, again with a new connection if the first has no answer; `None` if nobody serves the subject.
    async fn exchange(
        &self,
        site: &Site,
        subject: &str,
        request: impl Fn() -> Request,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut cause = String::new();
        for _ in 0..ATTEMPTS {
            let session = Box::pin(self.session(site)).await?;
            match session.request(subject, request()).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(Unanswered::NoResponders) => return Ok(None),
                Err(Unanswered::Denied(cause)) => {
                    return Err(Error::NotAuthorised {
                        site: site.clone(),
                        cause,
                        remedy: GIVE_RIGHTS,
                    });
                }
                Err(Unanswered::Invalid(cause)) => {
                    return Err(Error::Protocol {
                        site: site.clone(),
                        cause,
                    });
                }
                Err(Unanswered::Lost(reason)) => {
                    self.close(&session).await;
                    cause = reason;
                }
            }
        }
        Err(Error::Unreachable {
            site: site.clone(),
            cause,
        })
    }

    /// The connection that is open, or a new one to the first endpoint that takes it.
    async fn session(&self, site: &Site) -> Result<Arc<Session>, Error> {
        let mut open = self.session.lock().await;
        if let Some(session) = open.as_ref() {
            return Ok(Arc::clone(session));
        }
        let endpoints = &self.connection.endpoints;
        let first = self.preferred.load(Ordering::Relaxed);
        let mut reasons = Vec::new();
        for index in (0..endpoints.len()).map(|n| (first + n) % endpoints.len()) {
            match Session::open(&endpoints[index], &self.credentials).await {
                Ok(session) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    let session = Arc::new(session);
                    *open = Some(Arc::clone(&session));
                    return Ok(session);
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Err(failed(site.clone(), reasons))
    }

    /// Closes `session`, unless another has replaced it.
    async fn close(&self, session: &Arc<Session>) {
        let mut open = self.session.lock().await;
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, session)) {
            *open = None;
        }
    }
}

/// Combines the reasons of all endpoints into one error: the gravest kind wins, since only an administrator can
/// correct it.
fn failed(site: Site, mut reasons: Vec<Unusable>) -> Error {
    reasons.sort();
    let Some(last) = reasons.pop() else {
        let cause = "it has no endpoint".to_owned();
        return Error::Unreachable { site, cause };
    };
    match last {
        Unusable::Unreachable(cause) => {
            let mut causes: Vec<String> = reasons
                .into_iter()
                .filter_map(|reason| match reason {
                    Unusable::Unreachable(cause) => Some(cause),
                    _ => None,
                })
                .collect();
            causes.push(cause);
            Error::Unreachable {
                site,
                cause: causes.join("; "),
            }
        }
        Unusable::Foreign(cause) => Error::Unsuitable {
            site,
            cause,
            remedy: "check the endpoints and the driver of the DataStore",
        },
        Unusable::TlsRefused(cause) => Error::TlsRefused { site, cause },
        Unusable::TooOld(cause) => Error::Unsuitable {
            site,
            cause,
            remedy: "upgrade nats-server",
        },
        Unusable::Denied(cause) => Error::NotAuthorised {
            site,
            cause,
            remedy: GIVE_RIGHTS,
        },
    }
}
