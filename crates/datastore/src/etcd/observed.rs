//! State of one tenant in etcd, as it was read.

use crate::part::KeyPrefix;
use crate::tenancy::{Schema, Tenancy};

/// Extent of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Permission to read and to write.
    Full,
    /// Permission only to read.
    Read,
    /// Permission only to write.
    Write,
}

/// Keys from `start` up to, but without, `end`, as etcd has them: an empty end is one key, a NUL
/// everything from `start` on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    pub(super) start: Vec<u8>,
    pub(super) end: Vec<u8>,
}

impl Range {
    /// The tenant's own keys. The slash closes the name (`/cp-a/` is no prefix of `/cp-aa/`), and
    /// `0` is the character after it.
    pub(super) fn of(schema: &Schema) -> Self {
        Self {
            start: format!("/{schema}/").into_bytes(),
            end: format!("/{schema}0").into_bytes(),
        }
    }

    /// The keys of a schema under a prefix, which ends with a slash.
    pub(super) fn under(schema: &Schema, prefix: &KeyPrefix) -> Self {
        let names = prefix.as_str().trim_end_matches('/');
        Self {
            start: format!("/{schema}/{names}/").into_bytes(),
            end: format!("/{schema}/{names}0").into_bytes(),
        }
    }

    /// The keys that a tenancy is about, in their order: of its part, or of its schema.
    pub(super) fn all_of(tenancy: &Tenancy) -> Vec<Self> {
        let Some(part) = &tenancy.part else {
            return vec![Self::of(&tenancy.schema)];
        };
        let ranges = part.prefixes();
        let mut ranges: Vec<Self> = ranges
            .map(|prefix| Self::under(&tenancy.schema, prefix))
            .collect();
        ranges.sort();
        ranges
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "[{}, {})",
            self.start.escape_ascii(),
            self.end.escape_ascii()
        )
    }
}

/// State of a tenant in etcd; `None` where the role or the user is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Observed {
    /// Permissions of the role.
    pub(super) role: Option<Vec<(Access, Range)>>,
    /// Names of the user's roles.
    pub(super) user: Option<Vec<String>>,
    /// Owner records of the names, and whether the range has keys.
    pub(super) records: Records,
}

/// Owner records of a tenancy's names, as etcd holds them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Records {
    /// Record of the schema, undecoded.
    pub(super) schema: Option<Vec<u8>>,
    /// Record of the user, undecoded.
    pub(super) user: Option<Vec<u8>>,
    /// True if the schema's range has keys.
    pub(super) keys: bool,
    /// Note of the frozen parts, undecoded.
    pub(super) frozen: Option<Vec<u8>>,
}
