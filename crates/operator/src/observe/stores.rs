//! DataStores of one tenant: those in force, and those that hold data of it besides.

use kamaji_api::{datastore::Driver, labels, tenant::TenantControlPlane};
use kamaji_core::{
    binding::{data_stores, overrides},
    data_store::ResolvedDataStore,
    migration,
    snapshot::StoreWait,
};

use crate::context::Context;

/// The recorded DataStore, else that of the spec: data is not moved.
pub fn store(
    context: &Context,
    object: &TenantControlPlane,
) -> Result<ResolvedDataStore, StoreWait> {
    let names = store_names(context, object);
    let name = names.first().ok_or(StoreWait::Unnamed)?;
    let mut finalizers = object.metadata.finalizers.iter().flatten();
    let leaving = context
        .data_stores
        .get(name)
        .is_some_and(|store| store.metadata.deletion_timestamp.is_some());
    // A new tenant would block the deletion of the DataStore.
    if leaving && !finalizers.any(|f| f == labels::FINALIZER) {
        return Err(StoreWait::Leaving(name.clone()));
    }
    context.stores.get(name)
}

/// The DataStore of a tenant, and then those of its overrides.
pub fn store_names(context: &Context, object: &TenantControlPlane) -> Vec<String> {
    let default = context.settings.core.default_data_store.as_deref();
    data_stores::all(object, default)
}

/// The DataStores of [`store_names`], and those that hold data of a tenant, or are about to, without being in force.
pub fn holding_names(context: &Context, object: &TenantControlPlane) -> Vec<String> {
    let default = context.settings.core.default_data_store.as_deref();
    data_stores::holding(object, default)
}

/// DataStores that are not in force. One that data is to move to must have passed its last check.
pub fn further_stores(context: &Context, object: &TenantControlPlane) -> migration::Stores {
    let default = context.settings.core.default_data_store.as_deref();
    let wanted = migration::wanted(object).and_then(Result::ok);
    let wanted = wanted.map(|change| change.target);
    let resolve = |name: &String| {
        let store = context.stores.get(name)?;
        if wanted.as_ref() != Some(name) {
            return Ok(store);
        }
        let live = context.data_stores.get(name);
        if live.is_some_and(|live| live.metadata.deletion_timestamp.is_some()) {
            return Err(StoreWait::Leaving(name.clone()));
        }
        match context.stores.fault(name) {
            Some(fault) => Err(StoreWait::NotReady {
                name: name.clone(),
                why: fault.message,
            }),
            None => Ok(store),
        }
    };
    let names = data_stores::further(object, default).into_iter();
    names.map(|name| (name.clone(), resolve(&name))).collect()
}

/// DataStores of single resources, by resource prefix.
pub fn override_stores(
    context: &Context,
    object: &TenantControlPlane,
) -> Result<Vec<(String, ResolvedDataStore)>, StoreWait> {
    overrides::effective(object)
        .into_iter()
        .map(|(resource, name)| {
            let store = context.stores.get(&name)?;
            if store.driver != Driver::Etcd {
                return Err(StoreWait::OverrideDriver(name));
            }
            Ok((resource, store))
        })
        .collect()
}
