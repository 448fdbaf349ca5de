//! `kamaji migrate --preflight`: size and estimate of a migration, and what stands in its way.

use kamaji_api::{
    datastore::{DataStore, Driver},
    labels,
    tenant::{StorageStatus, TenantControlPlane},
};
use kamaji_core::migration::{Options, record::MOST_FORMER};

/// Keys and bytes that a copy moves in a second: a careful figure below those of `docs/migration.md`.
const PACE: (i64, i64) = (5_000, 10_000_000);

/// The whole report, as text.
pub fn report(tenant: &TenantControlPlane, storage: &StorageStatus, target: &DataStore) -> String {
    let name = target.metadata.name.as_deref().unwrap_or_default();
    let source = storage.data_store_name.as_deref().unwrap_or_default();
    let ends = format!(
        "from {source} ({}) to {name} ({})\n",
        storage.driver.as_deref().unwrap_or("unknown"),
        target.spec.driver.as_str()
    );
    let refused =
        "writes are refused for seconds at the end, whatever the size; reads go on\n".to_owned();
    let mut lines = vec![ends, size(storage), refused];
    let blockers = blockers(tenant, storage, target);
    if blockers.is_empty() {
        lines.push("nothing stands in the way\n".to_owned());
    }
    let blockers = blockers.iter();
    lines.extend(blockers.map(|blocker| format!("in the way: {blocker}\n")));
    lines.concat()
}

fn size(storage: &StorageStatus) -> String {
    let Some(usage) = &storage.usage else {
        return "the size is not measured yet\n".to_owned();
    };
    let bytes = usage.bytes.unwrap_or_default();
    let seconds = (usage.keys / PACE.0).max(bytes / PACE.1).max(1);
    format!(
        "{} keys, {}, about {seconds} s of copying and comparing\n",
        usage.keys,
        usage.bytes.map_or_else(
            || "bytes not measured yet".to_owned(),
            |bytes| format!("{bytes} bytes")
        )
    )
}

/// Obstacles of a migration, each with the next action.
pub fn blockers(
    tenant: &TenantControlPlane,
    storage: &StorageStatus,
    target: &DataStore,
) -> Vec<String> {
    let mut found = Vec::new();
    let name = target.metadata.name.as_deref().unwrap_or_default();
    let ready = target.status.as_ref().is_some_and(|status| status.ready);
    if !ready || target.metadata.deletion_timestamp.is_some() {
        found.push(format!(
            "the DataStore {name} is not ready, or is being deleted: look at its conditions"
        ));
    }
    if !tenant.spec.data_store_overrides.is_empty() && target.spec.driver != Driver::Etcd {
        found.push(
            "spec.dataStoreOverrides go with a DataStore of etcd only: choose one".to_owned(),
        );
    }
    if labels::is_paused(&tenant.metadata) {
        found.push("the tenant is paused: `kamaji resume` it".to_owned());
    }
    let annotations = tenant.metadata.annotations.as_ref();
    if annotations.is_some_and(|all| all.contains_key(labels::RESTORING)) {
        found.push("the data is being restored from a snapshot: wait for its end".to_owned());
    }
    found.extend(Options::of(tenant).err());
    if storage.former.iter().flatten().count() >= MOST_FORMER {
        found.push(format!(
            "the tenant left its data in {MOST_FORMER} DataStores: release one with the annotation {}",
            labels::RELEASE_MIGRATION_SOURCE
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn store(driver: &str, ready: bool) -> DataStore {
        serde_json::from_value(json!({
            "metadata": {"name": "other"},
            "spec": {"driver": driver, "endpoints": ["db:5432"]},
            "status": {"ready": ready},
        }))
        .unwrap()
    }

    fn tenant(spec: &Value) -> TenantControlPlane {
        let mut object = json!({
            "metadata": {"name": "t", "namespace": "ns"},
            "spec": {
                "kubernetes": {"version": "v1.36.3", "kubelet": {}},
                "controlPlane": {"deployment": {}, "service": {"serviceType": "ClusterIP"}},
            },
        });
        for (key, value) in spec.as_object().into_iter().flatten() {
            object["spec"][key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn storage() -> StorageStatus {
        serde_json::from_value(json!({
            "dataStoreName": "default", "driver": "etcd",
            "usage": {"keys": 50_000, "bytes": 1_000_000},
        }))
        .unwrap()
    }

    #[test]
    fn a_report_has_size_estimate_and_no_blocker_for_a_ready_target() {
        let text = report(&tenant(&json!({})), &storage(), &store("PostgreSQL", true));
        for part in [
            "from default (etcd) to other (PostgreSQL)",
            "50000 keys",
            "about 10 s",
            "nothing stands",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn every_blocker_is_named_with_its_next_action() {
        let free = tenant(&json!({}));
        let nats = StorageStatus {
            driver: Some("NATS".to_owned()),
            ..storage()
        };
        assert!(blockers(&free, &nats, &store("etcd", true)).is_empty());
        assert!(blockers(&free, &storage(), &store("NATS", true)).is_empty());
        assert!(blockers(&free, &storage(), &store("etcd", false))[0].contains("not ready"));
        let overridden = json!({"dataStoreOverrides": [{"resource": "/events", "dataStore": "e"}]});
        let found = blockers(&tenant(&overridden), &storage(), &store("MySQL", true));
        assert!(found[0].contains("dataStoreOverrides"), "{found:?}");
    }
}
