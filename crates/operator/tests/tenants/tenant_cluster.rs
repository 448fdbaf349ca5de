//! Tenant clusters whose API servers come, go and hang.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kamaji_e2e::envtest::free_port;
use kamaji_operator::settings::Settings;
use kube::Api;
use serde_json::json;

use crate::{
    control_plane::{ControlPlane, LOOPBACK, deployment},
    world::{Operator, World},
};

/// A tenant `t` whose tenant cluster is as planned, compared anew every few seconds.
async fn running() -> (World, Operator, ControlPlane) {
    let world = World::new_with(&[LOOPBACK]).await;
    let operator = world.run(Settings {
        inside_resync: Duration::from_secs(2),
        ..World::settings()
    });
    let port = free_port().unwrap();
    world
        .tenant("t", json!({"networkProfile": {"port": port}}))
        .await;
    world.written("t").await;
    let control_plane = ControlPlane::start(&world, "t", port).await;
    deployment(&world, "t", 1, json!([])).await;
    world.reason("t", "InsideReady", "AsPlanned").await;
    (world, operator, control_plane)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_cluster_whose_api_server_was_killed_and_came_back_is_ready_within_a_minute() {
    let (world, _operator, mut control_plane) = running().await;
    control_plane.kill();
    world.reason("t", "InsideReady", "InsideUnreachable").await;
    deployment(&world, "t", 0, json!([])).await;
    world
        .reason("t", "ControlPlaneAvailable", "NoReplicaReady")
        .await;
    // Longer than any timer that was set before the control plane was seen to be down.
    tokio::time::sleep(Duration::from_secs(10)).await;
    control_plane.resume();
    deployment(&world, "t", 1, json!([])).await;
    world.reason("t", "InsideReady", "AsPlanned").await;
    world.reason("t", "Ready", "AsPlanned").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_cluster_whose_api_server_hung_longer_than_a_reconcile_may_is_ready_within_a_minute()
 {
    let (world, _operator, control_plane) = running().await;
    control_plane.signal("-STOP");
    world.reason("t", "InsideReady", "InsideUnreachable").await;
    tokio::time::sleep(Duration::from_secs(45)).await;
    control_plane.signal("-CONT");
    world.reason("t", "InsideReady", "AsPlanned").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_repaired_after_the_control_plane_was_down_when_the_timer_rang() {
    let (world, _operator, _control_plane) = running().await;
    deployment(&world, "t", 0, json!([])).await;
    world
        .reason("t", "ControlPlaneAvailable", "NoReplicaReady")
        .await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    deployment(&world, "t", 1, json!([])).await;
    world
        .reason("t", "ControlPlaneAvailable", "ReplicasReady")
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tenant = world.tenant_client("t").await;
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(tenant, "kube-system");
    maps.delete("kubeadm-config", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    crate::world::until("kubeadm-config to be back", async || {
        maps.get_opt("kubeadm-config").await.ok()?.map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_on_writes_that_nobody_can_enforce_are_told_and_not_claimed() {
    let (world, _operator, _control_plane) = running().await;
    world
        .tenant(
            "t",
            json!({"writePermissions": {"blockCreation": true}, "networkProfile": {"port": world.port("t").await}}),
        )
        .await;
    let why = world
        .reason("t", "InsideReady", "WriteLimitUnavailable")
        .await;
    assert!(why.contains("--webhook-bind-address"), "{why}");
    let live = world.tenants().get("t").await.unwrap();
    let status = serde_json::to_value(live.status).unwrap();
    let phase = &status["kubernetesResources"]["version"]["status"];
    assert_ne!(phase, "WriteLimited");
    let tenant = world.tenant_client("t").await;
    let limits: Api<ValidatingWebhookConfiguration> = Api::all(tenant);
    let found = limits.get_opt("kamaji-write-permissions").await.unwrap();
    assert!(found.is_none());
}
