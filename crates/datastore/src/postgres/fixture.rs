//! Tenants as unit tests observe them.

use kamaji_api::{datastore::Driver, owner::Owner};

use super::observed::{Database, Observed, Role};
use crate::tenancy::Tenancy;

/// The tenancy `cp-a` of a tenant with the uid `uid`.
pub(super) fn tenancy() -> Tenancy {
    let owner = Owner {
        cluster: "c".to_owned(),
        tenant: "uid".to_owned(),
        namespace: "ns".to_owned(),
        name: "one".to_owned(),
    };
    Tenancy::parse(Driver::PostgreSql, "cp-a", "user-a", owner).unwrap()
}

/// A tenant that has all it needs, without owner records.
pub(super) fn complete() -> Observed {
    Observed {
        database: Some(Database {
            owner: "user-a".to_owned(),
            open: true,
            granted: true,
            ..Database::default()
        }),
        role: Some(Role {
            login: true,
            joined: true,
            ..Role::default()
        }),
        superuser: true,
        ..Observed::default()
    }
}
