//! Tenant clusters whose API servers come, go and hang.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kamaji_e2e::envtest::free_port;
use kamaji_operator::settings::Settings;
use kube::Api;
use serde_json::json;

use crate::{
    control_plane::{ControlPlane, LOOPBACK, deployment},
    environment::{Environment, Operator},
};

/// A tenant `t` whose tenant cluster is as planned, compared anew every few seconds.
async fn running() -> (Environment, Operator, ControlPlane) {
    let environment = Environment::new_with(&[LOOPBACK]).await;
    let operator = environment.run(Settings {
        tenant_cluster_resync: Duration::from_secs(2),
        ..Environment::settings()
    });
    let port = free_port().unwrap();
    environment
        .tenant("t", json!({"networkProfile": {"port": port}}))
        .await;
    environment.written("t").await;
    let control_plane = ControlPlane::start(&environment, "t", port).await;
    deployment(&environment, "t", 1, json!([])).await;
    environment
        .reason("t", "TenantClusterConfigured", "AsPlanned")
        .await;
    (environment, operator, control_plane)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_cluster_whose_api_server_was_killed_and_came_back_is_ready_within_a_minute() {
    let (environment, _operator, mut control_plane) = running().await;
    control_plane.kill();
    environment
        .reason("t", "TenantClusterConfigured", "TenantApiUnreachable")
        .await;
    deployment(&environment, "t", 0, json!([])).await;
    environment
        .reason("t", "ControlPlaneAvailable", "NoReplicaReady")
        .await;
    // Longer than any timer that was set before the control plane was seen to be down.
    tokio::time::sleep(Duration::from_secs(10)).await;
    control_plane.resume();
    deployment(&environment, "t", 1, json!([])).await;
    environment
        .reason("t", "TenantClusterConfigured", "AsPlanned")
        .await;
    environment.reason("t", "Ready", "AsPlanned").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_cluster_whose_api_server_hung_longer_than_a_reconcile_may_is_ready_within_a_minute()
 {
    let (environment, _operator, control_plane) = running().await;
    control_plane.signal("-STOP");
    environment
        .reason("t", "TenantClusterConfigured", "TenantApiUnreachable")
        .await;
    tokio::time::sleep(Duration::from_secs(45)).await;
    control_plane.signal("-CONT");
    environment
        .reason("t", "TenantClusterConfigured", "AsPlanned")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_repaired_after_the_control_plane_was_down_when_the_timer_rang() {
    let (environment, _operator, _control_plane) = running().await;
    deployment(&environment, "t", 0, json!([])).await;
    environment
        .reason("t", "ControlPlaneAvailable", "NoReplicaReady")
        .await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    deployment(&environment, "t", 1, json!([])).await;
    environment
        .reason("t", "ControlPlaneAvailable", "ReplicasReady")
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tenant = environment.tenant_client("t").await;
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(tenant, "kube-system");
    maps.delete("kubeadm-config", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    crate::environment::until("kubeadm-config to be back", async || {
        maps.get_opt("kubeadm-config").await.ok()?.map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_on_writes_that_nobody_can_enforce_are_told_and_not_claimed() {
    let (environment, _operator, _control_plane) = running().await;
    environment
        .tenant(
            "t",
            json!({"writePermissions": {"blockCreation": true}, "networkProfile": {"port": environment.port("t").await}}),
        )
        .await;
    let why = environment
        .reason("t", "TenantClusterConfigured", "WriteLimitUnavailable")
        .await;
    assert!(why.contains("--webhook-bind-address"), "{why}");
    let live = environment.tenants().get("t").await.unwrap();
    let status = serde_json::to_value(live.status).unwrap();
    let phase = &status["kubernetesResources"]["version"]["status"];
    assert_ne!(phase, "WriteLimited");
    let tenant = environment.tenant_client("t").await;
    let limits: Api<ValidatingWebhookConfiguration> = Api::all(tenant);
    let found = limits.get_opt("kamaji-write-permissions").await.unwrap();
    assert!(found.is_none());
}
