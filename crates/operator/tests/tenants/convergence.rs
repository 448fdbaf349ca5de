use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ApiResource;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_api_that_is_installed_late_is_noticed_without_a_restart() {
    let world = World::new().await;
    let _operator = world.operator();
    let gateway = json!({"hostname": "t.example.com", "parentRefs": [{"name": "edge"}]});
    world
        .tenant("t", json!({"controlPlane": {"gateway": gateway}}))
        .await;
    crate::world::until("a Service", async || {
        let services = ApiResource::erase::<k8s_openapi::api::core::v1::Service>(&());
        (!world.owned(&services, "t").await.is_empty()).then_some(())
    })
    .await;
    world.reason("t", "Reconciled", "GatewayApiMissing").await;
    world.apply(definition()).await;
    let routes = ApiResource {
        group: "gateway.networking.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "gateway.networking.k8s.io/v1".to_owned(),
        kind: "TLSRoute".to_owned(),
        plural: "tlsroutes".to_owned(),
    };
    let api: kube::Api<kube::api::DynamicObject> =
        kube::Api::namespaced_with(world.client.clone(), crate::world::NAMESPACE, &routes);
    let route = crate::world::until("a route", async || {
        let found = api.list(&kube::api::ListParams::default()).await.ok()?;
        found.items.into_iter().next()
    })
    .await;
    assert_eq!(route.data["spec"]["hostnames"][0], "t.example.com");
    world.reason("t", "Reconciled", "AsPlanned").await;

    let definitions: kube::Api<CustomResourceDefinition> = kube::Api::all(world.client.clone());
    let name = "tlsroutes.gateway.networking.k8s.io";
    let params = kube::api::DeleteParams::default();
    definitions.delete(name, &params).await.unwrap();
    world.reason("t", "Reconciled", "GatewayApiMissing").await;
    world.apply(definition()).await;
    world.reason("t", "Reconciled", "AsPlanned").await;
    assert_eq!(
        api.list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

/// The definition of TLSRoutes, which takes any text.
fn definition() -> serde_json::Value {
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "tlsroutes.gateway.networking.k8s.io",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": "gateway.networking.k8s.io",
            "names": {"kind": "TLSRoute", "listKind": "TLSRouteList", "plural": "tlsroutes", "singular": "tlsroute"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": any}, "subresources": {"status": {}},
            }],
        },
    })
}
