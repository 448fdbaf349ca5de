//! Names in datastores that tenants of this management cluster have claimed, so that most conflicts cost no
//! request. The owner record in the datastore itself has the last word.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use kamaji_api::{datastore::Driver, tenant::TenantControlPlane};
use kamaji_core::{
    binding::{Binding, data_stores},
    data_store::ResolvedDataStore,
};

use kamaji_shell::{ObjectKey, lock::lock};

/// Database, kind of name, name. Two DataStores with the same driver and endpoints are one database.
type Name = (String, &'static str, String);

#[derive(Clone, Debug)]
struct Claim {
    tenant: ObjectKey,
    /// True if the tenant's status records the name.
    recorded: bool,
}

/// Claimed names, and the tenant that has claimed each.
#[derive(Debug, Default)]
pub struct Claims {
    claims: Mutex<HashMap<Name, Claim>>,
}

impl Claims {
    /// Claims the names of `binding` for `tenant`. Nothing is claimed if another tenant has one of them; that
    /// tenant is returned.
    pub fn claim(
        &self,
        tenant: &ObjectKey,
        store: &ResolvedDataStore,
        binding: &Binding,
    ) -> Option<ObjectKey> {
        let names = names(store, &binding.schema, &binding.user);
        self.take(tenant, &names, binding.recorded)
    }

    /// Claims the names that the status of `tenant` records in `store`, if it records any.
    pub fn recall(
        &self,
        tenant: &ObjectKey,
        store: &ResolvedDataStore,
        object: &TenantControlPlane,
    ) {
        if let Some(recorded) = data_stores::recorded(object, &store.name) {
            // Another tenant that has recorded them was first; the datastore's own records decide.
            let names = names(store, recorded.schema, recorded.user);
            self.take(tenant, &names, true);
        }
    }

    /// Releases every name of `tenant`.
    pub fn forget(&self, tenant: &ObjectKey) {
        self.locked().retain(|_, claim| claim.tenant != *tenant);
    }

    fn take(&self, tenant: &ObjectKey, names: &[Name], recorded: bool) -> Option<ObjectKey> {
        let mut claims = self.locked();
        let other = names.iter().find_map(|name| {
            claims
                .get(name)
                .filter(|had| had.tenant != *tenant && (had.recorded || !recorded))
        });
        if let Some(other) = other {
            return Some(other.tenant.clone());
        }
        for name in names {
            let claim = Claim {
                tenant: tenant.clone(),
                recorded,
            };
            claims.insert(name.clone(), claim);
        }
        None
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Name, Claim>> {
        lock(&self.claims)
    }
}

fn names(store: &ResolvedDataStore, schema: &str, user: &str) -> Vec<Name> {
    let mut endpoints = store.endpoints.clone();
    endpoints.sort();
    let identity = format!("{} {}", store.driver.as_str(), endpoints.join(","));
    // NATS has one user for all, whatever the tenant's name for it: it takes one tenant.
    let user = if store.driver == Driver::Nats {
        ""
    } else {
        user
    };
    vec![
        (identity.clone(), "schema", schema.to_owned()),
        (identity, "user", user.to_owned()),
    ]
}

#[cfg(test)]
mod tests;
