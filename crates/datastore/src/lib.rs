//! Drivers that give a tenant its share of a datastore and take it away again.
//!
//! Every driver implements [`DataStore`]. A [`Connection`] reaches a datastore as its administrator,
//! a [`Tenancy`] is one tenant's share of it. Names are parsed first ([`Schema`], [`User`]), so that
//! no call can address the whole key space or the administrator. `tests/conformance` checks what every driver promises.

mod change;
mod connection;
mod driver;
mod error;
mod etcd;
mod fence;
mod handshake;
mod lock;
mod mysql;
mod nats;
mod ownership;
mod part;
mod postgres;
mod tenancy;
mod tls;
pub mod transfer;

pub use change::{Change, Item, Step};
pub use connection::{BasicAuth, Connection, Identity, Tls};
pub use driver::{AccessControl, DataStore};
pub use error::{Error, Site};
pub use fence::{FenceId, FenceIdError};
pub use kamaji_api::datastore::Driver;
pub use kamaji_api::owner::Owner;
pub use kamaji_core::endpoint::{HostPort, HostPortError};
pub use part::{KeyPrefix, Part, PartError};
pub use tenancy::{Access, NameError, Schema, Secret, Tenancy, User};

/// Variables that a process which opens datastores needs before it starts.
///
/// The MySQL driver keeps up to 128 buffers for good, each as large as the largest row or request that went through it,
/// up to 4 MiB: a tenant's values decide. The variable is the most bytes that it keeps of each.
pub const ENVIRONMENT: [(&str, &str); 1] = [("MYSQL_ASYNC_BUFFER_SIZE_CAP", "65536")];

/// Opens the datastore behind `connection`. TLS material is checked here, with
/// [`Error::InvalidMaterial`]; the network is first used by the first operation.
pub async fn connect(connection: &Connection) -> Result<Box<dyn DataStore>, Error> {
    match connection.driver {
        Driver::Etcd => Ok(Box::new(etcd::open(connection).await?)),
        Driver::MySql => Ok(Box::new(mysql::open(connection)?)),
        Driver::PostgreSql => Ok(Box::new(postgres::open(connection)?)),
        Driver::Nats => Ok(Box::new(nats::open(connection)?)),
    }
}
