//! Tenants converge to objects that do not change any more, also when a load balancer's address or the Gateway API
//! appears late.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kamaji_operator::settings::Settings;
use kube::api::ApiResource;
use serde_json::json;

use crate::environment::{Environment, wait_until};

/// Seconds without a write that the test demands: 10, and five minutes in `make soak`.
fn quiescent_seconds() -> u64 {
    if std::env::var_os("KAMAJI_SOAK").is_some() {
        300
    } else {
        10
    }
}

/// Settings of an operator that measures each tenant's data every five seconds.
fn measuring() -> Settings {
    Settings {
        tenant_usage: Duration::from_secs(5),
        ..Environment::settings()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_converge_and_the_operator_writes_nothing_more_not_even_after_a_restart() {
    let environment = Environment::new().await;
    let operator = environment.run(measuring());
    environment
        .tenant(
            "plain",
            json!({"addons": {"konnectivity": {"server": {"port": 8132}}}}),
        )
        .await;
    environment
        .tenant(
            "waiting",
            json!({"controlPlane": {"service": {"serviceType": "LoadBalancer"}}}),
        )
        .await;
    let node_port = json!({
        "controlPlane": {"service": {"serviceType": "NodePort"}},
        "networkProfile": {"address": "192.0.2.7", "port": 31443},
    });
    environment.tenant("fixed", node_port).await;
    environment.wait_for_objects("plain").await;
    environment.wait_for_objects("fixed").await;
    let message = environment
        .wait_for_condition("waiting", "EndpointAssigned", "LoadBalancerPending")
        .await;
    assert!(message.contains("load balancer controller"), "{message}");
    // The first measurement of a tenant's data is published, and the later ones only when they differ.
    for name in ["plain", "waiting", "fixed"] {
        wait_until(&format!("the size of {name}"), async || {
            let tenant = environment.tenants().get(name).await.ok()?;
            tenant.status?.storage?.usage?.bytes
        })
        .await;
    }
    // The DataStore's list of its users is written a moment later.
    tokio::time::sleep(Duration::from_secs(4)).await;
    environment.assert_quiescent(quiescent_seconds()).await;
    drop(operator);
    let _restarted = environment.run(measuring());
    environment.assert_quiescent(8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_balancer_address_that_appears_late_becomes_the_control_plane_endpoint() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment
        .tenant(
            "late",
            json!({"controlPlane": {"service": {"serviceType": "LoadBalancer"}}}),
        )
        .await;
    environment
        .wait_for_condition("late", "EndpointAssigned", "LoadBalancerPending")
        .await;
    assert!(
        environment.secret("late-ca").await.is_some(),
        "the objects that need no address exist already"
    );
    let services: kube::Api<k8s_openapi::api::core::v1::Service> =
        kube::Api::namespaced(environment.client.clone(), crate::environment::NAMESPACE);
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.80"}]}}});
    let params = kube::api::PatchParams::default();
    services
        .patch_status("late", &params, &kube::api::Patch::Merge(status))
        .await
        .unwrap();
    environment.wait_for_objects("late").await;
    let tenant = environment.tenants().get("late").await.unwrap();
    let endpoint = tenant.status.unwrap().control_plane_endpoint.unwrap();
    assert_eq!(endpoint, "192.0.2.80:6443");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_api_that_is_installed_late_is_used_without_a_restart() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    let gateway = json!({"hostname": "t.example.com", "parentRefs": [{"name": "edge"}]});
    environment
        .tenant("t", json!({"controlPlane": {"gateway": gateway}}))
        .await;
    crate::environment::wait_until("a Service", async || {
        let services = ApiResource::erase::<k8s_openapi::api::core::v1::Service>(&());
        (!environment.owned(&services, "t").await.is_empty()).then_some(())
    })
    .await;
    environment
        .wait_for_condition("t", "Reconciled", "GatewayApiMissing")
        .await;
    environment.apply(tls_route_definition()).await;
    let routes = ApiResource {
        group: "gateway.networking.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "gateway.networking.k8s.io/v1".to_owned(),
        kind: "TLSRoute".to_owned(),
        plural: "tlsroutes".to_owned(),
    };
    let api: kube::Api<kube::api::DynamicObject> = kube::Api::namespaced_with(
        environment.client.clone(),
        crate::environment::NAMESPACE,
        &routes,
    );
    let route = crate::environment::wait_until("a route", async || {
        let found = api.list(&kube::api::ListParams::default()).await.ok()?;
        found.items.into_iter().next()
    })
    .await;
    assert_eq!(route.data["spec"]["hostnames"][0], "t.example.com");
    environment
        .wait_for_condition("t", "Reconciled", "AsPlanned")
        .await;

    let definitions: kube::Api<CustomResourceDefinition> =
        kube::Api::all(environment.client.clone());
    let name = "tlsroutes.gateway.networking.k8s.io";
    let params = kube::api::DeleteParams::default();
    definitions.delete(name, &params).await.unwrap();
    environment
        .wait_for_condition("t", "Reconciled", "GatewayApiMissing")
        .await;
    environment.apply(tls_route_definition()).await;
    environment
        .wait_for_condition("t", "Reconciled", "AsPlanned")
        .await;
    assert_eq!(
        api.list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

/// Definition of TLSRoutes with a schema that accepts anything.
fn tls_route_definition() -> serde_json::Value {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_new_tenant_is_planned_after_its_service_was_created_and_its_status_patched_once() {
    let environment = Environment::new().await;
    let mark = environment.api.audit().mark().unwrap();
    let _operator = environment.operator();
    environment.tenant("new", json!({})).await;
    environment.wait_for_objects("new").await;
    let writes = environment.writes(mark);
    let position = |name: &str| {
        let found = writes
            .iter()
            .position(|entry| entry.object_ref.name == name);
        found.unwrap_or_else(|| panic!("no write of {name}: {writes:?}"))
    };
    // A plan without an address has the binding and no leaf.
    let certificate = position("new-api-server-certificate");
    assert!(certificate < position("new-datastore-config"), "{writes:?}");
    let patches = writes
        .iter()
        .filter(|entry| entry.uri.contains("/tenantcontrolplanes/new/status"));
    assert_eq!(patches.count(), 1, "{writes:?}");
}
