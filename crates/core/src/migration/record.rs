//! Transitions of the migration that a tenant's status records.

use std::time::Duration;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kamaji_api::tenant::{
    FormerStorageStatus, MigrationPhase, MigrationProgress, StorageMigrationStatus,
    StorageOverrideStatus, StorageSetupStatus, StorageStatus,
};

use super::{ends::End, options::Options};
use crate::binding::change::Change;

/// Attempts that follow one another without a change by a person.
pub const MOST_ATTEMPTS: i32 = 5;
/// Shortest and longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(30));
/// Most bytes of a message in the status.
const MESSAGE: usize = 2048;
/// Most former DataStores that a status records.
pub const MOST_FORMER: usize = 8;

/// Names and time of an attempt that is to begin.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Data that is to move.
    pub change: &'a Change,
    /// Generation of the tenant.
    pub generation: Option<i64>,
    /// Time of the decision.
    pub now: Timestamp,
}

/// The record of an attempt that begins, without a fence: one is lifted before. `before` is the record of the last
/// attempt; after a failure it counts as another, after a restart of the operator as the same.
pub fn begin(
    request: Request<'_>,
    options: Options,
    before: Option<&StorageMigrationStatus>,
) -> StorageMigrationStatus {
    let before = before.filter(|before| Change::of(before) == *request.change);
    let continued = before.filter(|before| before.generation == request.generation);
    let continued = continued.filter(|before| !is_given_up(before));
    let failed = continued.is_some_and(|before| before.phase == MigrationPhase::Failed);
    let attempts = continued.map_or(1, |before| {
        before.attempts.clamp(1, MOST_ATTEMPTS) + i32::from(failed)
    });
    let started = continued.and_then(|before| before.started_at.clone());
    let started = started.map_or(request.now, |Time(at)| at.min(request.now));
    StorageMigrationStatus {
        attempts,
        claimed: before.is_some_and(|before| before.claimed),
        deadline: Some(Time(started + options.timeout)),
        fence: None,
        generation: request.generation,
        message: None,
        phase: MigrationPhase::Copying,
        prepared: before.is_some_and(|before| before.prepared),
        progress: None,
        retry_at: None,
        resources: request.change.resources.clone(),
        source: request.change.source.clone(),
        started_at: Some(Time(started)),
        target: request.change.target.clone(),
    }
}

/// True for a failure after which no attempt is due by itself.
pub fn is_given_up(record: &StorageMigrationStatus) -> bool {
    record.phase == MigrationPhase::Failed && record.retry_at.is_none()
}

/// True if the record belongs to the data as the status has it: one that somebody made up, or that is left from
/// before, names another source.
pub fn fits(record: &StorageMigrationStatus, storage: &StorageStatus) -> bool {
    let (source, target) = (Some(record.source.as_str()), Some(record.target.as_str()));
    let is_at = |store: Option<&str>| {
        if record.resources.is_empty() {
            return storage.data_store_name.as_deref() == store;
        }
        let mut resources = record.resources.iter();
        resources.all(|resource| location(storage, resource) == store)
    };
    match record.phase {
        MigrationPhase::Switched => is_at(target),
        _ => is_at(source) && source != target && Change::of(record).prefixes().is_ok(),
    }
}

/// The DataStore that holds `resource`.
fn location<'a>(storage: &'a StorageStatus, resource: &str) -> Option<&'a str> {
    let mut overrides = storage.overrides.iter().flatten();
    let found = overrides.find(|item| item.resource == resource);
    found.map_or(storage.data_store_name.as_deref(), |item| {
        Some(&item.data_store)
    })
}

/// The record with figures of the copy.
pub fn advanced(
    record: &StorageMigrationStatus,
    progress: MigrationProgress,
) -> StorageMigrationStatus {
    StorageMigrationStatus {
        progress: Some(progress),
        ..record.clone()
    }
}

/// The record of an attempt that is about to claim the tenant's names at the target.
pub fn claimed(record: &StorageMigrationStatus) -> StorageMigrationStatus {
    StorageMigrationStatus {
        claimed: true,
        ..record.clone()
    }
}

/// The record once the target holds nothing of the tenant's that may not be deleted.
pub fn prepared(record: &StorageMigrationStatus) -> StorageMigrationStatus {
    StorageMigrationStatus {
        prepared: true,
        ..record.clone()
    }
}

