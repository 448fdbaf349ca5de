//! Header and footer of a snapshot.

use kamaji_api::{datastore::Driver, owner::Owner};
use serde::{Deserialize, Serialize};

use crate::encryption::EncryptionKeys;

/// Origin of a snapshot. The header is readable without a key, and covered by the SHA-256 of the footer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// The tenant with the uids of itself and of its management cluster.
    pub tenant: Owner,
    /// Kind of the datastore that the tenant's data was in.
    pub driver: Driver,
    /// Name of the DataStore.
    pub data_store: String,
    /// Key prefix, database or bucket of the tenant.
    pub schema: String,
    /// Root of the tenant's keys in that datastore, `/<schema>/` or `/registry/`.
    pub root: String,
    /// Revision of the datastore when the snapshot was begun; the footer has the one that it is consistent at.
    pub begun: i64,
    /// Kubernetes version of the control plane, for example `v1.36.3`.
    pub kubernetes: String,
    /// Time at which the snapshot was begun, RFC 3339 in UTC.
    pub taken: String,
    /// Resources that have a datastore of their own (`/events`) and are not part of the snapshot.
    pub left_out: Vec<String>,
    /// True if the body is encrypted by age.
    pub encrypted: bool,
}

/// Root of a tenant's keys in a datastore of `driver`.
pub fn root(driver: Driver, schema: &str) -> String {
    match driver {
        Driver::Etcd => format!("/{schema}/"),
        Driver::MySql | Driver::PostgreSql | Driver::Nats => "/registry/".to_owned(),
    }
}

/// Counts, keys and hash of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Footer {
    /// Revision at which the data is consistent once all operations have been applied.
    pub revision: i64,
    /// Number of Kubernetes objects.
    pub objects: u64,
    /// Number of operations; a key that changed during the save has several.
    pub ops: u64,
    /// Bytes of keys and values of all operations.
    pub bytes: u64,
    /// Keys of encryption at rest that values need.
    pub encryption: EncryptionKeys,
    /// SHA-256 of the preamble and of all frames before the footer, in hexadecimal.
    pub digest: String,
}
