//! Types of a tenant's binding to its datastore.

use std::collections::BTreeMap;

use kamaji_api::owner::Owner;

use super::names::NameProblem;

/// Bytes of a Secret by key.
pub type Data = BTreeMap<String, Vec<u8>>;

/// The datastore-config Secret as it exists.
#[derive(Clone, Copy, Debug)]
pub struct LiveSecret<'a> {
    /// Data of the Secret.
    pub data: &'a Data,
    /// Checksum annotation of the Secret: data is trusted only if it matches.
    pub checksum: &'a str,
}

/// Names and credentials of a tenant in one datastore. The password is left out of debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    /// Name of the key prefix, database or bucket.
    pub schema: String,
    /// Name of the role or user; for NATS the operator's own, since NATS has one user for all.
    pub user: String,
    /// Password of the user; unused by etcd, where a certificate's common name is the user.
    pub password: String,
    /// `host:port` that kine dials; empty for etcd.
    pub connection: String,
    /// The tenant, as owner records name it.
    pub owner: Owner,
    /// True if the tenant's status says that both names were set up for it in this datastore.
    pub recorded: bool,
    /// Uid of the former owner that the tenant succeeds by its annotation; `None` without one.
    pub adopts: Option<String>,
    /// Rights of the user on the schema.
    pub access: Access,
    /// Prefixes of the keys of single resources that an operation is about, below the root; empty for the whole.
    pub part: Vec<String>,
}

/// Rights of a tenant's user on its own data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// The tenant reads and writes.
    #[default]
    ReadWrite,
    /// Writes are refused, since the data is about to move, or has moved, elsewhere.
    ReadOnly,
}

impl Binding {
    /// Data of the datastore-config Secret: `DB_CONNECTION_STRING`, `DB_SCHEMA`, `DB_USER` and
    /// `DB_PASSWORD`.
    pub fn data(&self) -> Data {
        [
            ("DB_CONNECTION_STRING", &self.connection),
            ("DB_SCHEMA", &self.schema),
            ("DB_USER", &self.user),
            ("DB_PASSWORD", &self.password),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.clone().into_bytes()))
        .collect()
    }
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "schema {} for user {} at {:?}",
            self.schema, self.user, self.connection
        )
    }
}

/// Refusal of a name that a tenant may not have in a datastore.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {text:?} {problem}{}", if *.recorded {
    "; it stands in the status, which wins over the spec: correct it there if the tenant never ran under it, else ask whoever put it there"
} else {
    ". The name of a TenantControlPlane's schema and user cannot change: recreate it under another"
})]
pub struct NameRefusal {
    /// Path of the field that holds the name.
    pub field: &'static str,
    /// The name that is refused.
    pub text: String,
    /// Flaw of the name, and the remedy.
    pub problem: NameProblem,
    /// True if the name stands in the status.
    pub recorded: bool,
}
