//! Owner records: the tenant that owns a schema or a user in a datastore. A record is kept in the
//! datastore itself; every grant and removal reads it first.
//!
//! | driver | location | key |
//! |---|---|---|
//! | etcd | keys under [`KEYS`] | `/kamaji.clastix.io/owners/schema/NAME`, `.../user/NAME` |
//! | PostgreSQL, MySQL | table `owners (kind, name, record)` in the database [`DATABASE`], primary key (kind, name) | `schema` or `user`, NAME |
//! | NATS | key-value bucket [`DATABASE`] | `account`, since a JetStream account serves one tenant, and `schema.HEX`: the name in hexadecimal |
//!
//! The value is the JSON of [`Owner`] everywhere.

use serde::{Deserialize, Serialize};

/// Schema that no tenant may have: its key range in etcd holds the records.
pub const KEYS: &str = "kamaji.clastix.io";
/// Database or bucket of the records, for drivers that have such.
pub const DATABASE: &str = "kamaji_clastix_io";
/// User name that no tenant may have: the etcd driver logs in as this user with an empty password to
/// find out whether authentication is on.
pub const AUTH_PROBE_USER: &str = "kamaji-asks-whether-auth-is-on";
/// Format of the records that this build writes and reads.
const VERSION: u32 = 1;

/// Tenant that owns a schema or a user in a datastore.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// Uid of the namespace kube-system of the tenant's management cluster.
    pub cluster: String,
    /// Uid of the TenantControlPlane.
    pub tenant: String,
    /// Namespace of the TenantControlPlane, for people to read: uids identify.
    pub namespace: String,
    /// Name of the TenantControlPlane, for people to read.
    pub name: String,
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    #[serde(flatten)]
    owner: Owner,
}

/// A record that this build cannot read; its schema or user must not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another program wrote the record, or it is damaged.
    #[error("it is not the JSON of an owner record")]
    Malformed,
    /// A newer build wrote the record; the number is its format.
    #[error("its format {0} is newer than this operator: upgrade the operator")]
    Newer(u32),
}

impl Owner {
    /// JSON of the record, as it is stored.
    pub fn record(&self) -> Vec<u8> {
        let record = Record {
            version: VERSION,
            owner: self.clone(),
        };
        serde_json::to_vec(&record).unwrap_or_default()
    }

    /// Reads the JSON of a record.
    pub fn parse(record: &[u8]) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Format {
            version: u32,
        }
        let format: Format = serde_json::from_slice(record).map_err(|_| RecordError::Malformed)?;
        if format.version != VERSION {
            return Err(RecordError::Newer(format.version));
        }
        let record: Record = serde_json::from_slice(record).map_err(|_| RecordError::Malformed)?;
        Ok(record.owner)
    }

    /// True if both are the same tenant: uids decide, since names may be reused.
    pub fn is_same_tenant(&self, other: &Self) -> bool {
        self.cluster == other.cluster && self.tenant == other.tenant
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "TenantControlPlane {}/{} (uid {}) of the management cluster {}",
            self.namespace, self.name, self.tenant, self.cluster
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner {
            cluster: "c".to_owned(),
            tenant: "t".to_owned(),
            namespace: "ns".to_owned(),
            name: "one".to_owned(),
        }
    }

    #[test]
    fn a_record_reads_back_as_written_and_its_format_is_fixed() {
        let text = r#"{"version":1,"cluster":"c","tenant":"t","namespace":"ns","name":"one"}"#;
        assert_eq!(owner().record(), text.as_bytes());
        assert_eq!(Owner::parse(text.as_bytes()), Ok(owner()));
    }

    #[test]
    fn a_record_of_a_newer_build_or_of_another_program_is_refused() {
        let newer = br#"{"version":2,"holder":"x"}"#;
        assert_eq!(Owner::parse(newer), Err(RecordError::Newer(2)));
        for text in ["", "{}", "null", "[1]", r#"{"version":1,"cluster":"c"}"#] {
            assert_eq!(Owner::parse(text.as_bytes()), Err(RecordError::Malformed));
        }
    }

    #[test]
    fn a_tenant_of_the_same_name_and_another_uid_is_another_owner() {
        let again = Owner {
            tenant: "later".to_owned(),
            ..owner()
        };
        assert!(!owner().is_same_tenant(&again) && owner().is_same_tenant(&owner()));
    }
}
