//! The end that holds the data: its right to write is given back only by a status that was read anew.

use std::sync::Arc;

use futures::future::BoxFuture;
use kamaji_api::tenant::{MigrationPhase, StorageMigrationStatus, TenantControlPlane};
use kamaji_core::{
    binding::{Access, Binding, data_stores},
    data_store::ResolvedDataStore,
    migration::{Change, ends::End, record},
    snapshot::Snapshot,
    tenant::Tenant,
};
use kamaji_shell::ObjectKey;
use kube::Api;

use super::{
    outcome::{Stop, failed},
    records::{storage_of, with},
    update::{Until, update},
};
use crate::{context::Context, failure::Failure, observe};

/// The tenant, parsed, with what its bindings depend on.
pub(super) async fn observed(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
) -> Result<(Tenant, Snapshot), Stop> {
    let object = Arc::new(object.clone());
    let snapshot = Box::pin(observe::snapshot(context, key, &object)).await;
    let snapshot = snapshot.map_err(|failure| Stop::Failed(failure.message))?;
    let tenant = Tenant::parse(&snapshot.object).map_err(failed)?;
    Ok((tenant, snapshot))
}

/// Lifts the fence that the status records, if there is one, and records that it is lifted. The status is read anew
/// before: a fence of another attempt, and one after the cut, stay.
pub(super) fn lift<'a>(
    context: &'a Context,
    key: &'a ObjectKey,
    object: &'a TenantControlPlane,
    source: &'a End,
) -> BoxFuture<'a, Result<TenantControlPlane, Stop>> {
    Box::pin(async move {
        let name = source.store.name.as_str();
        let object = update(context, object, Until::Tried, |_, storage| {
            let in_force = if source.binding.part.is_empty() {
                storage.data_store_name.as_deref() == Some(name)
            } else {
                // Of single resources, the record says where they are.
                let moving = storage.migration.as_ref();
                let moving = moving.filter(|now| now.phase != MigrationPhase::Switched);
                moving.is_some_and(|now| {
                    now.source == name && record::fits(now, storage) && is_of(now, source)
                })
            };
            in_force.then(|| storage.clone())
        })
        .await?;
        let Some(id) = fence_of(&object) else {
            let lifted = Box::pin(context.databases.lift(key, source, None)).await;
            return lifted.map(|()| object).map_err(failed);
        };
        let lifted = Box::pin(context.databases.lift(key, source, Some(&id))).await;
        lifted.map_err(failed)?;
        update(context, &object, Until::Tried, |_, storage| {
            let now = storage.migration.as_ref()?;
            let same = now.fence.as_ref() == Some(&id);
            let next = if same {
                record::lifted(now)
            } else {
                now.clone()
            };
            Some(with(storage, next))
        })
        .await
    })
}

/// True if the record is about the resources of `source`.
fn is_of(now: &StorageMigrationStatus, source: &End) -> bool {
    let prefixes = Change::of(now).prefixes();
    prefixes.is_ok_and(|prefixes| prefixes == source.binding.part)
}

fn fence_of(object: &TenantControlPlane) -> Option<String> {
    storage_of(object)?.migration.as_ref()?.fence.clone()
}

/// Fails unless this replica leads and the status, read anew, gives the tenant exactly the rights of `binding` in
/// `store`: a plan that was made before a fence or a cut must not undo it, nor one before a lift take them again.
pub async fn confirm(
    context: &Context,
    key: &ObjectKey,
    store: &ResolvedDataStore,
    binding: &Binding,
) -> Result<(), Failure> {
    let api: Api<TenantControlPlane> = Api::namespaced(context.client.clone(), &key.namespace);
    context
        .metrics
        .counters
        .request("get", "tenantcontrolplanes");
    let found = api.get_opt(&key.name).await;
    let found = found.map_err(|error| Failure::reading(key, "the TenantControlPlane", &error))?;
    let default = context.settings.core.default_data_store.as_deref();
    let gives = |live: TenantControlPlane| gives(&live, binding, (&store.name, default));
    if found.is_some_and(gives) && context.writer.is_leading() {
        return Ok(());
    }
    Err(Failure::superseded(key, &store.name))
}

/// True if the tenant as it is now has the rights of `binding` in the DataStore `name`, no more and no less.
fn gives(
    live: &TenantControlPlane,
    binding: &Binding,
    (name, default): (&str, Option<&str>),
) -> bool {
    let may_write = data_stores::may_write(live, default, name);
    live.metadata.uid.as_ref() == Some(&binding.owner.tenant)
        && may_write == (binding.access == Access::ReadWrite)
}

#[cfg(test)]
mod tests;
