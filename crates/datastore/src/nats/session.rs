//! One connection to one NATS server, which ends with its value.
//!
//! The client library reconnects once, in the background. Requests under way fail at once then, instead of at their
//! time limit, and so do requests that the server forbids: NATS reports those by a message that names no request.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::{Request, RequestErrorKind};
use async_nats::connection::State;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerError};
use kamaji_core::endpoint::HostPort;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::greeting::{self, Greeting, Ungreeted, greeting};
use crate::connection::BasicAuth;
use crate::handshake::{Diagnosis, explain};

/// Time limit of a connection, log-in included.
const CONNECT: Duration = Duration::from_secs(3);
/// Time limit of a request.
pub(super) const CALL: Duration = Duration::from_secs(5);
/// Interval at which the client library asks whether the server is still there.
const PING: Duration = Duration::from_secs(20);

/// TLS and log-in of a connection.
#[derive(Clone)]
pub(super) struct Credentials {
    /// Configuration of TLS; `None` connects in the clear.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// User and password of the operator; `None` logs in without.
    pub(super) basic_auth: Option<BasicAuth>,
}

/// Reason for which an endpoint cannot be used, the most informative last.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unusable {
    /// No server answers at the endpoint.
    Unreachable(String),
    /// Another kind of server answers there.
    Foreign(String),
    /// One side does not accept the other's certificate, or TLS.
    TlsRefused(String),
    /// The server is too old.
    TooOld(String),
    /// The server does not let the operator log in.
    Denied(String),
}

/// Reason for which a request has no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The connection is lost or silent.
    Lost(String),
    /// The server forbids the request.
    Denied(String),
    /// Nobody serves the subject: JetStream is off, or the stream of a bucket does not exist.
    NoResponders,
    /// The client library refuses the request itself.
    Invalid(String),
}

/// Event of a connection that may end a request.
#[derive(Debug, Clone)]
enum Interruption {
    /// The connection is lost.
    Lost,
    /// The server refuses something, in its words.
    Refused(String),
}

/// A connection to one server.
pub(super) struct Session {
    client: Client,
    interruptions: broadcast::Sender<Interruption>,
    /// The server's INFO line, as of the connection's start.
    pub(super) greeting: Greeting,
}

impl Session {
    /// Connects to `endpoint` and logs in.
    pub(super) async fn open(
        endpoint: &HostPort,
        credentials: &Credentials,
    ) -> Result<Self, Unusable> {
        let greeting = greeting(endpoint, CONNECT).await?;
        if let Some(reason) = greeting.too_old() {
            return Err(Unusable::TooOld(format!("{endpoint}: {reason}")));
        }
        require_same_tls(endpoint, credentials, &greeting)?;
        let (interruptions, _) = broadcast::channel(16);
        let options = options(credentials, interruptions.clone());
        // A name may have several addresses, each with the time limit of the library.
        let connected = timeout(CONNECT, options.connect(format!("nats://{endpoint}"))).await;
        match connected {
            Ok(Ok(client)) => Ok(Self {
                client,
                interruptions,
                greeting,
            }),
            Ok(Err(error)) => Err(refusal(endpoint, credentials, &error).await),
            Err(_) => Err(Unusable::Unreachable(format!(
                "{endpoint} did not finish the log-in within {} s",
                CONNECT.as_secs()
            ))),
        }
    }

    /// False once the connection is lost.
    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// JetStream by this connection, as the client library offers it.
    pub(super) fn jetstream(&self) -> Context {
        jetstream::new(self.client.clone())
    }

    /// Sends a request and returns the payload of its answer.
    pub(super) async fn request(
        &self,
        subject: &str,
        request: Request,
    ) -> Result<Vec<u8>, Unanswered> {
        let interruptions = self.interruptions.subscribe();
        if !self.is_connected() {
            return Err(Unanswered::Lost("the connection is lost".to_owned()));
        }
        let answer = self
            .client
            .send_request(subject.to_owned(), request.timeout(Some(CALL)));
        tokio::select! {
            answer = answer => answer
                .map(|message| message.payload.to_vec())
                .map_err(|error| match error.kind() {
                    RequestErrorKind::NoResponders => Unanswered::NoResponders,
                    RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                        Unanswered::Invalid(error.to_string())
                    }
                    RequestErrorKind::TimedOut => {
                        Unanswered::Lost(format!("no answer within {} s", CALL.as_secs()))
                    }
                    RequestErrorKind::Other => Unanswered::Lost(error.to_string()),
                }),
            reason = interruption(interruptions, subject) => Err(reason),
        }
    }
}

