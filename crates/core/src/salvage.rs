//! Reads metadata, status and the datastore binding of an object that does not parse as a whole: a newer
//! definition may allow a value that this build does not know.

use kamaji_api::tenant::{TenantControlPlane, TenantControlPlaneStatus};
use serde_json::{Value, json};

/// The metadata of a TenantControlPlane, its status, and where its data is: enough to report on it, to
/// protect its data from other tenants, and to delete it. Nothing may be rendered from it.
pub fn tenant(object: &Value) -> Option<TenantControlPlane> {
    let spec = &object["spec"];
    let mut readable = json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": object["metadata"],
        "spec": {
            "controlPlane": {"service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": "v0.0.0", "kubelet": {}},
        },
    });
    for field in ["dataStore", "dataStoreSchema", "dataStoreUsername"] {
        if spec[field].is_string() {
            readable["spec"][field] = spec[field].clone();
        }
    }
    let overrides = |item: &Value| item["resource"].is_string() && item["dataStore"].is_string();
    let stores = spec["dataStoreOverrides"].as_array();
    if stores.is_some_and(|items| items.iter().all(overrides)) {
        readable["spec"]["dataStoreOverrides"] = spec["dataStoreOverrides"].clone();
    }
    let mut tenant: TenantControlPlane = serde_json::from_value(readable).ok()?;
    tenant.status = status(&object["status"]);
    Some(tenant)
}

fn status(value: &Value) -> Option<TenantControlPlaneStatus> {
    if value.is_null() {
        return None;
    }
    if let Ok(status) = serde_json::from_value(value.clone()) {
        return Some(status);
    }
    let part = |field: &str| json!({field: value[field]});
    let storage = serde_json::from_value::<TenantControlPlaneStatus>(part("storage"));
    let conditions = serde_json::from_value::<TenantControlPlaneStatus>(part("conditions"));
    Some(TenantControlPlaneStatus {
        storage: storage.ok().and_then(|status| status.storage),
        conditions: conditions
            .map(|status| status.conditions)
            .unwrap_or_default(),
        ..TenantControlPlaneStatus::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newer() -> Value {
        json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1",
            "kind": "TenantControlPlane",
            "metadata": {"name": "t", "namespace": "ns", "uid": "u", "finalizers": ["finalizer.kamaji.clastix.io"]},
            "spec": {
                "dataStore": "default", "dataStoreSchema": "mine", "dataStoreUsername": "me",
                "dataStoreOverrides": [{"resource": "/events", "dataStore": "events"}],
                "controlPlane": {"service": {"serviceType": "FromTheFuture"}},
                "kubernetes": {"version": "v1.36.3", "kubelet": {}},
            },
            "status": {"storage": {"dataStoreName": "default", "setup": {"schema": "mine", "user": "me"}}},
        })
    }

    #[test]
    fn newer_spec_leaves_metadata_status_and_the_binding() {
        let object = newer();
        assert!(serde_json::from_value::<TenantControlPlane>(object.clone()).is_err());
        let tenant = tenant(&object).unwrap();
        assert_eq!(tenant.metadata.uid.as_deref(), Some("u"));
        assert_eq!(tenant.metadata.finalizers.map(|f| f.len()), Some(1));
        assert_eq!(tenant.spec.data_store.as_deref(), Some("default"));
        assert_eq!(tenant.spec.data_store_schema.as_deref(), Some("mine"));
        assert_eq!(tenant.spec.data_store_username.as_deref(), Some("me"));
        assert_eq!(tenant.spec.data_store_overrides.len(), 1);
        let setup = tenant.status.unwrap().storage.unwrap().setup.unwrap();
        assert_eq!(setup.schema.as_deref(), Some("mine"));
    }

    #[test]
    fn newer_status_leaves_the_binding_and_the_conditions() {
        let mut object = newer();
        object["status"]["kubernetesResources"] = json!({"version": {"status": "FromTheFuture"}});
        object["status"]["conditions"] = json!([{
            "type": "Ready", "status": "True", "reason": "AsPlanned", "message": "",
            "lastTransitionTime": "2026-11-23T12:00:00Z",
        }]);
        let status = tenant(&object).unwrap().status.unwrap();
        assert!(status.storage.unwrap().setup.is_some());
        assert_eq!(status.conditions.len(), 1);
    }

    #[test]
    fn malformed_objects_do_not_panic() {
        for wrong in [
            json!(null),
            json!(7),
            json!({}),
            json!({"spec": 3, "metadata": []}),
        ] {
            let _ = tenant(&wrong);
        }
        let mut object = newer();
        object["spec"]["dataStoreOverrides"] = json!([7]);
        object["spec"]["dataStore"] = json!({"a": 1});
        assert_eq!(tenant(&object).unwrap().spec.data_store, None);
    }
}
