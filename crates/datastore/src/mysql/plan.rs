//! Plan of the writes after which a tenant reaches exactly its own database. Pure code.

use std::fmt;

use super::observed::{Extent, Observed, Privilege};
use super::sql::{PRIVILEGES, Pattern};

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
    Grant,
}

impl Write {
    /// True if sessions that are open already would keep what the write takes away.
    pub(super) fn ends_sessions(&self) -> bool {
        matches!(self, Self::RevokeEverything(_) | Self::RevokeRole(..))
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
    /// Missing writes, in order. `password_right` tells whether the account has the tenant's password.
    pub(super) fn repairs(&self, own: &Pattern, password_right: bool) -> Vec<Write> {
        let mut writes = Vec::new();
        if !self.database {
            writes.push(Write::CreateDatabase);
        }
        if self.verifier.is_none() {
            writes.push(Write::CreateUser);
        } else if !password_right {
            writes.push(Write::SetPassword);
        }
        let of_own = |privilege: &&Privilege| matches!(&privilege.extent, Extent::Schema(pattern) if pattern == own.as_str());
        let needed = |privilege: &Privilege| PRIVILEGES.contains(&privilege.name.as_str());
        let foreign: Vec<String> = self
            .privileges
            .iter()
            .filter(|privilege| !(of_own(privilege) && needed(privilege) && !privilege.grantable))
            .map(Privilege::to_string)
            .collect();
        let has = self.privileges.iter().filter(of_own);
        let complete = has.filter(|privilege| needed(privilege)).count() == PRIVILEGES.len();
        if !foreign.is_empty() {
            writes.push(Write::RevokeEverything(foreign.clone()));
        }
        let roles = self.roles.iter();
        writes.extend(roles.map(|(role, host)| Write::RevokeRole(role.clone(), host.clone())));
        if !foreign.is_empty() || !complete {
            writes.push(Write::Grant);
        }
        writes
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
