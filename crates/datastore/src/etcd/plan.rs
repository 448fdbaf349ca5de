//! What has to be written so that a tenant reaches exactly its own keys?

use super::owners::Records;
use crate::tenancy::{Schema, Tenancy};

/// etcd's administrator role.
pub(super) const ADMINISTRATOR: &str = "root";

/// What a permission allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Reading and writing.
    Full,
    /// Less than that.
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

/// What etcd has of a tenant: nothing where the role or the user is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Observed {
    /// What the role may reach.
    pub(super) role: Option<Vec<(Access, Range)>>,
    /// The roles of the user.
    pub(super) user: Option<Vec<String>>,
    /// The owner records, and whether there are keys.
    pub(super) records: Records,
}

/// One thing to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Write {
    CreateRole,
    GrantOwnRange,
    RevokeRange(Range),
    CreateUser,
    Bind,
    Unbind(String),
}

/// The user holds the administrator's role: it is no tenant's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IsAdministrator;

impl Observed {
    /// Whether the user is one of etcd's administrators.
    pub(super) fn guard(&self) -> Result<(), IsAdministrator> {
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
