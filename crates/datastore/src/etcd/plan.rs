//! Plan of the writes after which a tenant reaches exactly its own keys. Pure code.

use super::frozen::{Frozen, Unreadable};
use super::observed::{Access, Observed, Range};
use crate::tenancy::Tenancy;

/// Name of the administrators' role, which etcd itself fixes.
pub(super) const ADMINISTRATOR: &str = "root";

/// One write to etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Write {
    CreateRole,
    /// The range with this extent, instead of the one that it may have.
    GrantOwnRange(Access),
    /// A range in which the tenant writes, while it may not write the whole.
    GrantPart(Range),
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

    /// Missing writes, in order. The tenant's own access is granted before foreign access is revoked, so
    /// that a repair never interrupts a running control plane.
    pub(super) fn repairs(&self, tenancy: &Tenancy) -> Result<Vec<Write>, Unreadable> {
        let own = Range::of(&tenancy.schema);
        let desired = Frozen::parse(self.records.frozen.as_deref())?.permissions(tenancy);
        let mut writes = Vec::new();
        if self.role.is_none() {
            writes.push(Write::CreateRole);
        }
        let permissions = self.role.as_deref().unwrap_or_default();
        let missing = desired
            .iter()
            .filter(|wanted| !permissions.contains(wanted));
        writes.extend(missing.map(|(access, range)| {
            if *range == own {
                Write::GrantOwnRange(*access)
            } else {
                Write::GrantPart(range.clone())
            }
        }));
        let is_desired = |range: &Range| desired.iter().any(|(_, wanted)| wanted == range);
        let foreign = permissions.iter().filter(|(_, range)| !is_desired(range));
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
        Ok(writes)
    }
}

#[cfg(test)]
mod tests;
