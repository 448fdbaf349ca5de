//! A control plane goes after its TenantControlPlane, and never before.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::environment::{Environment, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_waits_for_its_tenant_to_be_gone() {
    let environment = Environment::new().await;
    let _provider = environment.provider();
    environment.cluster("c", "cp", None).await;
    environment.asked("cp").await;
    // The operator's finalizer, and the garbage collector's by the foreground deletion.
    let mine = Patch::Merge(json!({"metadata": {"finalizers": ["finalizer.kamaji.clastix.io"]}}));
    let params = PatchParams::default();
    environment
        .tenants()
        .patch("cp", &params, &mine)
        .await
        .unwrap();
    until("the finalizer of the control plane", async || {
        environment
            .control_planes()
            .get("cp")
            .await
            .ok()?
            .metadata
            .finalizers
    })
    .await;

    environment
        .control_planes()
        .delete("cp", &DeleteParams::default())
        .await
        .unwrap();
    until("the tenant to be deleted", async || {
        environment
            .tenants()
            .get("cp")
            .await
            .ok()?
            .metadata
            .deletion_timestamp
    })
    .await;
    let why = environment
        .says("cp", "Deleting", ("True", "TenantControlPlaneDeleting"))
        .await;
    assert!(why.contains("cp"), "{why}");
    environment.at_rest(5).await;
    assert!(
        environment
            .control_planes()
            .get_opt("cp")
            .await
            .unwrap()
            .is_some()
    );

    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    environment
        .tenants()
        .patch("cp", &params, &none)
        .await
        .unwrap();
    until("the control plane to be gone", async || {
        environment
            .control_planes()
            .get_opt("cp")
            .await
            .ok()?
            .is_none()
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_whose_cluster_is_gone_already_can_be_deleted() {
    let environment = Environment::new().await;
    let _provider = environment.provider();
    environment.cluster("c", "cp", None).await;
    environment.asked("cp").await;
    let like = json!({
        "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster",
        "metadata": {"namespace": "default"},
    });
    environment
        .at(&like)
        .delete("c", &DeleteParams::default())
        .await
        .unwrap();
    environment
        .says("cp", "Available", ("False", "ClusterMissing"))
        .await;
    environment
        .control_planes()
        .delete("cp", &DeleteParams::default())
        .await
        .unwrap();
    until("the tenant to be deleted", async || {
        environment
            .tenants()
            .get("cp")
            .await
            .ok()?
            .metadata
            .deletion_timestamp
    })
    .await;
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    environment
        .tenants()
        .patch("cp", &PatchParams::default(), &none)
        .await
        .unwrap();
    until("the control plane to be gone", async || {
        environment
            .control_planes()
            .get_opt("cp")
            .await
            .ok()?
            .is_none()
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_goes_before_its_deleted_control_plane_is_not_made_again() {
    let environment = Environment::new().await;
    let provider = environment.provider();
    environment.cluster("c", "cp", None).await;
    environment.asked("cp").await;
    // Somebody else's finalizer, as of a tool that tears both down by itself.
    let control_planes = environment.control_planes();
    let held = until("the finalizer of the control plane", async || {
        control_planes.get("cp").await.ok()?.metadata.finalizers
    })
    .await;
    let both = [held, vec!["example.com/teardown".to_owned()]].concat();
    let patch = Patch::Merge(json!({"metadata": {"finalizers": both}}));
    let params = PatchParams::default();
    control_planes.patch("cp", &params, &patch).await.unwrap();
    let now = DeleteParams::default();
    control_planes.delete("cp", &now).await.unwrap();
    tenant_goes(&environment).await;
    until("the tenant to be gone", async || {
        environment
            .tenants()
            .get_opt("cp")
            .await
            .ok()?
            .is_none()
            .then_some(())
    })
    .await;
    environment.at_rest(3).await;
    drop(provider);
    // Nor by a new process.
    let _provider = environment.provider();
    until("our finalizer to be gone", async || {
        let live = control_planes.get("cp").await.ok()?.metadata.finalizers?;
        (live == ["example.com/teardown"]).then_some(())
    })
    .await;
    environment.at_rest(3).await;
    assert!(environment.tenants().get_opt("cp").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_finalizer_of_earlier_releases_is_kept_and_removed() {
    let environment = Environment::new().await;
    environment.cluster("c", "cp", None).await;
    let former = json!({"metadata": {"finalizers": ["finalizer.controlplane.kamaji.clastix.io"]}});
    let params = PatchParams::default();
    let control_planes = environment.control_planes();
    control_planes
        .patch("cp", &params, &Patch::Merge(former))
        .await
        .unwrap();
    let _provider = environment.provider();
    environment.asked("cp").await;
    let live = control_planes.get("cp").await.unwrap().metadata;
    assert_eq!(
        live.finalizers.unwrap(),
        ["finalizer.controlplane.kamaji.clastix.io"]
    );
    control_planes
        .delete("cp", &DeleteParams::default())
        .await
        .unwrap();
    tenant_goes(&environment).await;
    until("the control plane to be gone", async || {
        control_planes
            .get_opt("cp")
            .await
            .ok()?
            .is_none()
            .then_some(())
    })
    .await;
}

/// Plays the operator and the garbage collector, once the tenant is deleted.
async fn tenant_goes(environment: &Environment) {
    until("the tenant to be deleted", async || {
        environment
            .tenants()
            .get("cp")
            .await
            .ok()?
            .metadata
            .deletion_timestamp
    })
    .await;
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let params = PatchParams::default();
    environment
        .tenants()
        .patch("cp", &params, &none)
        .await
        .unwrap();
}
