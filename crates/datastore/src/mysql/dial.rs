//! Connections to an endpoint: their options, TLS and log-in.

use std::time::Duration;

use kamaji_core::endpoint::HostPort;
use mysql_async::{ClientIdentity, Conn, Opts, OptsBuilder, SslOpts};
use tokio::net::TcpStream;
use tokio::time::timeout;
use x509_parser::time::ASN1Time;

use super::answer::Failure;
use super::sql::SQL_MODE;
use crate::connection::{Connection, Tls};
use crate::error::Error;
use crate::tls;

/// Time limit of a connection, TLS and log-in included.
const CONNECT: Duration = Duration::from_secs(3);
/// Time limit of the question whether anything listens at an endpoint that sent no greeting.
const KNOCK: Duration = Duration::from_millis(500);
/// Most prepared statements that a connection keeps at the server.
const STATEMENTS: usize = 16;
/// Largest packet that a connection takes; the driver's own are far smaller.
const PACKET: usize = 1 << 20;
/// Words of the client for a packet above that.
const TOO_LARGE: &str = "Packet is larger than max_allowed_packet";

/// Connects and logs in; a failure comes with the number of the server's error, or 0.
pub(super) async fn dial(endpoint: &HostPort, options: Opts) -> Result<Conn, (Failure, u16)> {
    match timeout(CONNECT, Conn::new(options)).await {
        Ok(Ok(conn)) => Ok(conn),
        Ok(Err(error)) => {
            let number = match &error {
                mysql_async::Error::Server(answer) => answer.code,
                _ => 0,
            };
            Err((of_greeting(endpoint, &error), number))
        }
        Err(_) => {
            let listens = timeout(KNOCK, TcpStream::connect((&*endpoint.host, endpoint.port)));
            let what = match listens.await {
                Ok(Ok(_)) => "takes connections and does not answer as MySQL does",
                _ => "gave no answer",
            };
            let words = format!("{endpoint} {what} within {} s", CONNECT.as_secs());
            Err((Failure::Unreachable(words), 0))
        }
    }
}

/// A failure before the log-in ends: bytes of another protocol are taken for the length of a packet.
fn of_greeting(endpoint: &HostPort, error: &mysql_async::Error) -> Failure {
    match Failure::of(endpoint, error) {
        Failure::Unreachable(words) if words.contains(TOO_LARGE) => {
            Failure::Unreachable(format!("{endpoint} does not speak MySQL"))
        }
        failure => failure,
    }
}

/// Options of a connection, all but the endpoint.
pub(super) fn options(connection: &Connection) -> Result<OptsBuilder, Error> {
    let mut options = OptsBuilder::default()
        .prefer_socket(Some(false))
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .max_allowed_packet(Some(PACKET))
        .wait_timeout(Some(0))
        .stmt_cache_size(Some(STATEMENTS))
        .init(vec![SQL_MODE]);
    if let Some(auth) = &connection.basic_auth {
        options = options
            .user(Some(auth.user.as_str()))
            .pass(Some(auth.password.expose()));
    }
    let Some(tls) = &connection.tls else {
        return Ok(options);
    };
    // The client builds its own configuration from the same material; this one is only the check.
    tls::client_config(tls, ASN1Time::now()).map_err(|flaw| flaw.into_error(connection))?;
    Ok(options.ssl_opts(Some(ssl(tls))))
}

/// TLS of one connection: the DataStore's authorities alone, and the name of the endpoint that is dialled.
fn ssl(tls: &Tls) -> SslOpts {
    let identity = tls.client.as_ref().map(|client| {
        ClientIdentity::new(
            client.cert_pem.clone().into(),
            client.key_pem.clone().into(),
        )
    });
    SslOpts::default()
        .with_disable_built_in_roots(true)
        .with_root_certs(vec![tls.ca_pem.clone().into()])
        .with_client_identity(identity)
}
