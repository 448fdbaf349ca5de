//! Where does a tenant's data live, and who may reach it there?
//!
//! One trait, [`DataStore`], which every driver implements; etcd is the driver that exists. A
//! [`Connection`] says how to reach a store as its administrator, a [`Tenancy`] what one tenant
//! has in it. Names are parsed before they get here ([`Schema`], [`User`]), so that no call can
//! mean the whole key space or the administrator.

mod change;
mod connection;
mod error;
mod etcd;
mod tenancy;

use async_trait::async_trait;

pub use change::{Change, Step};
pub use connection::{
    BasicAuth, Connection, Driver, Endpoint, EndpointError, Identity, Tls, UnknownDriver,
};
pub use error::{Error, Site};
pub use kamaji_api::owner::Owner;
pub use tenancy::{NameError, Schema, Secret, Tenancy, User};

/// What every driver can do with a store, for one tenant at a time.
///
/// Every method is safe to repeat and safe to drop half-way: the next call goes on from whatever
/// state it finds. Each call to the store is bounded; the whole is bounded by the caller.
#[async_trait]
pub trait DataStore: Send + Sync {
    /// Says whether the store answers, knows us as its administrator and enforces access control;
    /// one that does not is an error unless the [`Connection`] accepts it.
    async fn check(&self) -> Result<AccessControl, Error>;

    /// Claims schema and user for the tenant by their owner records, and makes user, role and grants
    /// exactly what they have to be; reads first and writes only what is missing or wrong. An empty
    /// [`Change`] means that nothing was written. What is another's is an error
    /// ([`Error::is_refusal`]), and nothing is written then.
    async fn ensure(&self, tenancy: &Tenancy) -> Result<Change, Error>;

    /// Ends the tenant's access and deletes its data, role, user and owner records, and nothing else.
    /// What is another's is an error, and nothing is deleted then.
    async fn remove(&self, tenancy: &Tenancy) -> Result<Change, Error>;

    /// Counts the tenant's keys (or rows).
    async fn usage(&self, tenancy: &Tenancy) -> Result<u64, Error>;
}

/// Whether a store tells its users apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessControl {
    /// Each user reaches what its roles grant.
    On,
    /// Whoever may connect may do everything.
    Off,
}

/// Opens the store behind `connection`: the material is checked here, the network is first used by
/// the first call.
pub async fn connect(connection: &Connection) -> Result<Box<dyn DataStore>, Error> {
    match connection.driver {
        Driver::Etcd => Ok(Box::new(etcd::Etcd::open(connection).await?)),
        driver => Err(Error::Unsupported {
            site: Site::new(connection, "connecting"),
            driver,
        }),
    }
}
