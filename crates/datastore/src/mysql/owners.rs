//! Ownership of a tenancy's names, decided from their owner records and from what exists. Pure code.

use super::observed::{Extent, Observed};
use super::sql::{Pattern, covers};
use crate::ownership::{Denial, Standing, recorded};
use crate::tenancy::Tenancy;

impl Observed {
    /// Decides the ownership of the schema.
    pub(super) fn schema(&self, tenancy: &Tenancy) -> Result<Standing, Denial> {
        if let Some(standing) = recorded(self.records.schema.as_deref(), tenancy)? {
            return Ok(standing);
        }
        if !self.database {
            return Ok(Standing::Free);
        }
        let name = tenancy.schema.as_str();
        if tenancy.recorded || name == tenancy.owner.tenant {
            return Ok(Standing::Unrecorded);
        }
        Err(Denial::Foreign(format!(
            "the database is there already and no record says whose it is; choose another \
             dataStoreSchema, or remove the database {name} if nobody needs it"
        )))
    }

    /// Decides the ownership of the user.
    pub(super) fn login(&self, tenancy: &Tenancy, own: &Pattern) -> Result<Standing, Denial> {
        if let Some(standing) = recorded(self.records.user.as_deref(), tenancy)? {
            return Ok(standing);
        }
        let name = tenancy.user.as_str();
        if let Some(host) = self.other_hosts.first() {
            return Err(Denial::Foreign(match host.as_str() {
                "" => "a role has this name; choose another dataStoreUsername".to_owned(),
                host => format!(
                    "the server has a user of this name for the host {host}, so that it may be \
                     another application's; choose another dataStoreUsername, or remove that user"
                ),
            }));
        }
        if self.verifier.is_none() {
            return Ok(Standing::Free);
        }
        if let Some(foreign) = self.beyond(tenancy, own) {
            return Err(Denial::Foreign(format!(
                "it has {foreign}, so that it may be another application's; choose another \
                 dataStoreUsername, or revoke that if the user is the tenant's"
            )));
        }
        let uid = &tenancy.owner.tenant;
        if tenancy.recorded || name == uid || name == uid.replace('-', "") {
            return Ok(Standing::Unrecorded);
        }
        Err(Denial::Foreign(format!(
            "it is there already and no record says whose it is; choose another \
             dataStoreUsername, or remove the user {name} if nobody needs it"
        )))
    }

    /// A role or privilege of the user that is not on the tenant's own database. Upstream granted with the name as
    /// it is, which the server takes for a pattern: that one is the tenant's own, too.
    fn beyond(&self, tenancy: &Tenancy, own: &Pattern) -> Option<String> {
        if let Some((role, _)) = self.roles.first() {
            return Some(format!("the role {role}"));
        }
        let mut privileges = self.privileges.iter();
        let foreign = privileges.find(|privilege| match &privilege.extent {
            Extent::Schema(pattern) => {
                pattern != own.as_str() && pattern != tenancy.schema.as_str()
            }
            Extent::Global | Extent::Part(_) => true,
        })?;
        Some(format!("the privilege {foreign}"))
    }

    /// The pattern of a grant by which every user of the server reaches the schema.
    pub(super) fn exposure(&self, tenancy: &Tenancy) -> Option<&str> {
        let mut patterns = self.everybodys.iter();
        let found = patterns.find(|pattern| covers(pattern, tenancy.schema.as_str()));
        found.map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
