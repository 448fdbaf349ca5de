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

/// The storage with the record of an attempt that begins, if the spec still asks for it and no fence is recorded: one
/// that was recorded since the decision would be forgotten, and stay.
pub(super) fn begins(
    live: &TenantControlPlane,
    storage: &StorageStatus,
    record: &StorageMigrationStatus,
) -> Option<StorageStatus> {
    let before = storage.migration.as_ref();
    let open = before.is_none_or(|before| {
        Change::of(before) == Change::of(record)
            && before.fence.is_none()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_attempt_does_not_begin_over_a_fence_that_is_recorded_meanwhile() {
        let change = json!({
            "phase": "Copying", "source": "default", "target": "other", "attempts": 1, "prepared": false,
        });
        let object = json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
            "metadata": {"name": "t", "namespace": "tenants", "uid": "uid"},
            "spec": {
                "dataStore": "other",
                "controlPlane": {"deployment": {}, "service": {"serviceType": "ClusterIP"}},
                "kubernetes": {"version": "v1.37.2", "kubelet": {}},
            },
            "status": {"storage": {
                "dataStoreName": "default", "driver": "etcd", "setup": {"schema": "s", "user": "u"},
                "migration": change.clone(),
            }},
        });
        let mut live: TenantControlPlane = serde_json::from_value(object).unwrap();
        let decided: StorageMigrationStatus = serde_json::from_value(change).unwrap();
        let begun = |live: &TenantControlPlane| begins(live, storage_of(live).unwrap(), &decided);
        assert!(begun(&live).is_some());
        let storage = live.status.as_mut().unwrap().storage.as_mut().unwrap();
        storage.migration.as_mut().unwrap().fence = Some("uid/1".to_owned());
        assert_eq!(begun(&live), None);
    }
}
