//! Plan of the writes after which a tenant reaches exactly its own database. Pure code.

use super::observed::{Membership, Observed};
use super::sql::Power;
use crate::tenancy::Tenancy;

/// One write to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Write {
    CreateRole,
    Role(RoleWrite),
    Database(DatabaseWrite),
}

/// Change of the tenant's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RoleWrite {
    /// The administrator becomes a member.
    Join,
    AllowLogin,
    TakePower(Power),
    EndMembership(Membership),
    /// Privileges on this database end.
    Withdraw(String),
}

/// Creation or change of the tenant's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatabaseWrite {
    Create,
    /// Privileges of PUBLIC end; true if somebody could have used them.
    Close(bool),
    Open,
    Give,
    Grant,
}

impl Observed {
    /// Missing writes, in order. Nobody can connect to a new database until PUBLIC is kept out of it.
    pub(super) fn repairs(&self, tenancy: &Tenancy) -> Vec<Write> {
        let mut writes = self.role_repairs();
        let of_database = self.database_repairs(tenancy);
        writes.extend(of_database.into_iter().map(Write::Database));
        writes
    }

    fn database_repairs(&self, tenancy: &Tenancy) -> Vec<DatabaseWrite> {
        use DatabaseWrite as Write;
        let Some(database) = &self.database else {
            return vec![Write::Create, Write::Close(false), Write::Open, Write::Give];
        };
        let mut writes = Vec::new();
        if database.public {
            writes.push(Write::Close(database.open));
        }
        if !database.open {
            writes.push(Write::Open);
        }
        if database.owner != tenancy.user.as_str() {
            writes.push(Write::Give);
        }
        if !database.granted {
            writes.push(Write::Grant);
        }
        writes
    }

    fn role_repairs(&self) -> Vec<Write> {
        let join = self.must_join().then_some(RoleWrite::Join);
        let Some(role) = &self.role else {
            let created = std::iter::once(Write::CreateRole);
            return created.chain(join.map(Write::Role)).collect();
        };
        let mut writes: Vec<RoleWrite> = join.into_iter().collect();
        if !role.login {
            writes.push(RoleWrite::AllowLogin);
        }
        writes.extend(role.powers.iter().copied().map(RoleWrite::TakePower));
        let memberships = role.memberships.iter().cloned();
        writes.extend(memberships.map(RoleWrite::EndMembership));
        writes.extend(role.granted.iter().cloned().map(RoleWrite::Withdraw));
        writes.into_iter().map(Write::Role).collect()
    }

    /// True if the administrator, who is no superuser then, has to become a member of the role.
    pub(super) fn must_join(&self) -> bool {
        match &self.role {
            Some(role) => !role.joined,
            None => !self.superuser,
        }
    }
}

#[cfg(test)]
mod tests;
