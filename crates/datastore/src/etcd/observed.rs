//! State of one tenant in etcd, as it was read.

use crate::tenancy::{self, Schema};

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

impl From<tenancy::Access> for Access {
    fn from(access: tenancy::Access) -> Self {
        match access {
            tenancy::Access::ReadWrite => Self::Full,
            tenancy::Access::ReadOnly => Self::Read,
        }
    }
}

/// Keys from `start` up to, but without, `end`, as etcd has them: an empty end is one key, a NUL
/// everything from `start` on.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}
