//! Owners of tenancies.

use kamaji_datastore::Owner;

/// A tenant of one management cluster.
pub fn owner(tenant: &str) -> Owner {
    Owner {
        cluster: "cluster".to_owned(),
        tenant: format!("uid-of-{tenant}"),
        namespace: "tenants".to_owned(),
        name: tenant.to_owned(),
    }
}
