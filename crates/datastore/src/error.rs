//! What went wrong with a store, and who has to do what about it?

use std::fmt;

use thiserror::Error;

use crate::{Connection, Driver};

/// Which store, and what was being done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The driver and its endpoints, for example `etcd 10.0.0.1:2379,10.0.0.2:2379`.
    pub store: String,
    /// What was being done, for example `reading role a1`.
    pub doing: String,
}

impl Site {
    /// The site of something done with the store behind `connection`.
    pub fn new(connection: &Connection, doing: impl Into<String>) -> Self {
        Self {
            store: connection.to_string(),
            doing: doing.into(),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.store, self.doing)
    }
}

/// Why a store didn't do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// No endpoint answered in time.
    #[error("{site}: unreachable: {cause}; check the endpoints and that the store runs")]
    Unreachable {
        /// Where.
        site: Site,
        /// What the last endpoint did instead of answering.
        cause: String,
    },
    /// One side doesn't accept the other's certificate.
    #[error(
        "{site}: TLS refused: {cause}; check the certificate authority and the client certificate \
         of the DataStore"
    )]
    TlsRefused {
        /// Where.
        site: Site,
        /// Who refused what.
        cause: String,
    },
    /// The store knows us and doesn't let us.
    #[error(
        "{site}: not authorised: {cause}; give the user of the client certificate the role root"
    )]
    NotAuthorised {
        /// Where.
        site: Site,
        /// The store's words.
        cause: String,
    },
    /// The store lets everybody do everything: no tenant may be put there.
    #[error(
        "{site}: access control is off, so that every tenant could read every other; create the \
         user and role root and run `etcdctl auth enable`"
    )]
    AuthDisabled {
        /// Where.
        site: Site,
    },
    /// The connection's own material can't work.
    #[error("{site}: the {what} {reason}; correct it in the DataStore or in the Secret it names")]
    InvalidMaterial {
        /// Where.
        site: Site,
        /// Which part, for example `client key`.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that a tenant may not have here.
    #[error("{site}: refused: {reason}")]
    Refused {
        /// Where.
        site: Site,
        /// Why, and what to do.
        reason: String,
    },
    /// There is no driver for this kind of store yet.
    #[error("{site}: no driver for {driver} in this release; use an etcd DataStore")]
    Unsupported {
        /// Where.
        site: Site,
        /// The driver asked for.
        driver: Driver,
    },
    /// The store answered something that this driver doesn't know.
    #[error("{site}: unexpected answer: {cause}; see the store's own log")]
    Protocol {
        /// Where.
        site: Site,
        /// The store's words.
        cause: String,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Which store, and what was being done with it.
    pub fn site(&self) -> &Site {
        match self {
            Self::Unreachable { site, .. }
            | Self::TlsRefused { site, .. }
            | Self::NotAuthorised { site, .. }
            | Self::AuthDisabled { site }
            | Self::InvalidMaterial { site, .. }
            | Self::Refused { site, .. }
            | Self::Unsupported { site, .. }
            | Self::Protocol { site, .. } => site,
        }
    }
}
