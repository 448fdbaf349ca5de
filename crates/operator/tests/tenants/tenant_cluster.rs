//! Tenant clusters whose API servers are killed, restarted, or hang: the operator reconciles them again by itself.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kamaji_e2e::ports::free_port;
use kamaji_operator::settings::Settings;
use kube::Api;
use serde_json::json;

use crate::{
    control_plane::{ControlPlane, LOOPBACK, report_deployment_status},
    environment::{Environment, Operator},
};

/// Starts an operator whose resync of tenant clusters takes place every two to three seconds.
pub fn operator(environment: &Environment) -> Operator {
    environment.run(Settings {
        tenant_cluster_resync: Duration::from_secs(2),
        ..Environment::settings()
    })
}

/// Starts a tenant `t` with a running API server, and waits until its tenant cluster is as planned. Its operator is
/// that of [`operator`].
pub async fn running_tenant() -> (Environment, Operator, ControlPlane) {
    let environment = Environment::new_with(&[LOOPBACK]).await;
    let operator = operator(&environment);
    let port = free_port().unwrap();
    environment
        .tenant("t", json!({"networkProfile": {"port": port}}))
        .await;
    environment.wait_for_objects("t").await;
    let control_plane = ControlPlane::start(&environment, "t", port).await;
    report_deployment_status(&environment, "t", 1, json!([])).await;
    environment
        .wait_for_condition("t", "TenantClusterConfigured", "AsPlanned")
        .await;
    (environment, operator, control_plane)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_cluster_whose_api_server_was_killed_and_came_back_is_ready_within_a_minute() {
    let (environment, _operator, mut control_plane) = running_tenant().await;
    control_plane.kill();
    environment
        .wait_for_condition("t", "TenantClusterConfigured", "TenantApiUnreachable")
        .await;
    report_deployment_status(&environment, "t", 0, json!([])).await;
    environment
        .wait_for_condition("t", "ControlPlaneAvailable", "NoReplicaReady")
        .await;
    // Longer than any requeue from before the control plane was observed to be down.
    tokio::time::sleep(Duration::from_secs(10)).await;
    control_plane.resume();
    report_deployment_status(&environment, "t", 1, json!([])).await;
    environment
        .wait_for_condition("t", "TenantClusterConfigured", "AsPlanned")
        .await;
    environment
        .wait_for_condition("t", "Ready", "AsPlanned")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_cluster_whose_api_server_hung_longer_than_the_time_limit_is_ready_within_a_minute()
 {
    let (environment, _operator, control_plane) = running_tenant().await;
    control_plane.signal("-STOP");
    environment
        .wait_for_condition("t", "TenantClusterConfigured", "TenantApiUnreachable")
        .await;
    tokio::time::sleep(Duration::from_secs(45)).await;
    control_plane.signal("-CONT");
    environment
        .wait_for_condition("t", "TenantClusterConfigured", "AsPlanned")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_repaired_after_the_control_plane_was_down_at_the_resync() {
    let (environment, _operator, _control_plane) = running_tenant().await;
    report_deployment_status(&environment, "t", 0, json!([])).await;
    environment
        .wait_for_condition("t", "ControlPlaneAvailable", "NoReplicaReady")
        .await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    report_deployment_status(&environment, "t", 1, json!([])).await;
    environment
        .wait_for_condition("t", "ControlPlaneAvailable", "ReplicasReady")
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tenant = environment.tenant_client("t").await;
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(tenant, "kube-system");
    maps.delete("kubeadm-config", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    crate::environment::wait_until("kubeadm-config to be back", async || {
        maps.get_opt("kubeadm-config").await.ok()?.map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn write_limits_that_cannot_be_enforced_are_reported_and_not_claimed() {
    let (environment, _operator, _control_plane) = running_tenant().await;
    environment
        .tenant(
            "t",
            json!({"writePermissions": {"blockCreation": true}, "networkProfile": {"port": environment.port("t").await}}),
        )
        .await;
    let message = environment
        .wait_for_condition("t", "TenantClusterConfigured", "WriteLimitUnavailable")
        .await;
    assert!(message.contains("--webhook-bind-address"), "{message}");
    let live = environment.tenants().get("t").await.unwrap();
    let status = serde_json::to_value(live.status).unwrap();
    let phase = &status["kubernetesResources"]["version"]["status"];
    assert_ne!(phase, "WriteLimited");
    let tenant = environment.tenant_client("t").await;
    let limits: Api<ValidatingWebhookConfiguration> = Api::all(tenant);
    let found = limits.get_opt("kamaji-write-permissions").await.unwrap();
    assert!(found.is_none());
}
