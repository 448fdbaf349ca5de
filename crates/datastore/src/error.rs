//! What went wrong with a store, and who has to do what about it?

use std::fmt;

use kamaji_api::owner::Owner;
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
         user and role root and run `etcdctl auth enable`, or accept it by the annotation \
         kamaji.clastix.io/allow-without-access-control: \"true\" on the DataStore"
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
    /// The owner record of a name is another tenant's.
    #[error("{site}: the {what} {name} belongs to the {owner}")]
    Owned {
        /// Where.
        site: Site,
        /// `schema` or `user`.
        what: &'static str,
        /// Its name.
        name: String,
        /// Whose it is.
        owner: Box<Owner>,
    },
    /// It is there, and no record says that it is the tenant's.
    #[error("{site}: the {what} {name} is not this tenant's: {reason}")]
    Foreign {
        /// Where.
        site: Site,
        /// `schema` or `user`.
        what: &'static str,
        /// Its name.
        name: String,
        /// What was found, and what to do.
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

    /// Whether the tenant may have nothing in the store: what it asks for is not its own.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. } | Self::Owned { .. } | Self::Foreign { .. }
        )
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
            | Self::Owned { site, .. }
            | Self::Foreign { site, .. }
            | Self::Unsupported { site, .. }
            | Self::Protocol { site, .. } => site,
        }
    }
}
