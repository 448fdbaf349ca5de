//! Plan of the writes after which a tenant reaches exactly its own keys. Pure code.

use super::owners::Records;
use crate::tenancy::{Schema, Tenancy};

/// Name of the administrators' role, which etcd itself fixes.
pub(super) const ADMINISTRATOR: &str = "root";

/// Extent of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Permission to read and to write.
    Full,
    /// Permission only to read, or only to write.
    Partial,
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

/// One write to etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Write {
    CreateRole,
    GrantOwnRange,
    RevokeRange(Range),
    CreateUser,
    Bind,
    Unbind(String),
}

/// Refusal of a user that holds the administrators' role: it is no tenant's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IsAdministrator;

impl Observed {
    /// Refuses a user that is one of etcd's administrators.
    pub(super) fn refuse_administrator(&self) -> Result<(), IsAdministrator> {
        let roles = self.user.as_deref().unwrap_or_default();
        if roles.iter().any(|role| role == ADMINISTRATOR) {
            Err(IsAdministrator)
        } else {
            Ok(())
        }
    }

    /// The writes that are missing, in order. The tenant's own access comes before foreign access
    /// goes, so that a repair never cuts off a running control plane.
    pub(super) fn repairs(&self, tenancy: &Tenancy) -> Vec<Write> {
        let own = Range::of(&tenancy.schema);
        let mut writes = Vec::new();
        if self.role.is_none() {
            writes.push(Write::CreateRole);
        }
        let permissions = self.role.as_deref().unwrap_or_default();
        if !permissions.contains(&(Access::Full, own.clone())) {
            writes.push(Write::GrantOwnRange);
        }
        let foreign = permissions.iter().filter(|(_, range)| *range != own);
        writes.extend(foreign.map(|(_, range)| Write::RevokeRange(range.clone())));

        if self.user.is_none() {
            writes.push(Write::CreateUser);
        }
        let roles = self.user.as_deref().unwrap_or_default();
        if !roles.iter().any(|role| role == tenancy.schema.as_str()) {
            writes.push(Write::Bind);
        }
        let foreign = roles.iter().filter(|role| *role != tenancy.schema.as_str());
        writes.extend(foreign.map(|role| Write::Unbind(role.clone())));
        writes
    }
}

#[cfg(test)]
mod tests;
