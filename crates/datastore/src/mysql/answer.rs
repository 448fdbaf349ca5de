//! Classification of errors: of the server's by their codes, of the connection's by what broke.

use kamaji_core::endpoint::HostPort;
use mysql_async::{DriverError, Error as ClientError, IoError, ServerError, TlsError};

use crate::error::{Error, Site};
use crate::handshake::refusal;

/// Instruction for an operator whose user is no administrator.
pub(super) const BECOME_ADMINISTRATOR: &str = "give the user in spec.basicAuth CREATE USER, PROCESS, CONNECTION ADMIN \
     (on MySQL CONNECTION_ADMIN), SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER and INDEX ON *.* WITH GRANT OPTION";
/// Instruction for a server that does not let the operator log in.
const LOG_IN: &str = "check spec.basicAuth of the DataStore, and that the server has this user for the operator's address";
/// Instruction for a server that refuses writes.
pub(super) const NAME_PRIMARY: &str =
    "name the primary in spec.endpoints, or set read_only to OFF on it";
/// Instruction for a server whose version the driver does not know.
pub(super) const UPGRADE: &str = "upgrade the server";
const FREE_SPACE: &str = "free space on the server's disk, or give it a larger one";
const ALLOW_PASSWORDS: &str =
    "let the server's password policy take passwords that are version 4 UUIDs";
const ENABLE_GRANTS: &str = "start the server without skip-grant-tables";

/// Numbers of the server's errors that matter here.
pub(super) mod code {
    pub(in super::super) const NO_DATABASE: u16 = 1049;
    pub(in super::super) const NO_TABLE: u16 = 1146;
    pub(in super::super) const NO_VIEW: u16 = 1109;
    pub(in super::super) const NO_THREAD: u16 = 1094;
    pub(in super::super) const DUPLICATE: u16 = 1062;
    pub(in super::super) const LOCK_WAIT: u16 = 1205;
    /// A role that the operator does not administer, or that the account does not have.
    pub(in super::super) const NO_ROLE: [u16; 4] = [1045, 1227, 1698, 1962];
    pub(in super::super) const LOGIN_REFUSED: [u16; 2] = [1045, 1698];
    pub(in super::super) const LOCKED: [u16; 2] = [3118, 4151];
}

/// Failed request, classified by the next action of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server cannot be reached, does not speak MySQL or cannot serve for now: try another.
    Unreachable(String),
    /// The server answers, and it cannot serve tenants until an administrator has changed it.
    Unsuitable { cause: String, remedy: &'static str },
    /// One side refuses the other's certificate.
    TlsRefused(String),
    /// The server runs without access control.
    AccessControlOff,
    /// The server does not let the operator log in, or do what it asked for.
    Denied { cause: String, remedy: &'static str },
    /// The server takes no such name.
    Name(String),
    /// Any other answer: another server would give the same.
    Unexpected(String),
}

impl Failure {
    /// Classifies an error of the client at `endpoint`.
    pub(super) fn of(endpoint: &HostPort, error: &ClientError) -> Self {
        match error {
            ClientError::Server(answer) => Self::answered(endpoint, answer),
            ClientError::Driver(DriverError::NoClientSslFlagFromServer) => Self::TlsRefused(
                format!("{endpoint} does not offer TLS, and the DataStore has a tlsConfig"),
            ),
            ClientError::Driver(
                DriverError::UnexpectedPacket { .. }
                | DriverError::PacketOutOfOrder
                | DriverError::CantParseServerVersion { .. },
            ) => Self::Unreachable(format!("{endpoint} does not speak MySQL: {error}")),
            ClientError::Io(broken) => Self::broken(endpoint, broken),
            other => Self::Unreachable(format!("{endpoint}: {other}")),
        }
    }

    fn answered(endpoint: &HostPort, error: &ServerError) -> Self {
        let cause = format!("{endpoint}: {} ({})", error.message, error.code);
        let says = |words| error.message.contains(words);
        let unsuitable = |remedy| Self::Unsuitable {
            cause: cause.clone(),
            remedy,
        };
        match error.code {
            1045 | 1130 | 1698 | 1862 | 3118 | 4151 => Self::Denied {
                cause,
                remedy: LOG_IN,
            },
            1044 | 1142 | 1143 | 1227 | 1370 | 1410 | 1095 => Self::Denied {
                cause,
                remedy: BECOME_ADMINISTRATOR,
            },
            1290 if says("skip-grant-tables") => Self::AccessControlOff,
            1290 | 1792 | 1836 => unsuitable(NAME_PRIMARY),
            _ if says("No space left") => unsuitable(FREE_SPACE),
            _ if says("File name too long") => Self::Name(error.message.clone()),
            1021 | 1114 => unsuitable(FREE_SPACE),
            1819 => unsuitable(ALLOW_PASSWORDS),
            1040 | 1047 | 1053 | 1129 | 1203 | 1205 | 1213 | 1226 | 1927 | 3159 => {
                Self::Unreachable(cause)
            }
            1059 | 1102 | 1300 | 1470 => Self::Name(error.message.clone()),
            _ => Self::Unexpected(cause),
        }
    }

    fn broken(endpoint: &HostPort, error: &IoError) -> Self {
        let (refused, words) = match error {
            IoError::Tls(TlsError::Tls(refused)) => (Some(refused), error.to_string()),
            IoError::Tls(_) => return Self::TlsRefused(format!("{endpoint}: {error}")),
            IoError::Io(error) => {
                let inner = error.get_ref();
                let refused = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
                (refused, error.to_string())
            }
        };
        match refused {
            Some(refused) => Self::TlsRefused(refusal(endpoint, refused)),
            None => Self::Unreachable(format!("{endpoint}: {words}")),
        }
    }

    /// The error of an operation that failed so.
    pub(super) fn into_error(self, site: Site) -> Error {
        match self {
            Self::Unreachable(cause) => Error::Unreachable { site, cause },
            Self::Unsuitable { cause, remedy } => Error::Unsuitable {
                site,
                cause,
                remedy,
            },
            Self::TlsRefused(cause) => Error::TlsRefused { site, cause },
            Self::AccessControlOff => Error::AccessControlOff {
                site,
                remedy: ENABLE_GRANTS,
            },
            Self::Denied { cause, remedy } => Error::NotAuthorised {
                site,
                cause,
                remedy,
            },
            Self::Name(cause) => Error::Refused {
                site,
                reason: format!("{cause}; choose another dataStoreSchema or dataStoreUsername"),
            },
            Self::Unexpected(cause) => Error::Protocol { site, cause },
        }
    }

    /// True if another endpoint may do better.
    pub(super) fn is_of_endpoint(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Unsuitable { .. } | Self::TlsRefused(_)
        )
    }

    /// Combines what the endpoints answered, in their order, into one failure: what only an administrator can correct
    /// wins over what may pass.
    pub(super) fn combine(failures: Vec<Self>) -> Self {
        let refused: Vec<&str> = failures.iter().filter_map(Self::tls).collect();
        if !refused.is_empty() {
            return Self::TlsRefused(refused.join("; "));
        }
        let unsuitable = failures
            .iter()
            .find(|failure| matches!(failure, Self::Unsuitable { .. }));
        if let Some(unsuitable) = unsuitable {
            return unsuitable.clone();
        }
        let mut causes = Vec::new();
        for failure in failures {
            match failure {
                Self::Unreachable(cause) => causes.push(cause),
                other => return other,
            }
        }
        Self::Unreachable(causes.join("; "))
    }

    fn tls(&self) -> Option<&str> {
        match self {
            Self::TlsRefused(cause) => Some(cause),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
