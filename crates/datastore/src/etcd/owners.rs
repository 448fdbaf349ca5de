//! Ownership of a tenancy's names, decided from their owner records and from what exists. Pure code.

use etcd_client::{Compare, CompareOp};
use kamaji_api::owner::KEYS;

use super::observed::{Observed, Range, Records};
use crate::ownership::{Denial, Standing, recorded};
use crate::tenancy::Tenancy;

/// The key of the record of a `schema` or `user`.
pub(super) fn key(what: &str, name: &str) -> String {
    format!("/{KEYS}/owners/{what}/{name}")
}

/// The key with which a writer of a transfer claims a schema, and the one whose writes raise the revision.
pub(super) fn transfer_keys(schema: &str) -> [String; 2] {
    ["writer", "revision"].map(|what| format!("/{KEYS}/transfers/{what}/{schema}"))
}

/// The key that notes the fence of a schema.
pub(super) fn fence_key(schema: &str) -> String {
    format!("/{KEYS}/transfers/fence/{schema}")
}

/// Condition that the owner record of a tenancy's schema is the tenant's.
pub(super) fn is_owned(tenancy: &Tenancy) -> Compare {
    let record = key("schema", tenancy.schema.as_str());
    Compare::value(record, CompareOp::Equal, tenancy.owner.record())
}

/// The key that notes the frozen parts of a schema.
pub(super) fn frozen_key(schema: &str) -> String {
    format!("/{KEYS}/transfers/frozen/{schema}")
}

impl Observed {
    /// True if etcd has nothing at all of a tenancy.
    pub(super) fn is_empty(&self) -> bool {
        self.role.is_none() && self.user.is_none() && self.records == Records::default()
    }

    /// Decides the ownership of the schema.
    pub(super) fn schema(&self, tenancy: &Tenancy) -> Result<Standing, Denial> {
        if let Some(standing) = recorded(self.records.schema.as_deref(), tenancy)? {
            return Ok(standing);
        }
        let name = tenancy.schema.as_str();
        if self.role.is_none() && !self.records.keys {
            return Ok(Standing::Free);
        }
        let own = Range::of(&tenancy.schema);
        let permissions = self.role.as_deref().unwrap_or_default();
        if let Some((_, range)) = permissions.iter().find(|(_, range)| *range != own) {
            return Err(Denial::Foreign(format!(
                "its role {name} grants {range}, which is not {own}, so that it may be another \
                 application's; choose another dataStoreSchema, or revoke that range if the role \
                 is the tenant's"
            )));
        }
        if self.role.is_none() && self.user.is_none() {
            return Err(Denial::Foreign(format!(
                "there are keys in {own} and no record or role says whose they are; choose \
                 another dataStoreSchema, or remove the keys if nobody needs them"
            )));
        }
        if tenancy.recorded || name == tenancy.owner.tenant {
            return Ok(Standing::Unrecorded);
        }
        Err(Denial::Foreign(format!(
            "its role or its keys are there already and no record says whose they are; choose \
             another dataStoreSchema, or remove the role {name} and the keys in {own} if nobody \
             needs them"
        )))
    }

    /// Decides the ownership of the user.
    pub(super) fn login(&self, tenancy: &Tenancy) -> Result<Standing, Denial> {
        if let Some(standing) = recorded(self.records.user.as_deref(), tenancy)? {
            return Ok(standing);
        }
        let Some(roles) = &self.user else {
            return Ok(Standing::Free);
        };
        let name = tenancy.user.as_str();
        let schema = tenancy.schema.as_str();
        if let Some(role) = roles.iter().find(|role| *role != schema) {
            return Err(Denial::Foreign(format!(
                "it has the role {role}, so that it may be another application's; choose another \
                 dataStoreUsername, or revoke that role if the user is the tenant's"
            )));
        }
        if tenancy.recorded || name == tenancy.owner.tenant {
            return Ok(Standing::Unrecorded);
        }
        Err(Denial::Foreign(format!(
            "it is there already and no record says whose it is; choose another \
             dataStoreUsername, or remove the user {name} if nobody needs it"
        )))
    }
}

#[cfg(test)]
mod tests;
