//! Takeover of TenantControlPlanes that upstream made: nothing restarts, nothing is lost, and removed fields are removed.

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::{
    environment::{Environment, NAMESPACE},
    waiting::until,
};

/// A TenantControlPlane as upstream's provider creates it, webhooks of the operator included.
fn tenant(owner: &Value) -> Value {
    json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
        "metadata": {
            "name": "cp", "namespace": NAMESPACE, "ownerReferences": [owner],
            "labels": {"cluster.x-k8s.io/cluster-name": "c", "topology.cluster.x-k8s.io/owned": "", "team": "blue"},
            "annotations": {"once": "asked for"},
        },
        "spec": {
            "dataStore": "default", "dataStoreSchema": "default_cp", "dataStoreUsername": "default_cp",
            "addons": {"coreDNS": {}},
            "controlPlane": {
                "deployment": {"replicas": 2, "strategy": {}, "registrySettings": {"registry": "registry.k8s.io"},
                    "resources": {"apiServer": {}}},
                "ingress": {"hostname": "old.example.com", "additionalMetadata": {}},
                "service": {"serviceType": "LoadBalancer", "additionalMetadata": {"annotations": {"pool": "a"}}},
            },
            "kubernetes": {"version": "v1.36.3", "kubelet": {
                "cgroupfs": "systemd", "preferredAddressTypes": ["InternalIP", "ExternalIP", "Hostname"]}},
            "networkProfile": {"port": 6443, "address": "192.0.2.7", "serviceCidrs": ["10.98.0.0/16"],
                "certSANs": ["old.example.com"]},
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_of_upstream_is_kept_and_removed_fields_are_removed() {
    let environment = Environment::new().await;
    environment.create_cluster("c", "cp", None).await;
    let network = json!({
        "serviceType": "LoadBalancer", "serviceAddress": "192.0.2.7",
        "serviceAnnotations": {"pool": "a"}, "ingress": {"hostname": "old.example.com"},
    });
    environment
        .patch_control_plane(
            "cp",
            json!({"spec": {"network": network, "addons": {"coreDNS": {}}}}),
        )
        .await;
    let live = environment.control_planes().get("cp").await.unwrap();
    let owner = json!({
        "apiVersion": "controlplane.cluster.x-k8s.io/v1alpha1", "kind": "KamajiControlPlane",
        "name": "cp", "uid": live.metadata.uid, "controller": true, "blockOwnerDeletion": true,
    });
    let made = tenant(&owner);
    let params = PostParams {
        field_manager: Some("manager".to_owned()),
        ..PostParams::default()
    };
    let body = serde_json::from_value(made.clone()).unwrap();
    environment
        .api_of(&made)
        .create(&params, &body)
        .await
        .unwrap();
    let uid = environment.tenants().get("cp").await.unwrap().metadata.uid;

    let _provider = environment.start_provider();
    until("the stale labels to go", async || {
        let live = environment.tenants().get("cp").await.ok()?;
        let labels = live.metadata.labels?;
        (!labels.contains_key("topology.cluster.x-k8s.io/owned")).then_some(())
    })
    .await;
    let live = environment.tenants().get("cp").await.unwrap();
    assert_eq!(live.metadata.uid, uid);
    // A webhook set these fields, and the control plane's spec has none of them: they stay.
    assert_eq!(live.spec.data_store_schema.as_deref(), Some("default_cp"));
    assert_eq!(live.spec.data_store.as_deref(), Some("default"));
    assert!(live.spec.control_plane.ingress.is_some());
    assert_eq!(live.metadata.annotations.unwrap().get("once"), None);

    // An ingress becomes a gateway, of which the definition allows only one; the other fields are removed.
    let gateway = json!({"name": "g", "namespace": "g", "hostname": "new.example.com"});
    let next = json!({
        "ingress": null, "gateway": gateway, "serviceAnnotations": null, "serviceAddress": null,
    });
    let kubelet = json!({"preferredAddressTypes": ["InternalIP"]});
    let spec = json!({"network": next, "addons": null, "kubelet": kubelet});
    let patch = Patch::Merge(json!({"spec": spec}));
    let api = environment.control_planes();
    api.patch("cp", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let spec = until("the gateway", async || {
        let spec = environment.tenants().get("cp").await.ok()?.spec;
        spec.control_plane.gateway.is_some().then_some(spec)
    })
    .await;
    assert!(spec.control_plane.ingress.is_none());
    assert_eq!(spec.network_profile.cert_sans, ["new.example.com"]);
    assert!(spec.network_profile.address.is_none());
    let spec = serde_json::to_value(spec).unwrap();
    assert!(spec["addons"]["coreDNS"].is_null(), "{}", spec["addons"]);
    let service = &spec["controlPlane"]["service"]["additionalMetadata"]["annotations"];
    assert!(service.is_null(), "{service}");
    let types = &spec["kubernetes"]["kubelet"]["preferredAddressTypes"];
    assert_eq!(types, &json!(["InternalIP"]));
    environment.assert_quiescent(3).await;
}
