//! Diagnosis of an endpoint that a gRPC call could not reach.
//!
//! gRPC reports most refusals as a closed connection. The diagnosis repeats the handshake by hand,
//! up to the first byte of the answer, because under TLS 1.3 a server refuses a client certificate
//! only after the client believes the handshake to be over.

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

use crate::handshake::{Diagnosis, explain};

/// The start of an HTTP/2 conversation: the fixed preface and an empty SETTINGS frame.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Connects to `endpoint` and reads its first byte of HTTP/2, within `limit`.
pub(super) async fn diagnose(
    endpoint: &HostPort,
    config: Arc<ClientConfig>,
    limit: Duration,
) -> Diagnosis {
    match timeout(limit, handshake(endpoint, config)).await {
        Ok(Ok(())) => Diagnosis::Answers,
        Ok(Err(error)) => explain(endpoint, &error),
        Err(_) => Diagnosis::Unreachable(format!("{endpoint} gave no answer within {limit:?}")),
    }
}

async fn handshake(endpoint: &HostPort, config: Arc<ClientConfig>) -> io::Result<()> {
    let name = ServerName::try_from(endpoint.host.clone())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    let mut tls = TlsConnector::from(config).connect(name, tcp).await?;
    tls.write_all(GREETING).await?;
    tls.flush().await?;
    tls.read_u8().await.map(drop)
}
