//! Errors of drivers: each names the datastore, the operation, the cause and the remedy.

use std::fmt;

use kamaji_api::owner::Owner;
use thiserror::Error;

use crate::connection::Connection;

/// The datastore and the operation that an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The driver and its endpoints, for example `etcd 10.0.0.1:2379,10.0.0.2:2379`.
    pub store: String,
    /// The operation, for example `reading role a1`.
    pub doing: String,
}

impl Site {
    /// The site of an operation at the datastore behind `connection`.
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

/// Reason for which an operation at a datastore failed. Texts that only one kind of datastore needs
/// (`cause`, `remedy`) come from its driver.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// No endpoint answered in time. The only error that may end without a change by an administrator.
    #[error(
        "{site}: unreachable: {cause}; check the endpoints and the driver, and that the store runs"
    )]
    Unreachable {
        /// The datastore and the operation.
        site: Site,
        /// Failures of the endpoints, one after the other.
        cause: String,
    },
    /// One side does not accept the other's certificate.
    #[error(
        "{site}: TLS refused: {cause}; check the certificate authority and the client certificate \
         of the DataStore"
    )]
    TlsRefused {
        /// The datastore and the operation.
        site: Site,
        /// The side that refused, and the reason.
        cause: String,
    },
    /// The datastore knows the operator and does not let it do the operation.
    #[error("{site}: not authorised: {cause}; {remedy}")]
    NotAuthorised {
        /// The datastore and the operation.
        site: Site,
        /// Message of the datastore.
        cause: String,
        /// Instruction of the driver on how to make the operator an administrator.
        remedy: &'static str,
    },
    /// The datastore answers and cannot take tenants until an administrator has changed it: it is
    /// read-only, too old, full, or another kind of server.
    #[error("{site}: unsuitable: {cause}; {remedy}")]
    Unsuitable {
        /// The datastore and the operation.
        site: Site,
        /// Message of the datastore, or what the driver found.
        cause: String,
        /// Instruction of the driver on how to make it suitable.
        remedy: &'static str,
    },
    /// Access control of the datastore is off, so that no tenant may use it.
    #[error(
        "{site}: access control is off, so that every tenant could read every other; {remedy}, or \
         accept it by the annotation kamaji.clastix.io/allow-without-access-control: \"true\" on \
         the DataStore"
    )]
    AccessControlOff {
        /// The datastore and the operation.
        site: Site,
        /// Instruction of the driver on how to enable access control.
        remedy: &'static str,
    },
    /// TLS material or endpoints of the connection cannot work, whatever the datastore says.
    #[error("{site}: the {what} {reason}; correct it in the DataStore or in the Secret it names")]
    InvalidMaterial {
        /// The datastore and the operation.
        site: Site,
        /// The part that is wrong, for example `client key`.
        what: &'static str,
        /// The flaw of that part.
        reason: String,
    },
    /// The tenant may not have this name in this datastore.
    #[error("{site}: refused: {reason}")]
    Refused {
        /// The datastore and the operation.
        site: Site,
        /// Reason of the refusal, and the remedy.
        reason: String,
    },
    /// The owner record of a name is another tenant's.
    #[error("{site}: the {what} {name} belongs to the {owner}")]
    Owned {
        /// The datastore and the operation.
        site: Site,
        /// Kind of the name: `schema` or `user`; for NATS `account of user`, too.
        what: &'static str,
        /// The name that is taken.
        name: String,
        /// Owner by the record in the datastore.
        owner: Box<Owner>,
    },
    /// A schema or user exists, and no record says that it is the tenant's.
    #[error("{site}: the {what} {name} is not this tenant's: {reason}")]
    Foreign {
        /// The datastore and the operation.
        site: Site,
        /// Kind of the name, `schema` or `user`.
        what: &'static str,
        /// The schema or user that is taken.
        name: String,
        /// Findings in the datastore, and the remedy.
        reason: String,
    },
    /// The driver cannot transfer a tenant's data.
    #[error("{site}: not supported: {cause}")]
    Unsupported {
        /// The datastore and the operation.
        site: Site,
        /// Operation that the driver lacks, and what to use instead.
        cause: String,
    },
    /// The tenant's data is fenced, and the call does not come from the attempt at a migration that fenced it.
    #[error(
        "{site}: the tenant may not write here: the migration {by} has fenced its data, which is being moved, or was, to \
         another datastore, and alone may lift the fence; let that migration end or abort it"
    )]
    Fenced {
        /// The datastore and the operation.
        site: Site,
        /// Identity of the fence that is noted, shortened.
        by: String,
    },
    /// A later writer of the tenant's data has begun at this target, or the transfer has ended.
    #[error(
        "{site}: a later copy has begun at this target, or the copy has ended there, so that nothing more is written; \
         let the later copy end"
    )]
    Superseded {
        /// The datastore and the operation.
        site: Site,
    },
    /// The datastore answered in a way that this driver does not know.
    #[error("{site}: unexpected answer: {cause}; see the store's own log")]
    Protocol {
        /// The datastore and the operation.
        site: Site,
        /// Message of the datastore.
        cause: String,
    },
}

/// Fails with [`Error::InvalidMaterial`] unless `connection` has an endpoint.
pub(crate) fn require_endpoints(connection: &Connection) -> Result<(), Error> {
    if connection.endpoints.is_empty() {
        return Err(Error::InvalidMaterial {
            site: Site::new(connection, "connecting"),
            what: "list of endpoints",
            reason: "is empty".to_owned(),
        });
    }
    Ok(())
}

impl Error {
    /// True if the datastore has nothing of the tenant, because the names in its spec belong to another
    /// owner or may not be used.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. } | Self::Owned { .. } | Self::Foreign { .. }
        )
    }
}
