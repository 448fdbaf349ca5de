//! Invalid input: a condition with the cause and the next step, an event, and no hot loop.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::environment::{
    Environment, INFRASTRUCTURE, NAMESPACE, definition, fake_cluster, owner_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_cluster_is_reported_and_not_polled_for() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    let shim = json!([{"apiVersion": "v1", "kind": "Secret", "name": "c-shim", "uid": "u"}]);
    environment
        .create_control_plane("another-kind", shim, &json!({}))
        .await;
    environment
        .create_control_plane("no-cluster", json!([owner_of("nowhere", "u")]), &json!({}))
        .await;
    environment
        .wait_until_false("another-kind", "Available", "OwnerMissing")
        .await;
    let why = environment
        .wait_until_false("no-cluster", "Available", "ClusterMissing")
        .await;
    assert!(why.contains("nowhere"), "{why}");
    environment
        .wait_for_event("no-cluster", "ClusterMissing")
        .await;
    environment
        .wait_for_event("another-kind", "OwnerMissing")
        .await;
    environment.assert_quiescent(10).await;

    // The Cluster is created later.
    environment
        .create_cluster("nowhere", "no-cluster", None)
        .await;
    environment.wait_for_tenant("no-cluster").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_without_a_spec_is_refused_with_the_cause() {
    let environment = Environment::new().await;
    let nothing = json!({
        "apiVersion": "controlplane.cluster.x-k8s.io/v1alpha2", "kind": "KamajiControlPlane",
        "metadata": {"name": "cp", "namespace": NAMESPACE},
    });
    let params = PatchParams::apply("person");
    let api = environment.api_of(&nothing);
    let refused = api.patch("cp", &params, &Patch::Apply(&nothing)).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("spec is missing"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_of_another_owner_is_left_alone() {
    let environment = Environment::new().await;
    let foreign = environment
        .apply(json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
            "metadata": {"name": "cp", "namespace": NAMESPACE},
            "spec": {
                "controlPlane": {"deployment": {"replicas": 1}, "service": {"serviceType": "ClusterIP"}},
                "kubernetes": {"version": "v1.36.3", "kubelet": {}},
                "networkProfile": {},
            },
        }))
        .await;
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;
    let why = environment
        .wait_until_false(
            "cp",
            "TenantControlPlaneCreated",
            "TenantControlPlaneForeign",
        )
        .await;
    assert!(why.contains("another name"), "{why}");
    environment
        .wait_for_event("cp", "TenantControlPlaneForeign")
        .await;
    environment.assert_quiescent(5).await;
    let live = environment.tenants().get("cp").await.unwrap();
    assert_eq!(
        live.metadata.resource_version,
        foreign.metadata.resource_version
    );

    // Deleting the control plane does not take it along.
    environment.delete_control_plane("cp").await;
    environment.wait_deleted("cp").await;
    assert!(
        environment
            .tenants()
            .get("cp")
            .await
            .unwrap()
            .metadata
            .deletion_timestamp
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn infrastructure_that_refuses_the_address_does_not_block_availability() {
    let environment = Environment::new().await;
    let spec = json!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-validations": [{"rule": "!has(self.controlPlaneEndpoint)", "message": "no endpoint here"}],
        "properties": {"controlPlaneEndpoint": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    });
    environment
        .apply(definition(INFRASTRUCTURE, "FakeCluster", &spec))
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let _provider = environment.start_provider();
    environment.apply(fake_cluster("infra", &json!({}))).await;
    environment.create_cluster("c", "cp", Some("infra")).await;
    environment.start_tenant("cp").await;
    let why = environment
        .wait_until_false("cp", "InfrastructureClusterPatched", "WriteRefused")
        .await;
    assert!(why.contains("no endpoint here"), "{why}");
    environment.wait_for_event("cp", "WriteRefused").await;
    environment.wait_until_available("cp").await;
    // Events are written after the status.
    for reason in ["Available", "Succeeded"] {
        environment.wait_for_event("cp", reason).await;
    }

    // The write is retried with back-off, and the same status is not written twice.
    let requests = environment.requests_within(10).await;
    let writes: Vec<_> = requests
        .into_iter()
        .filter(kamaji_e2e::audit::Entry::is_write)
        .collect();
    let refused = writes
        .iter()
        .filter(|entry| entry.uri.contains("fakeclusters"))
        .count();
    assert!(refused <= 4, "{refused} tries");
    let others: Vec<_> = writes
        .iter()
        .map(|e| &e.uri)
        .filter(|uri| !uri.contains("fakeclusters"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_webhook_is_reported_until_it_is_removed() {
    let environment = Environment::new().await;
    let infra = fake_cluster("infra", &json!({}));
    environment.apply(infra.clone()).await;
    let hook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "down"},
        "webhooks": [{
            "name": "down.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"url": "https://127.0.0.1:1/"}, "failurePolicy": "Fail",
            "rules": [{"apiGroups": [INFRASTRUCTURE], "apiVersions": ["*"], "operations": ["UPDATE"],
                "resources": ["fakeclusters"]}],
        }],
    });
    environment.apply(hook.clone()).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", Some("infra")).await;
    environment.start_tenant("cp").await;
    let expected = "WriteFailed";
    let why = environment
        .wait_until_false("cp", "InfrastructureClusterPatched", expected)
        .await;
    assert!(why.contains("down.example.com"), "{why}");
    environment.wait_for_event("cp", "WriteFailed").await;

    let params = kube::api::DeleteParams::default();
    environment
        .api_of(&hook)
        .delete("down", &params)
        .await
        .unwrap();
    environment
        .wait_until_true("cp", "InfrastructureClusterPatched", "Succeeded")
        .await;
}

/// A CA as Cluster API documents it for the Cluster `c`.
fn ca_of_user(certificate: &str, key: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "cluster.x-k8s.io/secret",
        "metadata": {"name": "c-ca", "namespace": NAMESPACE, "labels": {"cluster.x-k8s.io/cluster-name": "c"}},
        "stringData": {"tls.crt": certificate, "tls.key": key},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_a_user_made_for_the_cluster_becomes_the_ca_of_a_control_plane_of_another_name() {
    let environment = Environment::new().await;
    // The content that the test, as the operator, puts into the tenant's CA.
    environment.apply(ca_of_user("certificate", "key")).await;
    let before = environment.secrets().get("c-ca").await.unwrap();
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;
    environment.wait_for_tenant("cp").await;
    let given = environment.secrets().get("cp-ca").await.unwrap();
    assert_eq!(given.data, before.data);
    assert_eq!(
        given.metadata.owner_references, None,
        "the operator takes it"
    );
    let params = kube::api::DeleteParams::default();
    // A type cannot be changed, and the test applies another one.
    environment
        .secrets()
        .delete("cp-ca", &params)
        .await
        .unwrap();
    environment.start_tenant("cp").await;
    environment.wait_until_available("cp").await;
    assert_eq!(environment.secrets().get("c-ca").await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_of_the_user_is_not_replaced() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;
    environment.wait_for_tenant("cp").await;
    environment.apply(ca_of_user("mine", "mine, too")).await;
    environment.start_tenant("cp").await;
    let expected = "SecretForeign";
    environment
        .wait_until_false("cp", "KubeadmResourcesCreated", expected)
        .await;
    environment.wait_for_event("cp", "SecretForeign").await;
    let live = environment.secrets().get("c-ca").await.unwrap();
    assert_eq!(live.data.unwrap()["tls.key"].0, b"mine, too");
    assert_eq!(live.metadata.owner_references, None);

    // The tenant's own CA is published once the user's is deleted.
    let params = kube::api::DeleteParams::default();
    environment.secrets().delete("c-ca", &params).await.unwrap();
    environment.wait_until_available("cp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn infrastructure_of_an_unknown_kind_is_reported_and_patched_once_annotated() {
    let environment = Environment::new().await;
    let mut settings = Environment::settings();
    settings.core.further_kinds.clear();
    let _provider = environment.start_provider_with(settings);
    let infra = fake_cluster("infra", &json!({}));
    environment.apply(infra.clone()).await;
    environment.create_cluster("c", "cp", Some("infra")).await;
    environment.start_tenant("cp").await;
    let why = environment
        .wait_until_false(
            "cp",
            "InfrastructureClusterPatched",
            "InfrastructureUnsupported",
        )
        .await;
    assert!(why.contains("cluster.x-k8s.io/managed-by"), "{why}");
    environment
        .wait_for_event("cp", "InfrastructureUnsupported")
        .await;
    environment.wait_until_available("cp").await;
    environment.assert_quiescent(5).await;

    // The annotation that the message names is enough.
    let mut managed = infra;
    managed["metadata"]["annotations"] = json!({"cluster.x-k8s.io/managed-by": "kamaji"});
    environment.apply(managed.clone()).await;
    environment
        .wait_until_true("cp", "InfrastructureClusterPatched", "Succeeded")
        .await;
    let live = environment.api_of(&managed).get("infra").await.unwrap();
    assert_eq!(live.data["status"]["initialization"]["provisioned"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_refused_is_reported_once_and_retried_with_back_off() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;
    environment.wait_for_tenant("cp").await;
    let both = json!({"spec": {"network": {
        "ingress": {"hostname": "a.example.com", "className": "nginx"},
        "gateway": {"name": "gateway", "namespace": NAMESPACE, "hostname": "a.example.com"},
    }}});
    let change = async |patch: &Value| {
        let params = PatchParams::default();
        let changed = environment.control_planes();
        changed
            .patch("cp", &params, &Patch::Merge(patch))
            .await
            .unwrap();
    };
    change(&both).await;
    let expected = "WriteRefused";
    let why = environment
        .wait_until_false("cp", "TenantControlPlaneCreated", expected)
        .await;
    assert!(why.contains("ingress") && why.contains("gateway"), "{why}");
    environment.wait_for_event("cp", "WriteRefused").await;
    let requests = environment.requests_within(10).await;
    let requests: Vec<_> = requests.iter().map(|e| (e.at, &e.verb, &e.uri)).collect();
    assert!(requests.len() < 10, "in 10 s {requests:#?}");

    // The reconcile succeeds once the conflict is removed.
    change(&json!({"spec": {"network": {"gateway": null}}})).await;
    let succeeded = "Succeeded";
    environment
        .wait_until_true("cp", "TenantControlPlaneCreated", succeeded)
        .await;
}
