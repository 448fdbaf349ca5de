use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use crate::world::{World, until};

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

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_killed_at_any_moment_makes_no_key_twice() {
    let world = World::new().await;
    let mark = world.api.audit().mark().unwrap();
    let names = ["a", "b", "c", "d"];
    for (index, name) in names.iter().enumerate() {
        world
            .tenant(
                name,
                json!({"addons": {"konnectivity": {"server": {"port": 8132}}}}),
            )
            .await;
        for kill in 0..5_u64 {
            let operator = world.operator();
            // Spread over the second that one tenant takes, differently each time.
            let moment = (kill * 173 + index as u64 * 61) % 700 + 40;
            tokio::time::sleep(Duration::from_millis(moment)).await;
            drop(operator);
        }
    }
    let _operator = world.operator();
    let mut created: BTreeMap<String, usize> = BTreeMap::new();
    for name in names {
        world.written(name).await;
    }
    for entry in world.writes(mark) {
        if entry.verb == "create" && entry.response_status.code == 201 {
            let name = entry.object_ref.name;
            *created.entry(name).or_default() += 1;
        }
    }
    for name in names {
        for authority in ["ca", "front-proxy-ca-certificate", "sa-certificate"] {
            let secret = format!("{name}-{authority}");
            assert_eq!(created.get(&secret), Some(&1), "{secret} in {created:?}");
        }
    }
    let secrets = until("every Secret", async || {
        let list = world
            .secrets()
            .list(&kube::api::ListParams::default())
            .await
            .ok()?;
        (list.items.len() == names.len() * 13).then_some(list.items.len())
    });
    secrets.await;
}
