//! Greeting of a NATS server: the INFO line that it sends before anybody has logged in.
//!
//! The driver reads the line by hand before it lets the client library connect: the line has the cause of most failed
//! connections, and its limit stops a server of another kind that sends without end.

use std::io;
use std::time::Duration;

use kamaji_core::endpoint::HostPort;
use semver::Version;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Most bytes of the line; a cluster lists its servers in it.
const LONGEST: usize = 64 * 1024;
/// Oldest server that this driver and kine are made for.
const OLDEST: Version = Version::new(2, 10, 0);

/// The INFO line by which a server describes itself before a client logs in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Greeting {
    /// Version of the server, as it writes it.
    pub(super) version: String,
    /// True if the server demands that clients log in.
    auth_required: bool,
    /// True if the server refuses connections without TLS.
    pub(super) tls_required: bool,
    /// True if the server takes TLS, without demanding it.
    tls_available: bool,
    /// True if the server demands a client certificate of its own authority.
    tls_verify: bool,
    /// Most bytes of a message that the server takes.
    pub(super) max_payload: u64,
}

/// Reason for which an endpoint did not greet as NATS does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ungreeted {
    /// No server answers at the endpoint.
    Silent(String),
    /// Another kind of server answers there.
    Foreign(String),
}

impl Greeting {
    /// True if not everybody who reaches the server may use it.
    pub(super) fn controls_access(&self) -> bool {
        self.auth_required || self.tls_verify
    }

    /// True if the server takes TLS.
    pub(super) fn offers_tls(&self) -> bool {
        self.tls_required || self.tls_available
    }

    /// The reason for which the server is too old, if it is.
    pub(super) fn too_old(&self) -> Option<String> {
        match Version::parse(&self.version) {
            Ok(version) if version >= OLDEST => None,
            // A pre-release of the oldest version compares below it.
            Ok(version) if (version.major, version.minor) == (OLDEST.major, OLDEST.minor) => None,
            _ => Some(format!("its version is {:?}, below {OLDEST}", self.version)),
        }
    }

    fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line.strip_prefix(b"INFO ")?).ok()
    }
}

/// Connects to `endpoint` and reads its greeting, within `limit`.
pub(super) async fn greeting(endpoint: &HostPort, limit: Duration) -> Result<Greeting, Ungreeted> {
    match timeout(limit, open(endpoint)).await {
        Ok(Ok((greeting, _))) => Ok(greeting),
        Ok(Err(reason)) => Err(reason),
        Err(_) => Err(Ungreeted::Silent(format!(
            "{endpoint} sent no greeting of NATS within {} s",
            limit.as_secs()
        ))),
    }
}

/// Connects to `endpoint` and reads its greeting; the stream stands behind it, where TLS begins.
pub(super) async fn open(endpoint: &HostPort) -> Result<(Greeting, TcpStream), Ungreeted> {
    let silent = |error: io::Error| Ungreeted::Silent(format!("{endpoint}: {error}"));
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
        .await
        .map_err(silent)?;
    // The server waits after its greeting, so that the buffer holds nothing else.
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        match reader.read_u8().await {
            Ok(b'\n') => break,
            Ok(byte) if line.len() < LONGEST => line.push(byte),
            Err(error) if line.is_empty() => return Err(silent(error)),
            Ok(_) | Err(_) => break,
        }
        let expected = b"INFO ";
        let seen = line.len().min(expected.len());
        if line[..seen] != expected[..seen] {
            // Some more of it, so that people recognise the server.
            let mut more = [0; 40];
            let count = reader.read(&mut more).await.unwrap_or(0);
            line.extend_from_slice(&more[..count]);
            break;
        }
    }
    match Greeting::parse(&line) {
        Some(greeting) => Ok((greeting, reader.into_inner())),
        None => Err(Ungreeted::Foreign(format!(
            "{endpoint} is no NATS server, its greeting is \"{}\"",
            line[..line.len().min(40)].escape_ascii()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_version(version: &str) -> Greeting {
        let line = format!(r#"INFO {{"version":"{version}","auth_required":true,"ldm":false}}"#);
        Greeting::parse(line.as_bytes()).expect("a greeting")
    }

    #[test]
    fn a_greeting_of_an_old_or_unknown_version_is_too_old() {
        for version in ["2.9.25", "1.4.1", "", "two"] {
            let reason = of_version(version).too_old().expect(version);
            assert!(reason.contains("2.10.0"), "{reason}");
        }
        for version in ["2.10.0", "2.10.0-beta.3", "2.14.10", "3.0.0"] {
            assert_eq!(of_version(version).too_old(), None, "{version}");
        }
    }

    #[test]
    fn a_greeting_controls_access_by_log_in_or_by_client_certificate() {
        let parse = |line: &str| Greeting::parse(line.as_bytes()).expect(line);
        assert!(of_version("2.14.10").controls_access());
        assert!(parse(r#"INFO {"tls_required":true,"tls_verify":true}"#).controls_access());
        assert!(!parse(r#"INFO {"tls_required":true}"#).controls_access());
        assert!(!parse("INFO {}").controls_access());
    }

    #[test]
    fn a_line_of_another_protocol_is_no_greeting() {
        for line in [
            "",
            "INFO",
            "INFO 1",
            "HTTP/1.1 400 Bad Request",
            "+OK",
            "INFO {",
        ] {
            assert_eq!(Greeting::parse(line.as_bytes()), None, "{line}");
        }
    }
}
