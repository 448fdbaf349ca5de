//! Storages with another record of a migration, each only if that follows from the one that is there.

use kamaji_api::tenant::{
    MigrationPhase, StorageMigrationStatus, StorageStatus, TenantControlPlane,
};
use kamaji_core::migration::{self, Change, record};
use kamaji_shell::clock;

/// True for a tenant that the operator looks after.
pub(super) fn is_tended(object: &TenantControlPlane) -> bool {
    object.metadata.deletion_timestamp.is_none() && !kamaji_api::labels::is_paused(&object.metadata)
}

/// The storage in the status.
pub(super) fn storage_of(object: &TenantControlPlane) -> Option<&StorageStatus> {
    object.status.as_ref()?.storage.as_ref()
}

/// The storage with the record of an attempt that begins, if the spec still asks for it.
pub(super) fn begins(
    live: &TenantControlPlane,
    storage: &StorageStatus,
    record: &StorageMigrationStatus,
) -> Option<StorageStatus> {
    let before = storage.migration.as_ref();
    let open = before.is_none_or(|before| {
        Change::of(before) == Change::of(record)
            && !matches!(
                before.phase,
                MigrationPhase::Switched | MigrationPhase::RollingBack
            )
    });
    (open && asks_for(live, record) && record::fits(record, storage))
        .then(|| with(storage, record.clone()))
}

pub(super) fn with(storage: &StorageStatus, record: StorageMigrationStatus) -> StorageStatus {
    StorageStatus {
        migration: Some(record),
        ..storage.clone()
    }
}

/// The recorded migration, if it is still that of `record` and was not cut.
pub(super) fn current<'a>(
    storage: &'a StorageStatus,
    record: &StorageMigrationStatus,
) -> Option<&'a StorageMigrationStatus> {
    let now = storage.migration.as_ref()?;
    let same = Change::of(now) == Change::of(record);
    let open = matches!(now.phase, MigrationPhase::Copying | MigrationPhase::Fenced);
    (same && open && record::fits(now, storage)).then_some(now)
}

/// True while the tenant asks for the change that `record` is about.
pub(super) fn asks_for(object: &TenantControlPlane, record: &StorageMigrationStatus) -> bool {
    is_tended(object) && migration::wanted(object) == Some(Ok(Change::of(record)))
}

/// Identity of a fence that no other attempt and no other process has.
pub(super) fn fence_id(uid: &str, attempt: i32) -> String {
    let random = clock::seed().map(|byte| format!("{byte:02x}"));
    format!("{uid}/{attempt}/{}", random[..8].concat())
}
