//! Migration of a tenant's data to another DataStore, decided from what the status records and the spec asks for.
//!
//! [`wanted`] reads from the spec what is to move: the whole data, or that of single resources, which is the change of
//! an override. [`decide`] says what to do next, [`record`] has the transitions, [`route`] the pairs between which data
//! moves, and [`ends`] the names that a tenant has at both. The operator carries it out, and records each transition in the status
//! before the next one. One status patch is the cut ([`record::cut`]): before it the source is in force, after it the
//! target. A process that starts finds a copy that was not cut, lifts a fence first, and begins anew.

pub mod ends;
mod options;
pub mod record;
pub mod route;

use std::collections::BTreeMap;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kamaji_api::{
    datastore::Driver,
    labels,
    tenant::{
        FormerStorageStatus, MigrationPhase, StorageMigrationStatus, StorageStatus,
        TenantControlPlane,
    },
};

use crate::{
    binding::data_stores,
    data_store::ResolvedDataStore,
    snapshot::{Snapshot, StoreWait},
};

pub use crate::binding::change::{Change, ChangeRefusal, set_up, wanted};
pub use options::Options;
use record::{MOST_FORMER, Request};
pub use route::Refusal;

/// DataStores with their references resolved, or why they cannot be used, by name.
pub type Stores = BTreeMap<String, Result<ResolvedDataStore, StoreWait>>;

/// Facts that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The tenant as the API server served it.
    pub object: &'a TenantControlPlane,
    /// The DataStore in force.
    pub source: &'a Result<ResolvedDataStore, StoreWait>,
    /// DataStores of single resources.
    pub overrides: &'a Result<Vec<(String, ResolvedDataStore)>, StoreWait>,
    /// DataStores that are not in force.
    pub further: &'a Stores,
    /// Time of the decision.
    pub now: Timestamp,
}

impl<'a> View<'a> {
    /// The facts of a snapshot.
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            object: &snapshot.object,
            source: &snapshot.store,
            overrides: &snapshot.overrides,
            further: &snapshot.further,
            now: snapshot.now,
        }
    }
}

/// The next thing to do about a tenant's migration.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// No action: no migration is asked for, or the pods change over to the target.
    Idle,
    /// Data cannot move as the spec asks.
    Refused(Refusal),
    /// A DataStore cannot be used now.
    Blocked(StoreWait),
    /// The next attempt is due at this time.
    Wait(Timestamp),
    /// Every attempt failed: another begins with another spec, or another time limit.
    GivenUp,
    /// Copy from nothing, with this record.
    Begin(Box<StorageMigrationStatus>),
    /// Lift the fence of an attempt that has ended, or whose process did.
    Lift(Box<StorageMigrationStatus>),
    /// Lift a fence, remove the copy, and drop the record.
    RollBack(Box<StorageMigrationStatus>),
    /// Drop a record that contradicts the rest of the status, and touch no data.
    Discard,
    /// Remove what is left in a DataStore that the data has left.
    Release(FormerStorageStatus),
}

/// True if there may be something to decide: cheap, for every tenant.
pub fn concerns(object: &TenantControlPlane) -> bool {
    let recorded = set_up(object).is_some_and(|storage| storage.migration.is_some());
    recorded || wanted(object).is_some() || released(object).is_some()
}

/// True while the status records that a migration has taken the right to write.
pub fn is_fenced(object: &TenantControlPlane) -> bool {
    let record = set_up(object).and_then(|storage| storage.migration.as_ref());
    record.is_some_and(|record| record.fence.is_some() && record.phase != MigrationPhase::Switched)
}

/// Decides about one tenant, at whose migration nothing works now; while an attempt is under way, a plan reports by this.
pub fn decide(view: &View<'_>) -> Decision {
    let Some(storage) = set_up(view.object) else {
        return Decision::Idle;
    };
    let change = wanted(view.object);
    if let Some(record) = &storage.migration {
        let left = change != Some(Ok(Change::of(record)));
        if !record::fits(record, storage) {
            return Decision::Discard;
        }
        if record.phase == MigrationPhase::Switched {
            return Decision::Idle;
        }
        if left || record.phase == MigrationPhase::RollingBack {
            return Decision::RollBack(Box::new(record.clone()));
        }
        // No attempt is under way that has set it: nothing that keeps the next one from its beginning keeps the fence.
        if record.fence.is_some() {
            return Decision::Lift(Box::new(record.clone()));
        }
    }
    match change {
        Some(Ok(change)) => begin(view, storage, &change),
        Some(Err(refusal)) => Decision::Refused(Refusal::Change(refusal)),
        None => {
            released(view.object).map_or(Decision::Idle, |former| Decision::Release(former.clone()))
        }
    }
}

