//! Plans the deletion of a tenant: its steps and their order.
//!
//! First the tenant's data is removed from its datastores, then the finalizer of the Secret that records the
//! binding, and last the tenant's finalizers. A crash between two steps is resumed, since the tenant still
//! exists. Everything else is garbage collected by its owner reference.

use kamaji_api::{condition::ConditionType, labels};

use super::types::Wait;
use crate::{
    binding::{self, Binding},
    data_store::ResolvedDataStore,
    migration::ends,
    object::{Intent, Kind, Object, ObjectRef, Version},
    secret_role::SecretRole,
    snapshot::{Snapshot, StoreWait},
    tenant::Tenant,
};

/// Steps that remain for a tenant that is being deleted.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// Datastores to clear of the tenant.
    pub unbind: Vec<(ResolvedDataStore, Binding)>,
    /// The datastore-config Secret without its finalizer; `None` once it has none.
    pub release: Option<Object>,
    /// Finalizers of other controllers, which remain.
    pub finalizers: Vec<String>,
}

/// Plans the deletion of `tenant`; the error is what the deletion waits for.
pub fn deletion(tenant: &Tenant, snapshot: &Snapshot) -> Result<Deletion, Wait> {
    let live = snapshot
        .object
        .metadata
        .finalizers
        .clone()
        .unwrap_or_default();
    let bound = live.iter().any(|f| f == labels::FINALIZER);
    let finalizers = live
        .into_iter()
        .filter(|f| f != labels::FINALIZER && f != labels::SOOT_FINALIZER)
        .collect();
    let unbind = if bound {
        unbind(tenant, snapshot)?
    } else {
        Vec::new()
    };
    Ok(Deletion {
        unbind,
        release: release(tenant, snapshot),
        finalizers,
    })
}

fn unbind(tenant: &Tenant, snapshot: &Snapshot) -> Result<Vec<(ResolvedDataStore, Binding)>, Wait> {
    let wait = |reason, why: String| Wait {
        condition: ConditionType::DataStoreReady,
        reason,
        message: format!(
            "the deletion waits, since the tenant's data cannot be removed: {why}. It goes on by itself once the datastore is back"
        ),
    };
    let set_up = tenant
        .status
        .storage
        .as_ref()
        .and_then(|s| s.setup.as_ref());
    let overrides = snapshot.overrides.as_ref().map(Vec::as_slice);
    let others: Vec<&ResolvedDataStore> = match overrides {
        Ok(overrides) => overrides.iter().map(|(_, store)| store).collect(),
        Err(StoreWait::Missing(_) | StoreWait::OverrideDriver(_)) if set_up.is_none() => Vec::new(),
        Err(e) => return Err(wait(e.reason(), e.to_string())),
    };
    let store = match &snapshot.store {
        Ok(store) => Some(store),
        // No setup was ever recorded, and no datastore exists to clear.
        Err(StoreWait::Missing(_) | StoreWait::Unnamed) if set_up.is_none() => None,
        Err(e) => return Err(wait(e.reason(), e.to_string())),
    };
    // A tenant whose name was refused was never bound.
    let mut unbind: Vec<_> = store
        .into_iter()
        .chain(others)
        .filter_map(|store| {
            let binding = binding::bind(tenant, store, None, snapshot).ok()?;
            Some((store.clone(), binding))
        })
        .collect();
    for name in left_behind(tenant) {
        match ends::former_end(tenant, snapshot, name) {
            Ok(end) => unbind.extend(end.map(|end| (end.store, end.binding))),
            // A DataStore that does not exist any more cannot be cleared.
            Err(StoreWait::Missing(_)) => {}
            Err(e) => return Err(wait(e.reason(), e.to_string())),
        }
    }
    Ok(unbind)
}

/// DataStores that are not in force and hold data of the tenant: those that it left, and one where its names were claimed
/// for a copy.
fn left_behind(tenant: &Tenant) -> Vec<&str> {
    let Some(storage) = tenant.status.storage.as_ref() else {
        return Vec::new();
    };
    let is_override = |name: &str| {
        let mut overrides = storage.overrides.iter().flatten();
        overrides.any(|item| item.data_store == name)
    };
    let begun = storage.migration.as_ref();
    let begun = begun.filter(|record| record.claimed || record.prepared);
    let former = storage.former.iter().flatten();
    let mut names: Vec<&str> = former
        .map(|had| had.data_store.as_str())
        .chain(begun.map(|record| record.target.as_str()))
        .filter(|name| Some(*name) != storage.data_store_name.as_deref())
        .filter(|name| !is_override(name))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Server-side apply without the finalizer that the operator applied earlier removes it, and upstream's as
/// well once its fields are taken over.
fn release(tenant: &Tenant, snapshot: &Snapshot) -> Option<Object> {
    let name = tenant.names.secret(SecretRole::DatastoreConfig);
    let live = snapshot.secrets.get(&name)?;
    live.metadata
        .finalizers
        .as_ref()
        .filter(|f| !f.is_empty())?;
    Some(Object {
        key: ObjectRef::namespaced(Kind::Secret, &tenant.namespace, &name),
        intent: Intent::Adopt(Version::of(&live.metadata)),
        ..Object::from_value(serde_json::json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": live.type_,
            // Everything else is unchanged. The owner matters most: garbage collection goes by it.
            "metadata": {
                "name": name,
                "namespace": tenant.namespace,
                "labels": live.metadata.labels,
                "annotations": live.metadata.annotations,
                "ownerReferences": live.metadata.owner_references,
            },
            "data": live.data,
        }))
    })
}

#[cfg(test)]
mod tests;
