//! Plan of the writes after which a tenant reaches exactly its own database. Pure code.

use std::fmt;

use super::observed::{Extent, Observed, Privilege};
use super::sql::{Pattern, privileges};
use crate::tenancy::Access;

/// One write to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Write {
    CreateDatabase,
    CreateUser,
    SetPassword,
    /// Revokes all privileges, since these are not the tenant's; [`Write::Grant`] follows.
    RevokeEverything(Vec<String>),
    /// Revokes a role, with the role's host.
    RevokeRole(String, String),
    /// Revokes the right to write, which the tenant is not to have for now.
    RevokeWrites,
    Grant,
}

impl Write {
    /// True for what makes the account or its log-in, and false for a change of its rights.
    pub(super) fn of_account(&self) -> bool {
        matches!(
            self,
            Self::CreateDatabase | Self::CreateUser | Self::SetPassword
        )
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on ", self.name)?;
        match &self.extent {
            Extent::Global => f.write_str("*.*"),
            Extent::Schema(pattern) => write!(f, "{pattern}.*"),
            Extent::Part(part) => f.write_str(part),
        }?;
        f.write_str(if self.grantable {
            " with grant option"
        } else {
            ""
        })
    }
}

impl Observed {
    /// Missing writes, in order. `password_right` tells whether the account has the tenant's password. Who may write
    /// gets the log-in last: kine acknowledges a creation that is refused if it may read.
    pub(super) fn repairs(
        &self,
        own: &Pattern,
        password_right: bool,
        access: Access,
    ) -> Vec<Write> {
        let mut writes = Vec::new();
        if !self.database {
            writes.push(Write::CreateDatabase);
        }
        let set_password = self.verifier.is_some() && !password_right;
        if self.verifier.is_none() {
            writes.push(Write::CreateUser);
        } else if set_password && access == Access::ReadOnly {
            writes.push(Write::SetPassword);
        }
        let of_own = |privilege: &&Privilege| matches!(&privilege.extent, Extent::Schema(pattern) if pattern == own.as_str());
        let of_tenants = |name: &str| privileges(Access::ReadWrite).contains(&name);
        let needed = |privilege: &Privilege| privileges(access).contains(&privilege.name.as_str());
        let foreign: Vec<String> = self
            .privileges
            .iter()
            .filter(|privilege| {
                !(of_own(privilege) && of_tenants(&privilege.name) && !privilege.grantable)
            })
            .map(Privilege::to_string)
            .collect();
        let own: Vec<&Privilege> = self.privileges.iter().filter(of_own).collect();
        let complete = own.iter().filter(|own| needed(own)).count() == privileges(access).len();
        let too_much = own.iter().any(|own| !needed(own));
        if !foreign.is_empty() {
            writes.push(Write::RevokeEverything(foreign.clone()));
        } else if too_much {
            writes.push(Write::RevokeWrites);
        }
        let roles = self.roles.iter();
        writes.extend(roles.map(|(role, host)| Write::RevokeRole(role.clone(), host.clone())));
        if !foreign.is_empty() || !complete {
            writes.push(Write::Grant);
        }
        if set_password && access == Access::ReadWrite {
            writes.push(Write::SetPassword);
        }
        writes
    }
}

#[cfg(test)]
mod tests;