/// The record with the fence `id` at the source, which is to stand from now on.
pub fn fenced(record: &StorageMigrationStatus, id: &str) -> StorageMigrationStatus {
    StorageMigrationStatus {
        fence: Some(id.to_owned()),
        phase: MigrationPhase::Fenced,
        ..record.clone()
    }
}

/// The record after its fence was lifted.
pub fn lifted(record: &StorageMigrationStatus) -> StorageMigrationStatus {
    StorageMigrationStatus {
        fence: None,
        ..record.clone()
    }
}

/// The record of a failed attempt: the next one is due after a pause that doubles, at most [`MOST_ATTEMPTS`] times and
/// not after the deadline.
pub fn failed(
    record: &StorageMigrationStatus,
    why: &str,
    now: Timestamp,
) -> StorageMigrationStatus {
    let attempts = record.attempts.clamp(1, MOST_ATTEMPTS);
    let (shortest, longest) = PAUSES;
    let pause = (shortest * 2_u32.pow(attempts.unsigned_abs() - 1)).min(longest);
    let retry = now + pause;
    let in_time = record
        .deadline
        .as_ref()
        .is_none_or(|Time(end)| retry < *end);
    StorageMigrationStatus {
        message: Some(bounded(why)),
        phase: MigrationPhase::Failed,
        retry_at: (attempts < MOST_ATTEMPTS && in_time).then_some(Time(retry)),
        ..record.clone()
    }
}

/// The record of a migration that is being rolled back, with what keeps that from its end.
pub fn held_up(record: &StorageMigrationStatus, why: &str) -> StorageMigrationStatus {
    StorageMigrationStatus {
        message: Some(bounded(why)),
        phase: MigrationPhase::RollingBack,
        ..record.clone()
    }
}

fn bounded(why: &str) -> String {
    why[..why.floor_char_boundary(MESSAGE)].to_owned()
}

/// True once the time limit has passed.
pub fn is_overdue(record: &StorageMigrationStatus, now: Timestamp) -> bool {
    record
        .deadline
        .as_ref()
        .is_some_and(|Time(end)| *end <= now)
}

/// The storage after the cut: one status patch makes it, after the copy was finished under `fence`. `None` if the
/// storage is not that of a migration to `target` under this fence: under that of another attempt, the tenant wrote what
/// this copy does not have.
pub fn cut(
    storage: &StorageStatus,
    target: &End,
    fence: &str,
    now: Timestamp,
) -> Option<StorageStatus> {
    let record = storage.migration.as_ref()?;
    let fenced = record.phase == MigrationPhase::Fenced && record.fence.as_deref() == Some(fence);
    if !fenced || record.target != target.store.name || !fits(record, storage) {
        return None;
    }
    let setup = storage.setup.clone()?;
    let change = Change::of(record);
    let mut former = storage.former.clone().unwrap_or_default();
    former.retain(|had| had.data_store != record.target && had.data_store != record.source);
    if !change.leaves_rest_at_source(storage) {
        former.push(FormerStorageStatus {
            data_store: record.source.clone(),
            since: Some(Time(now)),
            user: setup.user.clone().unwrap_or_default(),
        });
    }
    let switched = StorageStatus {
        former: Some(former).filter(|former| !former.is_empty()),
        migration: Some(StorageMigrationStatus {
            phase: MigrationPhase::Switched,
            message: None,
            ..record.clone()
        }),
        ..storage.clone()
    };
    if !change.is_whole() {
        return Some(StorageStatus {
            overrides: Some(overrides(storage, target, &change)),
            ..switched
        });
    }
    Some(StorageStatus {
        data_store_name: Some(record.target.clone()),
        driver: Some(target.store.driver.as_str().to_owned()),
        setup: Some(StorageSetupStatus {
            schema: Some(target.binding.schema.clone()),
            user: Some(target.binding.user.clone()),
            ..setup
        }),
        usage: None,
        ..switched
    })
}

/// The overrides once the resources of `change` are at `target`.
fn overrides(storage: &StorageStatus, target: &End, change: &Change) -> Vec<StorageOverrideStatus> {
    let mut items = storage.overrides.clone().unwrap_or_default();
    items.retain(|item| !change.moves(&item.resource));
    if storage.data_store_name.as_ref() != Some(&change.target) {
        let moved = change.resources.iter();
        items.extend(moved.map(|resource| StorageOverrideStatus {
            data_store: change.target.clone(),
            resource: resource.clone(),
            schema: target.binding.schema.clone(),
            user: target.binding.user.clone(),
        }));
    }
    items
}