fn begin(view: &View<'_>, storage: &StorageStatus, change: &Change) -> Decision {
    let options = match Options::of(view.object) {
        Ok(options) => options,
        Err(problem) => return Decision::Refused(Refusal::Options(problem)),
    };
    let before = storage.migration.as_ref();
    let generation = view.object.metadata.generation;
    let same = before.filter(|before| before.generation == generation);
    if let Some(pause) = same.and_then(|before| pause(before, options, view.now)) {
        return pause;
    }
    if let Some(stop) = obstacle(view, storage, change) {
        return stop;
    }
    let request = Request {
        change,
        generation,
        now: view.now,
    };
    Decision::Begin(Box::new(record::begin(request, options, before)))
}

/// The decision that keeps a failed migration from its next attempt.
fn pause(before: &StorageMigrationStatus, options: Options, now: Timestamp) -> Option<Decision> {
    if before.phase != MigrationPhase::Failed {
        return None;
    }
    match &before.retry_at {
        Some(Time(at)) if *at > now => Some(Decision::Wait(*at)),
        Some(_) => None,
        None => {
            let started = before
                .started_at
                .as_ref()
                .map(|Time(at)| *at + options.timeout);
            let same_limit = started == before.deadline.as_ref().map(|Time(at)| *at);
            same_limit.then_some(Decision::GivenUp)
        }
    }
}

impl View<'_> {
    /// The DataStore `name`, which may be in force, or not.
    fn store(&self, name: &str) -> Result<ResolvedDataStore, StoreWait> {
        let overrides = self.overrides.iter().flatten();
        let in_force = overrides.map(|(_, store)| store).chain(self.source);
        let mut in_force = in_force.filter(|store| store.name == name);
        match (in_force.next(), self.further.get(name)) {
            (Some(store), _) => Ok(store.clone()),
            (None, Some(found)) => found.clone(),
            (None, None) => Err(StoreWait::Missing(name.to_owned())),
        }
    }
}

/// The decision that keeps a change from beginning.
fn obstacle(view: &View<'_>, storage: &StorageStatus, change: &Change) -> Option<Decision> {
    let refused = |refusal| Some(Decision::Refused(refusal));
    let annotations = view.object.metadata.annotations.as_ref();
    if annotations.is_some_and(|all| all.contains_key(labels::RESTORING)) {
        return refused(Refusal::Restoring);
    }
    let former = storage.former.as_deref().unwrap_or_default();
    let known = former.iter().any(|had| had.data_store == change.target);
    let leaves = !change.leaves_rest_at_source(storage);
    if former.len() >= MOST_FORMER && leaves && !known {
        return refused(Refusal::Former(former.len()));
    }
    let (main, items) = match (view.source, view.overrides) {
        (Ok(main), Ok(items)) => (main, items),
        (Err(wait), _) | (_, Err(wait)) => return Some(Decision::Blocked(wait.clone())),
    };
    let (source, target) = match (view.store(&change.source), view.store(&change.target)) {
        (Ok(source), Ok(target)) => (source, target),
        (Err(wait), _) | (_, Err(wait)) => return Some(Decision::Blocked(wait)),
    };
    let in_force = route::InForce { main, items };
    if change.is_whole() {
        return route::check_whole(&source, &target, in_force)
            .err()
            .and_then(refused);
    }
    if target.driver != Driver::Etcd {
        return Some(Decision::Blocked(StoreWait::OverrideDriver(target.name)));
    }
    route::check_part(&source, &target, in_force)
        .err()
        .and_then(refused)
}

/// The former DataStore that the annotation names; `None` while it is in force, or the target of a migration.
fn released(object: &TenantControlPlane) -> Option<&FormerStorageStatus> {
    let annotations = object.metadata.annotations.as_ref()?;
    let named = annotations.get(labels::RELEASE_MIGRATION_SOURCE)?;
    let storage = set_up(object)?;
    let busy = storage.migration.is_some();
    let in_force = data_stores::all(object, None)
        .iter()
        .any(|name| name == named);
    let mut former = storage.former.iter().flatten();
    former
        .find(|had| had.data_store == *named)
        .filter(|_| !busy && !in_force)
}

#[cfg(test)]
mod tests;