/// Waits for an interruption that concerns a request to `subject`.
async fn interruption(
    mut interruptions: broadcast::Receiver<Interruption>,
    subject: &str,
) -> Unanswered {
    loop {
        match interruptions.recv().await {
            Ok(Interruption::Refused(text))
                if text.contains(subject) || text.contains("_INBOX") =>
            {
                return Unanswered::Denied(text);
            }
            Ok(Interruption::Refused(_)) | Err(RecvError::Lagged(_)) => {}
            Ok(Interruption::Lost) | Err(RecvError::Closed) => {
                return Unanswered::Lost("the connection was lost".to_owned());
            }
        }
    }
}

fn options(
    credentials: &Credentials,
    interruptions: broadcast::Sender<Interruption>,
) -> ConnectOptions {
    let mut options = ConnectOptions::new()
        .name("kamaji")
        .connection_timeout(CONNECT)
        .request_timeout(Some(CALL))
        .ping_interval(PING)
        .max_reconnects(1)
        .ignore_discovered_servers()
        .event_callback(move |event| {
            let interruption = match event {
                Event::Disconnected | Event::Closed => Some(Interruption::Lost),
                Event::ServerError(ServerError::Other(text)) => Some(Interruption::Refused(text)),
                _ => None,
            };
            // Without a request under way nobody listens.
            let _ = interruption.map(|interruption| interruptions.send(interruption));
            std::future::ready(())
        });
    if let Some(config) = &credentials.tls {
        options = options
            .require_tls(true)
            .tls_client_config(ClientConfig::clone(config));
    }
    match &credentials.basic_auth {
        Some(BasicAuth { user, password }) => {
            options.user_and_password(user.clone(), password.expose().to_owned())
        }
        None => options,
    }
}

/// Refuses a server whose greeting and a DataStore whose tlsConfig do not fit, before a password is sent.
fn require_same_tls(
    endpoint: &HostPort,
    credentials: &Credentials,
    greeting: &Greeting,
) -> Result<(), Unusable> {
    match credentials.tls {
        None if greeting.tls_required => Err(Unusable::TlsRefused(format!(
            "{endpoint} demands TLS, and the DataStore has no tlsConfig"
        ))),
        Some(_) if !greeting.offers_tls() => Err(Unusable::TlsRefused(format!(
            "{endpoint} does not offer TLS, and the DataStore has a tlsConfig"
        ))),
        _ => Ok(()),
    }
}

impl From<Ungreeted> for Unusable {
    fn from(reason: Ungreeted) -> Self {
        match reason {
            Ungreeted::Silent(reason) => Self::Unreachable(reason),
            Ungreeted::Foreign(reason) => Self::Foreign(reason),
        }
    }
}

/// Classifies a refused connection; where TLS may be the reason, the handshake is repeated by hand.
async fn refusal(endpoint: &HostPort, credentials: &Credentials, error: &ConnectError) -> Unusable {
    let words = match error.source() {
        Some(source) if !error.to_string().contains(&source.to_string()) => {
            format!("{endpoint}: {error}: {source}")
        }
        _ => format!("{endpoint}: {error}"),
    };
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            return Unusable::Denied(words);
        }
        _ => {}
    }
    let Some(config) = &credentials.tls else {
        return Unusable::Unreachable(words);
    };
    match timeout(CONNECT, handshake(endpoint, Arc::clone(config))).await {
        Ok(Err(error)) => match explain(endpoint, &error) {
            Diagnosis::TlsRefused(cause) => Unusable::TlsRefused(cause),
            Diagnosis::Unreachable(cause) => Unusable::Unreachable(cause),
            Diagnosis::Answers => Unusable::Unreachable(words),
        },
        Ok(Ok(())) | Err(_) => Unusable::Unreachable(words),
    }
}

/// Reads the greeting, secures the stream and reads the answer to a ping: under TLS 1.3 a server refuses a client
/// certificate only after the client believes the handshake to be over.
async fn handshake(endpoint: &HostPort, config: Arc<ClientConfig>) -> io::Result<()> {
    let name = ServerName::try_from(endpoint.host.clone())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let (_, tcp) = greeting::open(endpoint)
        .await
        .map_err(|reason| io::Error::other(format!("{reason:?}")))?;
    let mut tls = TlsConnector::from(config).connect(name, tcp).await?;
    tls.write_all(b"PING\r\n").await?;
    tls.flush().await?;
    tls.read_u8().await.map(drop)
}
