//! Owner references that Clusters do not confirm: nothing is written for such a Cluster, and nothing taken from it.

use kamaji_api::cluster::CLUSTER_NAME;
use serde_json::json;

use crate::{
    environment::{Environment, NAMESPACE, owner_of},
    waiting::until,
};

const MISMATCH: &str = "ControlPlaneRefMismatch";

impl Environment {
    /// Uid of a Cluster, which this creates without a reference to a control plane unless it exists.
    async fn cluster_uid(&self, name: &str) -> String {
        let cluster = self.apply(json!({
            "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": {CLUSTER_NAME: name}},
            "spec": {"clusterNetwork": {"services": {"cidrBlocks": ["10.98.0.0/16"]}}},
        }));
        cluster.await.metadata.uid.unwrap()
    }

    /// Sets `spec.controlPlaneRef` of a Cluster.
    async fn set_reference(&self, cluster: &str, control_plane: &str) {
        let reference = json!({
            "apiGroup": "controlplane.cluster.x-k8s.io", "kind": "KamajiControlPlane",
            "name": control_plane,
        });
        let patch = json!({"spec": {"controlPlaneRef": reference}});
        self.patch_cluster(cluster, patch).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_claims_the_cluster_of_another_gets_nothing_and_changes_nothing() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    // Its keys would be the claimant's if the provider copied them.
    let given = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "cluster.x-k8s.io/secret",
        "metadata": {"name": "victim-ca", "namespace": NAMESPACE},
        "stringData": {"tls.crt": "certificate", "tls.key": "key"},
    });
    environment.apply(given).await;
    let uid = environment.cluster_uid("victim").await;
    environment.set_reference("victim", "cp").await;
    let owners = json!([owner_of("victim", &uid)]);
    environment
        .create_control_plane("cp", owners.clone(), &json!({}))
        .await;
    environment.wait_for_tenant("cp").await;
    // Its type cannot be changed to that of the operator's Secret, which the test plays.
    let params = kube::api::DeleteParams::default();
    let secrets = environment.secrets();
    secrets.delete("cp-ca", &params).await.unwrap();
    environment.start_tenant("cp").await;
    environment.wait_until_available("cp").await;
    let published = secrets.get("victim-kubeconfig").await.unwrap();

    environment
        .create_control_plane("evil", owners, &json!({}))
        .await;
    let why = environment
        .wait_until_false("evil", "Available", MISMATCH)
        .await;
    assert!(why.contains("KamajiControlPlane cp"), "{why}");
    environment.wait_for_event("evil", MISMATCH).await;
    environment.assert_quiescent(3).await;
    assert!(
        environment
            .tenants()
            .get_opt("evil")
            .await
            .unwrap()
            .is_none()
    );
    assert!(secrets.get_opt("evil-ca").await.unwrap().is_none());

    environment.delete_control_plane("evil").await;
    environment.wait_deleted("evil").await;
    let now = secrets.get("victim-kubeconfig").await.unwrap();
    assert_eq!(now, published);
    environment.wait_until_available("cp").await;
}

/// The topology controller of Cluster API makes the control plane before the Cluster refers to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_starts_once_its_cluster_names_it_and_rests_once_that_names_another() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    let uid = environment.cluster_uid("c").await;
    let owners = json!([owner_of("c", &uid)]);
    for name in ["a", "b"] {
        environment
            .create_control_plane(name, owners.clone(), &json!({}))
            .await;
        let why = environment
            .wait_until_false(name, "TenantControlPlaneCreated", MISMATCH)
            .await;
        assert!(why.contains("names no control plane"), "{why}");
    }
    environment.set_reference("c", "a").await;
    environment.start_tenant("a").await;
    environment.wait_until_available("a").await;
    let secrets = environment.secrets();
    let by_a = secrets.get("c-kubeconfig").await.unwrap();

    environment.set_reference("c", "b").await;
    environment
        .wait_until_false("a", "Available", MISMATCH)
        .await;
    environment.start_tenant("b").await;
    let why = environment
        .wait_until_false("b", "KubeadmResourcesCreated", "SecretForeign")
        .await;
    assert!(why.contains("KamajiControlPlane a"), "{why}");
    assert!(why.contains("delete the Secret"), "{why}");
    environment.assert_quiescent(3).await;
    assert_eq!(secrets.get("c-kubeconfig").await.unwrap(), by_a);
    environment.wait_for_tenant("a").await;

    // The former control plane goes with its own tenant alone. No garbage collector runs here.
    environment.delete_control_plane("a").await;
    environment.release_tenant("a").await;
    environment.wait_deleted("a").await;
    let params = kube::api::DeleteParams::default();
    for name in ["c-kubeconfig", "c-ca"] {
        secrets.delete(name, &params).await.unwrap();
    }
    environment.wait_until_available("b").await;
    until("the kubeconfig of the new control plane", async || {
        let owners = secrets.get("c-kubeconfig").await.ok()?;
        let owners = owners.metadata.owner_references?;
        (owners[0].name == "b").then_some(())
    })
    .await;
}
