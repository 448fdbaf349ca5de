use std::time::Duration;

use serde_json::json;

use crate::world::World;

/// Seconds: five minutes in `make soak`.
fn rest() -> u64 {
    if std::env::var_os("KAMAJI_SOAK").is_some() {
        300
    } else {
        10
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_converge_and_then_nobody_writes_not_even_after_a_restart() {
    let world = World::new().await;
    let operator = world.operator();
    world
        .tenant(
            "plain",
            json!({"addons": {"konnectivity": {"server": {"port": 8132}}}}),
        )
        .await;
    world
        .tenant(
            "waiting",
            json!({"controlPlane": {"service": {"serviceType": "LoadBalancer"}}}),
        )
        .await;
    let node_port = json!({
        "controlPlane": {"service": {"serviceType": "NodePort"}},
        "networkProfile": {"address": "192.0.2.7", "port": 31443},
    });
    world.tenant("fixed", node_port).await;
    world.written("plain").await;
    world.written("fixed").await;
    let why = world
        .reason("waiting", "EndpointAssigned", "LoadBalancerPending")
        .await;
    assert!(why.contains("load balancer controller"), "{why}");
    // Who uses the DataStore is written down a moment later.
    tokio::time::sleep(Duration::from_secs(4)).await;
    world.at_rest(rest()).await;
    drop(operator);
    let _restarted = world.operator();
    world.at_rest(8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_balancer_address_that_appears_late_is_taken_up() {
    let world = World::new().await;
    let _operator = world.operator();
    world
        .tenant(
            "late",
            json!({"controlPlane": {"service": {"serviceType": "LoadBalancer"}}}),
        )
        .await;
    world
        .reason("late", "EndpointAssigned", "LoadBalancerPending")
        .await;
    assert!(
        world.secret("late-ca").await.is_some(),
        "what needs no address is made already"
    );
    let services: kube::Api<k8s_openapi::api::core::v1::Service> =
        kube::Api::namespaced(world.client.clone(), crate::world::NAMESPACE);
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.80"}]}}});
    let params = kube::api::PatchParams::default();
    services
        .patch_status("late", &params, &kube::api::Patch::Merge(status))
        .await
        .unwrap();
    world.written("late").await;
    let tenant = world.tenants().get("late").await.unwrap();
    let endpoint = tenant.status.unwrap().control_plane_endpoint.unwrap();
    assert_eq!(endpoint, "192.0.2.80:6443");
}
