//! Records and operations of a transfer.

use std::fmt;

/// Key of a tenant's API server with its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Key below the root, for example `pods/default/web`; it does not begin with `/`.
    pub key: Vec<u8>,
    /// Value as the API server stored it, possibly encrypted by it.
    pub value: Vec<u8>,
    /// Revision at which the key was created.
    pub created: i64,
    /// Revision of the last change, the `resourceVersion` of the object.
    pub modified: i64,
    /// Seconds until the key expires, rounded up and at least 1; `None` for a key that stays.
    pub ttl: Option<u32>,
}

/// Step of a transfer: a key is written or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The key has this value from now on.
    Put(Record),
    /// The key does not exist from now on.
    Delete {
        /// Key below the root.
        key: Vec<u8>,
        /// Revision of the deletion.
        revision: i64,
    },
}

impl Op {
    /// Key of the operation, below the root.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put(record) => &record.key,
            Self::Delete { key, .. } => key,
        }
    }

    /// Revision of the operation at its source.
    pub fn revision(&self) -> i64 {
        match self {
            Self::Put(record) => record.modified,
            Self::Delete { revision, .. } => *revision,
        }
    }
}

/// Values are Secrets of tenants, so only their length is shown.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("key", &String::from_utf8_lossy(&self.key))
            .field("value", &format_args!("{} bytes", self.value.len()))
            .field("created", &self.created)
            .field("modified", &self.modified)
            .field("ttl", &self.ttl)
            .finish()
    }
}
