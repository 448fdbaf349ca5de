//! Ends of a migration without a cut: roll-back, removal of a former source, and a record that is wrong.

use kamaji_api::{
    condition::Reason,
    labels,
    tenant::{
        FormerStorageStatus, MigrationPhase, StorageMigrationStatus, StorageStatus,
        TenantControlPlane,
    },
};
use kamaji_core::migration::{self, Change, ends};
use kamaji_shell::ObjectKey;

use super::{
    leftover::{Kept, Leftover, copy_end, existing, remove},
    outcome::{Stop, failed, publish, warn},
    records::{storage_of, with},
    source::{lift, observed},
    update::{Until, update},
};
use crate::{context::Context, observe::store_names};

/// Aborts a migration: lifts a fence, removes the copy, and drops the record. Each step may be repeated.
pub(super) async fn roll_back(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    record: &StorageMigrationStatus,
) -> Result<(), Stop> {
    let (target, change) = (record.target.as_str(), Change::of(record));
    let object = update(context, object, Until::Tried, |_, storage| {
        with_phase(storage, &change, MigrationPhase::RollingBack)
    })
    .await?;
    let (tenant, snapshot) = observed(context, key, &object).await?;
    let source = ends::source(&tenant, &snapshot, &change).map_err(failed)?;
    let object = lift(context, key, &object, &source).await?;
    let live = storage_of(&object).and_then(|storage| storage.migration.as_ref());
    let record = live.unwrap_or(record);
    let leftover = Leftover {
        record,
        end: copy_end(context, key, (&tenant, &snapshot), record)?,
        in_force: ends::in_force(&tenant, &snapshot).map_err(failed)?,
    };
    let kept = Box::pin(leftover.remove(context, key, &object)).await?;
    let object = update(context, &object, Until::Tried, |_, storage| {
        let of_this = storage
            .migration
            .as_ref()
            .filter(|now| Change::of(now) == change);
        of_this.map(|now| StorageStatus {
            former: without(
                storage,
                target,
                now.prepared && kept.is_none() && !change.joins_rest_at_target(storage),
            ),
            migration: None,
            ..storage.clone()
        })
    })
    .await?;
    hold_in_force(context, key, &object);
    context.metrics.migrations.end("aborted");
    let rest = match kept {
        None => "its copy there is removed".to_owned(),
        Some(Kept(why)) => format!("nothing is removed there: {why}"),
    };
    let note = format!(
        "the migration of {} to the DataStore {target} was aborted, and {rest}",
        change.subject()
    );
    publish(context, &object, Reason::MigrationAborted, note).await;
    Ok(())
}

/// Records what keeps a roll-back from its end; a status that cannot be written is logged with it.
pub(super) async fn report(
    context: &Context,
    object: &TenantControlPlane,
    (target, why): (&str, &str),
) {
    let reported = update(context, object, Until::Tried, |_, storage| {
        let now = storage.migration.as_ref()?;
        let same = now.target == target && now.phase == MigrationPhase::RollingBack;
        same.then(|| with(storage, migration::record::held_up(now, why)))
    });
    if let Err(Stop::Failed(problem)) = reported.await {
        tracing::debug!("the cause of a delay is not in the status: {problem}");
    }
}

fn with_phase(
    storage: &StorageStatus,
    change: &Change,
    phase: MigrationPhase,
) -> Option<StorageStatus> {
    let record = storage.migration.as_ref()?;
    let open = Change::of(record) == *change && record.phase != MigrationPhase::Switched;
    (open && migration::record::fits(record, storage)).then(|| StorageStatus {
        migration: Some(StorageMigrationStatus {
            phase,
            ..record.clone()
        }),
        ..storage.clone()
    })
}

/// Holds the DataStores in force and no other, so that the one that the data has left can be deleted. What cannot be
/// held now is by the tenant's next binding.
fn hold_in_force(context: &Context, key: &ObjectKey, object: &TenantControlPlane) {
    let held = context.stores.hold(key, store_names(context, object));
    if let Err(wait) = held {
        tracing::debug!(tenant = %key, "its DataStores are not held yet: {wait}");
    }
}

/// The former DataStores without one whose data was removed.
fn without(storage: &StorageStatus, name: &str, removed: bool) -> Option<Vec<FormerStorageStatus>> {
    let mut former = storage.former.clone()?;
    former.retain(|had| !removed || had.data_store != name);
    Some(former).filter(|former| !former.is_empty())
}

/// Removes what the tenant left in a former DataStore, as its annotation asks.
pub(super) async fn release(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    former: &FormerStorageStatus,
) -> Result<(), Stop> {
    let name = former.data_store.as_str();
    let (tenant, snapshot) = observed(context, key, object).await?;
    let end = existing(ends::former_end(&tenant, &snapshot, name))?;
    let in_force = ends::in_force(&tenant, &snapshot).map_err(failed)?;
    let kept = match &end {
        Some(end) => Box::pin(remove(context, key, (end, &in_force))).await?,
        None => None,
    };
    let mut object = object.clone();
    if kept.is_none() {
        object = update(context, &object, Until::Tried, |_, storage| {
            Some(StorageStatus {
                former: without(storage, name, true),
                ..storage.clone()
            })
        })
        .await?;
        hold_in_force(context, key, &object);
    }
    let annotation = labels::RELEASE_MIGRATION_SOURCE;
    let done = context.writer.remove_annotation(&object, annotation).await;
    done.map_err(failed)?;
    match kept {
        None => {
            let note = format!("what the tenant had left in the DataStore {name} is removed");
            publish(context, &object, Reason::MigrationSourceReleased, note).await;
        }
        Some(Kept(why)) => {
            let note = format!("nothing was removed from the DataStore {name}: {why}");
            warn(context, &object, Reason::DataStoreLeft, note).await;
        }
    }
    Ok(())
}

/// Lifts the fence of an attempt that has ended, or whose process did. The status says first that nothing is about to be
/// cut, so that a cut which is still on its way comes to nothing.
pub(super) async fn lift_fence(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    record: &StorageMigrationStatus,
) -> Result<(), Stop> {
    let change = Change::of(record);
    let object = update(context, object, Until::Tried, |_, storage| {
        let now = storage.migration.as_ref()?;
        if now.phase == MigrationPhase::Fenced {
            return with_phase(storage, &change, MigrationPhase::Copying);
        }
        Some(storage.clone())
    })
    .await?;
    let (tenant, snapshot) = observed(context, key, &object).await?;
    let source = ends::source(&tenant, &snapshot, &change).map_err(failed)?;
    lift(context, key, &object, &source).await.map(drop)
}

/// Drops a record that contradicts the rest of the status: its DataStores are not asked for anything.
pub(super) async fn discard(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
) -> Result<(), Stop> {
    tracing::warn!(tenant = %key, "status.storage.migration does not fit the tenant's data and is dropped");
    let dropped = update(context, object, Until::Tried, |_, storage| {
        let wrong = storage.migration.as_ref();
        let wrong = wrong.is_some_and(|record| !migration::record::fits(record, storage));
        wrong.then(|| StorageStatus {
            migration: None,
            ..storage.clone()
        })
    });
    dropped.await.map(drop)
}
