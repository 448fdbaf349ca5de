//! Drivers that give a tenant its share of a datastore and take it away again.
//!
//! One trait, [`DataStore`], which every driver implements; etcd is the driver that exists. A
//! [`Connection`] reaches a datastore as its administrator, a [`Tenancy`] is one tenant's share of
//! it. Names are parsed before they get here ([`Schema`], [`User`]), so that no call can mean the
//! whole key space or the administrator. `tests/conformance` checks what every driver promises.

mod change;
mod connection;
mod error;
mod etcd;
mod tenancy;

use async_trait::async_trait;

pub use change::{Change, Item, Step};
pub use connection::{BasicAuth, Connection, Identity, Tls};
pub use error::{Error, Site};
pub use kamaji_api::datastore::Driver;
pub use kamaji_api::owner::Owner;
pub use kamaji_core::endpoint::{HostPort, HostPortError};
pub use tenancy::{NameError, Schema, Secret, Tenancy, User};

/// Operations of a driver at one datastore, each for one tenant.
///
/// Every method is safe to repeat and safe to drop half-way: the next call goes on from whatever
/// state it finds. Each request to the datastore is bounded; the caller bounds the whole operation.
#[async_trait]
pub trait DataStore: Send + Sync {
    /// Checks that the datastore answers, that the operator is its administrator and that it
    /// enforces access control. A datastore without access control is an error, unless the
    /// [`Connection`] accepts it.
    async fn check(&self) -> Result<AccessControl, Error>;

    /// Claims schema and user for the tenant by their owner records, and makes user, data and
    /// grants exactly as desired; reads first and writes only what is missing or wrong. An empty
    /// [`Change`] means that nothing was written. A name of another's is an error
    /// ([`Error::is_refusal`]), and nothing is written then.
    async fn ensure(&self, tenancy: &Tenancy) -> Result<Change, Error>;

    /// Ends the tenant's access and deletes its data, user, grants and owner records, and nothing
    /// else. A name of another's is an error, and nothing is deleted then.
    async fn remove(&self, tenancy: &Tenancy) -> Result<Change, Error>;

    /// Number of the tenant's keys or rows. A connection with a tenant's own credentials may call
    /// it for that tenant and for no other, which proves isolation.
    async fn usage(&self, tenancy: &Tenancy) -> Result<u64, Error>;

    /// Question to an administrator whose datastore did not finish an operation in time.
    fn slow_hint(&self) -> &'static str {
        "is it overloaded?"
    }
}

/// Access control of a datastore, as its driver found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessControl {
    /// Each user reaches what it was granted, and nothing else.
    On,
    /// Whoever may connect may do everything.
    Off {
        /// Consequence, after "access control is off, so that".
        exposure: &'static str,
        /// Instruction of the driver on how to enable access control, in the imperative.
        remedy: &'static str,
    },
}

/// Opens the datastore behind `connection`. TLS material is checked here, with
/// [`Error::InvalidMaterial`]; the network is first used by the first operation.
pub async fn connect(connection: &Connection) -> Result<Box<dyn DataStore>, Error> {
    match connection.driver {
        Driver::Etcd => Ok(Box::new(etcd::Etcd::open(connection).await?)),
        driver => Err(Error::Unsupported {
            site: Site::new(connection, "connecting"),
            driver,
        }),
    }
}
