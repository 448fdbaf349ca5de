//! Names in datastores that tenants of this management cluster have, so that most conflicts cost no
//! request. What decides is the record in the datastore itself.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use kamaji_api::{datastore::Driver, tenant::TenantControlPlane};
use kamaji_core::{
    binding::{Binding, overrides},
    store::Store,
};

use kamaji_shell::ObjectKey;

/// Store, what kind of name, name. Two DataStores for one database are one store.
type Name = (String, &'static str, String);

#[derive(Clone, Debug)]
struct Claim {
    tenant: ObjectKey,
    /// True if the tenant's status says so.
    recorded: bool,
}

/// Who has claimed what.
#[derive(Debug, Default)]
pub struct Claims {
    claims: Mutex<HashMap<Name, Claim>>,
}

impl Claims {
    /// Claims the names of `binding` for `tenant`; the tenant that has one of them, if another has.
    pub fn claim(&self, tenant: &ObjectKey, store: &Store, binding: &Binding) -> Option<ObjectKey> {
        let names = names(store, &binding.schema, &binding.user);
        self.take(tenant, &names, binding.recorded)
    }

    /// Claims what the status of `tenant` records in `store`, if it does.
    pub fn recall(&self, tenant: &ObjectKey, store: &Store, object: &TenantControlPlane) {
        let storage = object.status.as_ref().and_then(|s| s.storage.as_ref());
        let Some(storage) = storage else { return };
        let Some(setup) = &storage.setup else { return };
        let here = storage.data_store_name.as_ref() == Some(&store.name)
            || overrides::effective(object)
                .iter()
                .any(|(_, name)| *name == store.name);
        if let (true, Some(schema), Some(user)) = (here, &setup.schema, &setup.user) {
            // Whoever else has recorded them was first; the datastore knows.
            self.take(tenant, &names(store, schema, user), true);
        }
    }

    /// Nothing is known of `tenant` any more.
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
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names(store: &Store, schema: &str, user: &str) -> Vec<Name> {
    let mut endpoints = store.endpoints.clone();
    endpoints.sort();
    let identity = format!("{} {}", store.driver.as_str(), endpoints.join(","));
    let mut names = vec![(identity.clone(), "schema", schema.to_owned())];
    // NATS has one user for all.
    if store.driver != Driver::Nats {
        names.push((identity, "user", user.to_owned()));
    }
    names
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
