//! Removal of what a tenant has at a DataStore that a status calls not in force.
//!
//! A status may be made up, and a DataStore can lead to a server that another one leads to, too. So nothing is removed
//! before a probe has shown that no DataStore in force is the same server; whether the names are the tenant's, the
//! datastore's own record says when they are removed.

use kamaji_api::tenant::{StorageMigrationStatus, TenantControlPlane};
use kamaji_core::{
    migration::{
        Change,
        ends::{self, End, EndError},
    },
    snapshot::{Snapshot, StoreWait},
    tenant::Tenant,
};
use kamaji_shell::ObjectKey;

use super::{
    apart,
    outcome::{Stop, failed},
    records::storage_of,
};
use crate::{context::Context, databases::Removal};

/// Reason for which what is at a DataStore was not removed.
#[derive(Debug)]
pub(super) struct Kept(pub(super) String);

/// Data and names that an aborted migration has left at its target.
#[derive(Debug)]
pub(super) struct Leftover<'a> {
    /// Record of the migration.
    pub(super) record: &'a StorageMigrationStatus,
    /// The target, if there may be anything of the tenant's.
    pub(super) end: Option<End>,
    /// Ends that hold the tenant's data.
    pub(super) in_force: Vec<End>,
}

impl Leftover<'_> {
    /// Removes the copy. Before it was recorded as one, only names without keys are removed: what the tenant left there
    /// before is deleted by its word alone.
    pub(super) async fn remove(
        &self,
        context: &Context,
        key: &ObjectKey,
        object: &TenantControlPlane,
    ) -> Result<Option<Kept>, Stop> {
        let Some(end) = &self.end else {
            return Ok(None);
        };
        let mut kept = require_apart(context, end, &self.in_force).await?;
        if kept.is_none() && !self.record.prepared {
            kept = Box::pin(require_unused(context, key, (object, end))).await?;
        }
        match kept {
            None => clear(context, key, end).await,
            kept => Ok(kept),
        }
    }
}

/// The target of a migration, if there may be anything of the tenant's: from before its names were claimed there.
pub(super) fn copy_end(
    context: &Context,
    key: &ObjectKey,
    (tenant, snapshot): (&Tenant, &Snapshot),
    record: &StorageMigrationStatus,
) -> Result<Option<End>, Stop> {
    let (change, name) = (Change::of(record), record.target.as_str());
    let ensured = context.databases.tenancy(key, name).is_some();
    if !(record.claimed || record.prepared || ensured) {
        return Ok(None);
    }
    if change.is_whole() {
        return existing(ends::former_end(tenant, snapshot, name));
    }
    match ends::target(tenant, snapshot, &change) {
        Ok(end) => Ok(Some(end)),
        Err(EndError::Store(wait)) => existing(Err(wait)),
        // Nothing is copied to such an end.
        Err(_) => Ok(None),
    }
}

/// The end, if its DataStore exists.
pub(super) fn existing(end: Result<Option<End>, StoreWait>) -> Result<Option<End>, Stop> {
    match end {
        Err(StoreWait::Missing(_)) => Ok(None),
        other => other.map_err(failed),
    }
}

/// Removes what the tenant has at an end, unless that is the server of one of `in_force`.
pub(super) async fn remove(
    context: &Context,
    key: &ObjectKey,
    (end, in_force): (&End, &[End]),
) -> Result<Option<Kept>, Stop> {
    match require_apart(context, end, in_force).await? {
        None => clear(context, key, end).await,
        kept => Ok(kept),
    }
}

async fn require_apart(
    context: &Context,
    end: &End,
    in_force: &[End],
) -> Result<Option<Kept>, Stop> {
    let own = Box::pin(apart::in_force_at(&context.databases, end, in_force)).await?;
    Ok(own.map(|own| {
        Kept(format!(
            "it is the server of the DataStore {own}, which holds the tenant's data"
        ))
    }))
}

async fn require_unused(
    context: &Context,
    key: &ObjectKey,
    (object, end): (&TenantControlPlane, &End),
) -> Result<Option<Kept>, Stop> {
    let storage = storage_of(object);
    let mut former = storage
        .and_then(|storage| storage.former.as_deref())
        .into_iter()
        .flatten();
    if end.stays || former.any(|had| had.data_store == end.store.name) {
        return Ok(Some(Kept("the tenant had it before".to_owned())));
    }
    match context.databases.count(key, end).await {
        Ok(0) => Ok(None),
        Ok(keys) => Ok(Some(Kept(format!(
            "the tenant had {keys} keys there before"
        )))),
        // Nothing was claimed of another's.
        Err(error) if error.is_refusal() => Ok(Some(Kept(error.to_string()))),
        Err(error) => Err(failed(error)),
    }
}

/// Removes the tenant's data at an end by its owner record.
async fn clear(context: &Context, key: &ObjectKey, end: &End) -> Result<Option<Kept>, Stop> {
    let (databases, store) = (&context.databases, &end.store);
    let removed = databases.remove(key, store, &end.removal()).await;
    Ok(match removed.map_err(failed)? {
        Removal::Done => None,
        Removal::Left(why) => Some(Kept(why)),
    })
}
