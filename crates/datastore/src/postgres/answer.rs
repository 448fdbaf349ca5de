//! Classification of PostgreSQL's errors.

use std::error::Error as StdError;
use std::io;

use kamaji_core::endpoint::HostPort;
use kamaji_core::error_chain::chain;
use kamaji_core::excerpt::excerpt;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::handshake::refusal;

/// Instruction for an operator whose role is no administrator.
pub(super) const BECOME_ADMINISTRATOR: &str =
    "give the role in spec.basicAuth CREATEROLE and CREATEDB, and what it has to change";
/// Instruction for a server that does not let the operator log in.
pub(super) const LOG_IN: &str =
    "check spec.basicAuth and spec.tlsConfig of the DataStore and the server's pg_hba.conf";
/// Instruction for a PostgreSQL that refuses tenants because it checks no passwords.
pub(super) const CHECK_PASSWORDS: &str = "set scram-sha-256 instead of trust for the operator's and the tenants' addresses in pg_hba.conf and reload it";
/// Most bytes that are kept of a text of the server's: a tenant decides on what its own functions raise.
const LONGEST: usize = 500;
/// Name of the server's function that looks up a user after it was authenticated.
const AFTER_AUTHENTICATION: &str = "InitializeSessionUserId";

/// Failed request, classified by the next action of the caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server gave no answer at all, or the connection was lost: diagnose the endpoint.
    Transport(String),
    /// Refusal of the other side's certificate, by either side; the cause names the endpoint.
    TlsRefused(String),
    /// The server cannot serve for now: try another.
    Unavailable(String),
    /// The server answers, and it cannot serve tenants until an administrator has changed it.
    Unsuitable { cause: String, remedy: &'static str },
    /// The password is not the user's.
    WrongPassword(String),
    /// The user that logs in does not exist, and no password was asked for.
    UnknownUser(String),
    /// The server lets the user not in, whatever its password, by `pg_hba.conf` or by the role.
    NotAdmitted(String),
    /// The operator is not permitted to do it.
    Denied { cause: String, remedy: &'static str },
    /// The database that was asked for does not exist, or takes no connections.
    NoDatabase(String),
    /// The table that was asked for does not exist.
    NoTable(String),
    /// The answer was longer than what is read, which ends the connection.
    Excessive(String),
    /// Something of that name exists already.
    Exists(String),
    /// The name is one that PostgreSQL has for itself.
    ReservedName(String),
    /// Any other answer: another server would give the same.
    Unexpected(String),
}

impl Failure {
    /// Classifies an error of the client of `endpoint`.
    pub(super) fn of(endpoint: &HostPort, error: &Error) -> Self {
        match (error.as_db_error(), tls_error(error)) {
            (Some(answer), _) => Self::answered(answer),
            (None, Some(cause)) => Self::TlsRefused(refusal(endpoint, cause)),
            (None, None) => Self::Transport(chain(error)),
        }
    }

    fn answered(error: &DbError) -> Self {
        let message = excerpt(error.message(), LONGEST);
        let cause = match error.detail() {
            Some(detail) => format!("{message} ({})", excerpt(detail, LONGEST)),
            None => message,
        };
        let code = error.code();
        if *code == SqlState::INVALID_PASSWORD {
            Self::WrongPassword(cause)
        } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
            match error.routine() {
                Some(AFTER_AUTHENTICATION) => Self::UnknownUser(cause),
                _ => Self::NotAdmitted(cause),
            }
        } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
            Self::Denied {
                cause,
                remedy: BECOME_ADMINISTRATOR,
            }
        } else if let Some(remedy) = unsuitable(code) {
            Self::Unsuitable { cause, remedy }
        } else if passes(code) {
            Self::Unavailable(cause)
        } else {
            Self::other(code, cause)
        }
    }

    fn other(code: &SqlState, cause: String) -> Self {
        let exists = [
            SqlState::DUPLICATE_DATABASE,
            SqlState::DUPLICATE_OBJECT,
            SqlState::UNIQUE_VIOLATION,
        ];
        let closed = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
        if *code == SqlState::INVALID_CATALOG_NAME || *code == closed {
            Self::NoDatabase(cause)
        } else if *code == SqlState::UNDEFINED_TABLE {
            Self::NoTable(cause)
        } else if *code == SqlState::RESERVED_NAME {
            Self::ReservedName(cause)
        } else if exists.contains(code) {
            Self::Exists(cause)
        } else {
            Self::Unexpected(format!("{cause} (SQLSTATE {})", code.code()))
        }
    }
}

/// The remedy of a state in which the server cannot serve, if `code` tells of one.
fn unsuitable(code: &SqlState) -> Option<&'static str> {
    if *code == SqlState::DISK_FULL {
        Some("free space on the server's disk, or give it a larger one")
    } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        Some("name the primary in spec.endpoints, or let it be written again")
    } else {
        None
    }
}

/// True if the server may serve the same request in a while.
fn passes(code: &SqlState) -> bool {
    [
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::OUT_OF_MEMORY,
        SqlState::QUERY_CANCELED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::OBJECT_IN_USE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ]
    .contains(code)
}

/// The error of rustls behind an error, if there is one: `io::Error` hides it from `source`.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
