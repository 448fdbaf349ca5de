//! Deletion: a control plane is deleted after its TenantControlPlane, never before.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::{environment::Environment, waiting::until};

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_control_plane_waits_for_the_deletion_of_its_tenant() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;
    environment.wait_for_tenant("cp").await;
    // The operator's finalizer, and the garbage collector's by the foreground deletion.
    let mine = Patch::Merge(json!({"metadata": {"finalizers": ["finalizer.kamaji.clastix.io"]}}));
    let params = PatchParams::default();
    environment
        .tenants()
        .patch("cp", &params, &mine)
        .await
        .unwrap();
    environment.wait_for_finalizers("cp").await;

    environment.delete_control_plane("cp").await;
    environment.wait_for_tenant_deletion("cp").await;
    let why = environment
        .wait_until_true("cp", "Deleting", "TenantControlPlaneDeleting")
        .await;
    assert!(why.contains("cp"), "{why}");
    environment.assert_quiescent(5).await;
    assert!(
        environment
            .control_planes()
            .get_opt("cp")
            .await
            .unwrap()
            .is_some()
    );

    environment.release_tenant("cp").await;
    environment.wait_deleted("cp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_without_its_cluster_can_be_deleted() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;
    environment.wait_for_tenant("cp").await;
    let like = json!({
        "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster",
        "metadata": {"namespace": "default"},
    });
    environment
        .api_of(&like)
        .delete("c", &DeleteParams::default())
        .await
        .unwrap();
    environment
        .wait_until_false("cp", "Available", "ClusterMissing")
        .await;
    environment.delete_control_plane("cp").await;
    environment.release_tenant("cp").await;
    environment.wait_deleted("cp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_of_a_deleted_control_plane_is_not_created_again() {
    let environment = Environment::new().await;
    let provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;
    environment.wait_for_tenant("cp").await;
    // A finalizer of another tool, which tears down control plane and tenant itself.
    let control_planes = environment.control_planes();
    let held = environment.wait_for_finalizers("cp").await;
    let both = [held, vec!["example.com/teardown".to_owned()]].concat();
    let patch = Patch::Merge(json!({"metadata": {"finalizers": both}}));
    let params = PatchParams::default();
    control_planes.patch("cp", &params, &patch).await.unwrap();
    environment.delete_control_plane("cp").await;
    environment.release_tenant("cp").await;
    until("deletion of the tenant", async || {
        environment
            .tenants()
            .get_opt("cp")
            .await
            .ok()?
            .is_none()
            .then_some(())
    })
    .await;
    environment.assert_quiescent(3).await;
    drop(provider);
    // A new process does not create the tenant again either.
    let _provider = environment.start_provider();
    until("removal of the provider's finalizer", async || {
        let live = control_planes.get("cp").await.ok()?.metadata.finalizers?;
        (live == ["example.com/teardown"]).then_some(())
    })
    .await;
    environment.assert_quiescent(3).await;
    assert!(environment.tenants().get_opt("cp").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_finalizer_of_earlier_releases_is_kept_and_removed() {
    let environment = Environment::new().await;
    environment.create_cluster("c", "cp", None).await;
    let former = json!({"metadata": {"finalizers": ["finalizer.controlplane.kamaji.clastix.io"]}});
    let params = PatchParams::default();
    let control_planes = environment.control_planes();
    control_planes
        .patch("cp", &params, &Patch::Merge(former))
        .await
        .unwrap();
    let _provider = environment.start_provider();
    environment.wait_for_tenant("cp").await;
    let live = control_planes.get("cp").await.unwrap().metadata;
    assert_eq!(
        live.finalizers.unwrap(),
        ["finalizer.controlplane.kamaji.clastix.io"]
    );
    environment.delete_control_plane("cp").await;
    environment.release_tenant("cp").await;
    environment.wait_deleted("cp").await;
}
