//! Ownership of a tenancy's names, decided from their owner records and from what exists. Pure code.

use super::observed::Observed;
use crate::ownership::{Denial, Standing, recorded};
use crate::tenancy::Tenancy;

/// Refusal of a role that is one of the server's administrators: it is no tenant's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IsAdministrator;

impl Observed {
    /// True if the server has nothing at all of a tenancy.
    pub(super) fn is_empty(&self) -> bool {
        self.database.is_none()
            && self.role.is_none()
            && self.schema_record.is_none()
            && self.user_record.is_none()
    }

    /// Refuses a role that is a superuser.
    pub(super) fn refuse_administrator(&self) -> Result<(), IsAdministrator> {
        match &self.role {
            Some(role) if role.superuser => Err(IsAdministrator),
            _ => Ok(()),
        }
    }

    /// Decides the ownership of the database.
    pub(super) fn schema(&self, tenancy: &Tenancy) -> Result<Standing, Denial> {
        let record = self.schema_record.as_deref().map(str::as_bytes);
        let standing = recorded(record, tenancy)?;
        let Some(database) = &self.database else {
            return Ok(standing.unwrap_or(Standing::Free));
        };
        let (name, user) = (&tenancy.schema, &tenancy.user);
        let owner = &database.owner;
        // Even a recorded name may have been taken by another application before its database was there.
        if owner != user.as_str() && !database.owned_by_administrator {
            return Err(Denial::Foreign(format!(
                "the database {name} is owned by the role {owner}; choose another \
                 dataStoreSchema, or make {user} its owner if it is the tenant's"
            )));
        }
        if let Some(standing) = standing {
            return Ok(standing);
        }
        if tenancy.recorded || name.as_str() == tenancy.owner.tenant {
            return Ok(Standing::Unrecorded);
        }
        Err(Denial::Foreign(format!(
            "the database {name} is there already and no record says whose it is; choose another \
             dataStoreSchema, or drop that database if nobody needs it"
        )))
    }

    /// Decides the ownership of the role.
    pub(super) fn login(&self, tenancy: &Tenancy) -> Result<Standing, Denial> {
        let record = self.user_record.as_deref().map(str::as_bytes);
        if let Some(standing) = recorded(record, tenancy)? {
            return Ok(standing);
        }
        let Some(role) = &self.role else {
            return Ok(Standing::Free);
        };
        let name = &tenancy.user;
        let foreign = |what: String| {
            Err(Denial::Foreign(format!(
                "the role {name} {what}, so that it may be another application's; choose another \
                 dataStoreUsername, or take that from the role if it is the tenant's"
            )))
        };
        if let Some(power) = role.powers.first() {
            return foreign(format!("has {}", power.as_str()));
        }
        if let Some(membership) = role.memberships.first() {
            return foreign(format!("is a member of the role {}", membership.role));
        }
        if let Some(database) = role.owned.first() {
            return foreign(format!("owns the database {database}"));
        }
        if tenancy.recorded || name.as_str() == tenancy.owner.tenant {
            return Ok(Standing::Unrecorded);
        }
        Err(Denial::Foreign(format!(
            "the role {name} is there already and no record says whose it is; choose another \
             dataStoreUsername, or drop that role if nobody needs it"
        )))
    }
}

#[cfg(test)]
mod tests;
