//! What is to be done when a tenant is deleted, and in which order?
//! (management-cluster specification 3.4; tenant-cluster specification 1.9)
//!
//! First the data, exactly the tenant's own; then the finalizer of the Secret that says where it
//! was; last the tenant's finalizers. A crash anywhere in between is resumed, since the tenant is
//! still there. Everything else goes by its owner reference.

use kamaji_api::{condition::ConditionType, labels};

use super::Wait;
use crate::{
    binding::{self, Binding},
    object::{Kind, Object, ObjectRef},
    snapshot::Snapshot,
    store::Store,
    tenant::Tenant,
};

/// What is left to do for a tenant that is being deleted.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// Datastores to clear of the tenant.
    pub unbind: Vec<(Store, Binding)>,
    /// The datastore-config Secret without its finalizer, where it is still there.
    pub release: Option<Object>,
    /// The finalizers that stay, those of others.
    pub finalizers: Vec<String>,
}

/// Plans the deletion of `tenant`, or says what it waits for.
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

fn unbind(tenant: &Tenant, snapshot: &Snapshot) -> Result<Vec<(Store, Binding)>, Wait> {
    let wait = |reason, why: String| Wait {
        condition: ConditionType::DataStoreReady,
        reason,
        message: format!(
            "the deletion waits, since the tenant's data cannot be removed: {why}. It goes on by itself once the datastore is back"
        ),
    };
    let store = snapshot
        .store
        .as_ref()
        .map_err(|e| wait(e.reason(), e.to_string()))?;
    let overrides = snapshot
        .overrides
        .as_ref()
        .map_err(|e| wait(e.reason(), e.to_string()))?;
    Ok(std::iter::once(store)
        .chain(overrides.iter().map(|(_, store)| store))
        .map(|store| {
            (
                store.clone(),
                binding::bind(tenant, store, None, &snapshot.seed),
            )
        })
        .collect())
}

/// Server-side apply without the finalizer that we once applied takes it away.
fn release(tenant: &Tenant, snapshot: &Snapshot) -> Option<Object> {
    let name = tenant.names.datastore_config();
    let live = snapshot.secrets.get(&name)?;
    live.metadata
        .finalizers
        .as_ref()
        .filter(|f| !f.is_empty())?;
    Some(Object {
        key: ObjectRef::namespaced(Kind::Secret, &tenant.namespace, &name),
        uid: live.metadata.uid.clone(),
        ..Object::from_value(serde_json::json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": live.type_,
            // All else stays as it is, its owner above all: with the owner it goes.
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
