//! How is a store reached, as its administrator?

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use thiserror::Error;

use crate::Secret;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Driver {
    /// etcd, which kube-apiserver speaks itself.
    Etcd,
    /// MySQL, through kine.
    MySql,
    /// PostgreSQL, through kine.
    PostgreSql,
    /// NATS JetStream, through kine.
    Nats,
}

impl Driver {
    /// The name in a DataStore's `spec.driver`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::MySql => "MySQL",
            Self::PostgreSql => "PostgreSQL",
            Self::Nats => "NATS",
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A `spec.driver` that names no driver.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown datastore driver {0:?}; use etcd, MySQL, PostgreSQL or NATS")]
pub struct UnknownDriver(String);

impl FromStr for Driver {
    type Err = UnknownDriver;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Etcd, Self::MySql, Self::PostgreSql, Self::Nats]
            .into_iter()
            .find(|driver| driver.as_str() == text)
            .ok_or_else(|| UnknownDriver(text.to_owned()))
    }
}

/// Why a text is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// A scheme or a path around the host and port.
    #[error("endpoint {0:?} has a scheme or a path; write host:port alone")]
    NotBare(String),
    /// No port at all.
    #[error("endpoint {0:?} has no port; write host:port, for example {0}:2379")]
    NoPort(String),
    /// A port that is not in 1-65535.
    #[error("endpoint {0:?} has no valid port after its last colon; use 1 to 65535")]
    BadPort(String),
    /// No host, or one that is neither a name nor an address.
    #[error("endpoint {0:?} has no valid host before its port; use a DNS name, IPv4 or [IPv6]")]
    BadHost(String),
    /// An IPv6 address whose end can't be told from the port.
    #[error("endpoint {0:?} is an IPv6 address without brackets; write [address]:port")]
    BareIpv6(String),
}

/// One address of a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// The DNS name or address, IPv6 without brackets: what a certificate is checked against.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |kind: fn(String) -> EndpointError| kind(text.to_owned());
        if text.contains('/') {
            return Err(fail(EndpointError::NotBare));
        }
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| fail(EndpointError::NoPort))?;
        let host = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
            Some(Some(address)) if address.parse::<Ipv6Addr>().is_ok() => address,
            Some(_) if text.ends_with(']') => return Err(fail(EndpointError::NoPort)),
            Some(_) => return Err(fail(EndpointError::BadHost)),
            None if host.contains(':') => return Err(fail(EndpointError::BareIpv6)),
            None => host,
        };
        let port = match port.parse::<u16>() {
            Ok(port) if port != 0 && !text.contains(":+") => port,
            _ => return Err(fail(EndpointError::BadPort)),
        };
        let known = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if host.is_empty() || !host.chars().all(known) {
            return Err(fail(EndpointError::BadHost));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A certificate with its key, PEM; the key doesn't show itself in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, followed by its intermediates if there are any.
    pub cert_pem: Vec<u8>,
    /// Its private key: PKCS#1, PKCS#8 or SEC1.
    pub key_pem: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// TLS material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Whose signature on the store's certificate is believed, PEM.
    pub ca_pem: Vec<u8>,
    /// Who we are.
    pub client: Option<Identity>,
}

/// A user with a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// The user.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// How a store is reached, as its administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Which kind of store.
    pub driver: Driver,
    /// Its addresses: whatever one of them can serve succeeds.
    pub endpoints: Vec<Endpoint>,
    /// TLS, which etcd demands.
    pub tls: Option<Tls>,
    /// User and password; etcd ignores them, its users are known by certificate.
    pub basic_auth: Option<BasicAuth>,
    /// True if an administrator accepts that the store has no access control.
    pub without_access_control: bool,
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.driver)?;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{endpoint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
