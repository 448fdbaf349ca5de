//! What a driver's conformance needs from a test server.

use kamaji_datastore::{DataStore, Driver, Tenancy};

/// The server's refusal of something that a tenant may not do. The harness panics on any other failure.
#[derive(Debug)]
pub struct Denied;

/// A server of one driver, started for one test and gone with the value.
///
/// Methods panic on failures that are no answer to the check, such as a lost connection.
pub trait Harness: Sized {
    /// Driver under test.
    const DRIVER: Driver;
    /// Number of parts that [`Self::lose`] can take from a tenancy.
    const PARTS: usize;
    /// True if a tenant that is fenced goes on reading.
    const READS_WHILE_FENCED: bool = true;

    /// Starts an empty server with access control.
    async fn start() -> Self;

    /// Opens the datastore as its administrator, with a connection of its own.
    async fn administrator(&self) -> Box<dyn DataStore>;

    /// Writes `key` into the data of `into`, with the credentials of `tenant`.
    async fn write(&self, tenant: &Tenancy, into: &Tenancy, key: &str) -> Result<(), Denied>;

    /// Reads `key` from the data of `from`, with the credentials of `tenant`; true if it is there.
    async fn read(&self, tenant: &Tenancy, from: &Tenancy, key: &str) -> Result<bool, Denied>;

    /// State that operations of a driver may change, sorted, a line each: data, users, grants
    /// and owner records.
    async fn listing(&self) -> Vec<String>;

    /// Deletes both owner records of a tenancy, as if an older build had set it up.
    async fn delete_owner_records(&self, tenancy: &Tenancy);

    /// Deletes one part of a tenancy, `part` below [`Self::PARTS`]: each state that a driver which
    /// crashes between two writes leaves behind.
    async fn lose(&self, tenancy: &Tenancy, part: usize);
}

/// A server whose tenants have credentials of their own, each for its own data.
pub trait Isolated: Harness {
    /// Opens the datastore with the credentials of `tenant`.
    async fn as_tenant(&self, tenant: &Tenancy) -> Box<dyn DataStore>;

    /// Takes from a tenant the access to its own data.
    async fn withhold(&self, tenant: &Tenancy);

    /// Gives `tenant` access to the data of `neighbour`.
    async fn widen(&self, tenant: &Tenancy, neighbour: &Tenancy);

    /// Attempts of `tenant` at privileges that it must not have (users, grants, owner records,
    /// administration), by name. Each has to be denied.
    async fn escalations(&self, tenant: &Tenancy) -> Vec<(&'static str, Result<(), Denied>)>;
}
