//! What cannot work is a condition with the cause and the next step, an event, and no hot loop.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::environment::{Environment, INFRASTRUCTURE, NAMESPACE, definition, owner_of};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_polls_for_a_cluster_that_never_appears() {
    let environment = Environment::new().await;
    let _provider = environment.provider();
    let shim = json!([{"apiVersion": "v1", "kind": "Secret", "name": "c-shim", "uid": "u"}]);
    environment
        .control_plane("another-kind", shim, &json!({}))
        .await;
    environment
        .control_plane("no-cluster", json!([owner_of("nowhere", "u")]), &json!({}))
        .await;
    environment
        .says("another-kind", "Available", ("False", "OwnerMissing"))
        .await;
    let why = environment
        .says("no-cluster", "Available", ("False", "ClusterMissing"))
        .await;
    assert!(why.contains("nowhere"), "{why}");
    environment.event("no-cluster", "ClusterMissing").await;
    environment.event("another-kind", "OwnerMissing").await;
    environment.at_rest(10).await;

    // It appears after all.
    environment.cluster("nowhere", "no-cluster", None).await;
    environment.asked("no-cluster").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_says_nothing_is_refused_with_the_cause() {
    let environment = Environment::new().await;
    let nothing = json!({
        "apiVersion": "controlplane.cluster.x-k8s.io/v1alpha2", "kind": "KamajiControlPlane",
        "metadata": {"name": "cp", "namespace": NAMESPACE},
    });
    let params = PatchParams::apply("person");
    let api = environment.at(&nothing);
    let refused = api.patch("cp", &params, &Patch::Apply(&nothing)).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("spec is missing"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_of_the_same_name_that_belongs_to_somebody_else_is_left_alone() {
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
    let _provider = environment.provider();
    environment.cluster("c", "cp", None).await;
    let why = environment
        .says(
            "cp",
            "TenantControlPlaneCreated",
            ("False", "TenantControlPlaneForeign"),
        )
        .await;
    assert!(why.contains("another name"), "{why}");
    environment.event("cp", "TenantControlPlaneForeign").await;
    environment.at_rest(5).await;
    let live = environment.tenants().get("cp").await.unwrap();
    assert_eq!(
        live.metadata.resource_version,
        foreign.metadata.resource_version
    );

    // Deleting the control plane does not take it along.
    environment
        .control_planes()
        .delete("cp", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    crate::environment::until("the control plane to be gone", async || {
        environment
            .control_planes()
            .get_opt("cp")
            .await
            .ok()?
            .is_none()
            .then_some(())
    })
    .await;
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
async fn infrastructure_that_refuses_the_address_does_not_keep_the_cluster_from_being_available() {
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
    let _provider = environment.provider();
    environment
        .apply(json!({
            "apiVersion": format!("{INFRASTRUCTURE}/v1beta2"), "kind": "FakeCluster",
            "metadata": {"name": "infra", "namespace": NAMESPACE},
            "spec": {},
        }))
        .await;
    environment.cluster("c", "cp", Some("infra")).await;
    environment.asked("cp").await;
    environment.tenant_secrets("cp").await;
    environment.serves("cp").await;
    let why = environment
        .says(
            "cp",
            "InfrastructureClusterPatched",
            ("False", "WriteRefused"),
        )
        .await;
    assert!(why.contains("no endpoint here"), "{why}");
    environment.event("cp", "WriteRefused").await;
    environment.available("cp").await;
    // The news follow the status.
    for reason in ["Available", "Succeeded"] {
        environment.event("cp", reason).await;
    }

    // It is tried again, later and later, and nobody writes the same status twice.
    let asked = environment.asked_within(10).await;
    let writes: Vec<_> = asked
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
async fn a_webhook_that_does_not_answer_is_said_and_nothing_is_called_done() {
    let environment = Environment::new().await;
    let infra = json!({
        "apiVersion": format!("{INFRASTRUCTURE}/v1beta2"), "kind": "FakeCluster",
        "metadata": {"name": "infra", "namespace": NAMESPACE},
        "spec": {},
    });
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
    let _provider = environment.provider();
    environment.cluster("c", "cp", Some("infra")).await;
    environment.asked("cp").await;
    environment.tenant_secrets("cp").await;
    environment.serves("cp").await;
    let said = ("False", "WriteFailed");
    let why = environment
        .says("cp", "InfrastructureClusterPatched", said)
        .await;
    assert!(why.contains("down.example.com"), "{why}");
    environment.event("cp", "WriteFailed").await;

    let params = kube::api::DeleteParams::default();
    environment.at(&hook).delete("down", &params).await.unwrap();
    environment
        .says("cp", "InfrastructureClusterPatched", ("True", "Succeeded"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_the_user_has_made_is_not_replaced() {
    let environment = Environment::new().await;
    let own = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "cluster.x-k8s.io/secret",
        "metadata": {"name": "c-ca", "namespace": NAMESPACE, "labels": {"cluster.x-k8s.io/cluster-name": "c"}},
        "stringData": {"tls.crt": "mine", "tls.key": "mine, too"},
    });
    environment.apply(own).await;
    let _provider = environment.provider();
    environment.cluster("c", "cp", None).await;
    environment.asked("cp").await;
    environment.tenant_secrets("cp").await;
    environment.serves("cp").await;
    let said = ("False", "SecretForeign");
    environment
        .says("cp", "KubeadmResourcesCreated", said)
        .await;
    environment.event("cp", "SecretForeign").await;
    let live = environment.secrets().get("c-ca").await.unwrap();
    assert_eq!(live.data.unwrap()["tls.key"].0, b"mine, too");
    assert_eq!(live.metadata.owner_references, None);

    // As soon as it is gone, there is one of the tenant's.
    let params = kube::api::DeleteParams::default();
    environment.secrets().delete("c-ca", &params).await.unwrap();
    environment.available("cp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn infrastructure_of_a_kind_that_is_not_known_is_explained() {
    let environment = Environment::new().await;
    let mut settings = Environment::settings();
    settings.core.further_kinds.clear();
    let _provider = environment.run(settings);
    let infra = json!({
        "apiVersion": format!("{INFRASTRUCTURE}/v1beta2"), "kind": "FakeCluster",
        "metadata": {"name": "infra", "namespace": NAMESPACE},
        "spec": {},
    });
    environment.apply(infra.clone()).await;
    environment.cluster("c", "cp", Some("infra")).await;
    environment.asked("cp").await;
    environment.tenant_secrets("cp").await;
    environment.serves("cp").await;
    let why = environment
        .says(
            "cp",
            "InfrastructureClusterPatched",
            ("False", "InfrastructureUnsupported"),
        )
        .await;
    assert!(why.contains("cluster.x-k8s.io/managed-by"), "{why}");
    environment.event("cp", "InfrastructureUnsupported").await;
    environment.available("cp").await;
    environment.at_rest(5).await;

    // The annotation that the message names is enough.
    let mut managed = infra;
    managed["metadata"]["annotations"] = json!({"cluster.x-k8s.io/managed-by": "kamaji"});
    environment.apply(managed.clone()).await;
    environment
        .says("cp", "InfrastructureClusterPatched", ("True", "Succeeded"))
        .await;
    let live = environment.at(&managed).get("infra").await.unwrap();
    assert_eq!(live.data["status"]["initialization"]["provisioned"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tenants_may_not_be_is_said_once_and_tried_seldom() {
    let environment = Environment::new().await;
    let _provider = environment.provider();
    environment.cluster("c", "cp", None).await;
    environment.asked("cp").await;
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
    let said = ("False", "WriteRefused");
    let why = environment
        .says("cp", "TenantControlPlaneCreated", said)
        .await;
    assert!(why.contains("ingress") && why.contains("gateway"), "{why}");
    environment.event("cp", "WriteRefused").await;
    let asked = environment.asked_within(10).await;
    let asked: Vec<_> = asked.iter().map(|e| (e.at, &e.verb, &e.uri)).collect();
    assert!(asked.len() < 10, "in 10 s {asked:#?}");

    // It goes on as soon as it can.
    change(&json!({"spec": {"network": {"gateway": null}}})).await;
    let done = ("True", "Succeeded");
    environment
        .says("cp", "TenantControlPlaneCreated", done)
        .await;
}
