//! Diagnosis of an endpoint that gave no PostgreSQL answer, by the first messages of the protocol.
//!
//! A server refuses a client certificate only after the client believes the handshake to be over, and a server of
//! another kind answers in its own protocol. The client library reports the cause of neither.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kamaji_core::endpoint::HostPort;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::answer::Failure;
use crate::handshake::{Diagnosis, explain};

/// Request for TLS: length, and a number that no version of the protocol has.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Time within which a server that refuses a certificate says so.
const ALERT: Duration = Duration::from_millis(500);

/// Finds out why a conversation with `endpoint` failed; `None` if it starts as it should.
pub(super) async fn probe(endpoint: &HostPort, tls: Option<&Arc<ClientConfig>>) -> Option<Failure> {
    let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
    let mut tcp = match tcp {
        Ok(tcp) => tcp,
        Err(error) => return Some(Failure::Unavailable(error.to_string())),
    };
    if let Err(error) = tcp.write_all(&TLS_REQUEST).await {
        return Some(Failure::Unavailable(error.to_string()));
    }
    match (tcp.read_u8().await, tls) {
        (Ok(b'S'), Some(tls)) => handshake(endpoint, tcp, Arc::clone(tls)).await,
        (Ok(b'N'), Some(_)) => Some(Failure::TlsRefused(format!(
            "{endpoint} does not offer TLS (its setting ssl is off)"
        ))),
        (Ok(b'S' | b'N' | b'E'), _) => None,
        (Ok(_), _) => Some(Failure::Unsuitable {
            cause: "it does not speak PostgreSQL".to_owned(),
            remedy: "correct spec.endpoints or spec.driver of the DataStore",
        }),
        (Err(error), _) => Some(Failure::Unavailable(format!(
            "it closes connections: {error}"
        ))),
    }
}

async fn handshake(
    endpoint: &HostPort,
    tcp: TcpStream,
    config: Arc<ClientConfig>,
) -> Option<Failure> {
    let name = ServerName::try_from(endpoint.host.clone()).ok()?;
    let mut tls = match TlsConnector::from(config).connect(name, tcp).await {
        Ok(tls) => tls,
        Err(error) => return refused(endpoint, &error),
    };
    match timeout(ALERT, tls.read_u8()).await {
        Ok(Err(error)) => refused(endpoint, &error),
        _ => None,
    }
}

/// The refusal that ended a handshake; `None` if the error is none.
fn refused(endpoint: &HostPort, error: &io::Error) -> Option<Failure> {
    match explain(endpoint, error) {
        Diagnosis::TlsRefused(cause) => Some(Failure::TlsRefused(cause)),
        Diagnosis::Answers | Diagnosis::Unreachable(_) => None,
    }
}
