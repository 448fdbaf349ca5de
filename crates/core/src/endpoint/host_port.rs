//! The one parser of `host:port`, strict ([`FromStr`]) and lenient ([`HostPort::parse`]).

use std::{fmt, net::Ipv6Addr, str::FromStr};

/// Longest host, as of DNS names.
const LONGEST_HOST: usize = 253;

/// A host and a port; shown with brackets around IPv6.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// DNS name or address, IPv6 without brackets: the name that a server certificate is checked
    /// against.
    pub host: String,
    /// TCP port, 1 to 65535.
    pub port: u16,
}

/// Reason for which a text is not `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostPortError {
    /// The text has a scheme before or a path behind host and port.
    #[error("endpoint {0:?} has a scheme or a path; write host:port alone")]
    NotBare(String),
    /// The text has no port at all.
    #[error("endpoint {0:?} has no port; write host:port, for example {0}:2379")]
    NoPort(String),
    /// The port is not a number from 1 to 65535.
    #[error("endpoint {0:?} has no valid port after its last colon; use 1 to 65535")]
    BadPort(String),
    /// The host is missing, or neither a name nor an address.
    #[error("endpoint {0:?} has no valid host before its port; use a DNS name, IPv4 or [IPv6]")]
    BadHost(String),
    /// The text is an IPv6 address whose end cannot be told from the port.
    #[error("endpoint {0:?} is an IPv6 address without brackets; write [address]:port")]
    BareIpv6(String),
}

impl HostPort {
    /// Splits a text at its last colon; `None` without a colon. The port is `None` if it is not a number
    /// from 1 to 65535. The host is returned as it is written, brackets included.
    pub fn split(text: &str) -> Option<(&str, Option<u16>)> {
        let (host, port) = text.rsplit_once(':')?;
        let digits = !port.starts_with('+');
        let port = port.parse().ok().filter(|port| digits && *port > 0);
        Some((host, port))
    }

    /// Reads `host`, `host:port` or `[v6]:port`, and accepts any other text as a host. The port is
    /// `default` where the text has none or no valid one.
    pub fn parse(text: &str, default: u16) -> Self {
        let (host, port) = match Self::split(text) {
            Some((host, port)) if !host.contains(':') || host.starts_with('[') => {
                (host, port.unwrap_or(default))
            }
            _ => (text, default),
        };
        Self {
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port,
        }
    }
}

impl FromStr for HostPort {
    type Err = HostPortError;

    /// Parses `name:port`, `192.0.2.5:port` or `[2001:db8::5]:port`; host and port are required.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |kind: fn(String) -> HostPortError| kind(text.to_owned());
        if text.contains('/') {
            return Err(fail(HostPortError::NotBare));
        }
        let (host, port) = Self::split(text).ok_or_else(|| fail(HostPortError::NoPort))?;
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(Some(address)) if address.parse::<Ipv6Addr>().is_ok() => address,
            Some(_) if text.ends_with(']') => return Err(fail(HostPortError::NoPort)),
            Some(_) => return Err(fail(HostPortError::BadHost)),
            None if host.contains(':') => return Err(fail(HostPortError::BareIpv6)),
            None => host,
        };
        let port = port.ok_or_else(|| fail(HostPortError::BadPort))?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if host.is_empty() || host.len() > LONGEST_HOST || !host.chars().all(allowed) {
            return Err(fail(HostPortError::BadHost));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests;
