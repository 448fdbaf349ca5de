use serde_json::{Value, json};

use super::*;
use crate::{
    object::{Kind, Object, ObjectRef},
    render::fixture::tenant,
};

fn wanted(gateway: &Value, konnectivity: bool) -> Vec<Value> {
    let mut changes = json!({"controlPlane": {"gateway": gateway}});
    if konnectivity {
        changes["addons"] = json!({"konnectivity": {}});
    }
    routes(&tenant(changes))
        .iter()
        .map(|route| serde_json::to_value(route).expect("JSON"))
        .collect()
}

fn edge() -> Value {
    json!({
        "hostname": "api.example.com",
        "parentRefs": [{"name": "edge", "namespace": "net", "port": 6443, "sectionName": "api"}],
    })
}

#[test]
fn a_tenant_without_gateway_or_host_name_has_no_route() {
    assert_eq!(wanted(&Value::Null, true), Vec::<Value>::new());
    assert_eq!(
        wanted(&json!({"parentRefs": [{"name": "edge"}]}), true),
        Vec::<Value>::new()
    );
}

#[test]
fn the_api_servers_route_keeps_the_users_parents() {
    let routes = wanted(&edge(), false);
    assert_eq!(routes.len(), 1);
    assert_eq!(routes[0]["apiVersion"], "gateway.networking.k8s.io/v1");
    assert_eq!(routes[0]["kind"], "TLSRoute");
    assert_eq!(routes[0]["metadata"]["name"], "demo");
    let spec = &routes[0]["spec"];
    assert_eq!(spec["hostnames"], json!(["api.example.com"]));
    assert_eq!(spec["parentRefs"][0]["name"], "edge");
    assert_eq!(spec["parentRefs"][0]["port"], 6443);
    assert_eq!(spec["parentRefs"][0]["sectionName"], "api");
    assert_eq!(spec["rules"][0]["backendRefs"][0]["name"], "demo");
    assert_eq!(spec["rules"][0]["backendRefs"][0]["port"], 6443);
}

#[test]
fn a_route_becomes_an_object_without_status() {
    let tenant = tenant(json!({"controlPlane": {"gateway": edge()}}));
    let object = Object::of_json(&routes(&tenant)[0]);
    assert_eq!(
        object.key,
        ObjectRef::namespaced(Kind::TlsRoute, "apps", "demo")
    );
    assert_eq!(object.body.get("status"), None);
}

#[test]
fn konnectivity_has_a_route_to_its_own_listener() {
    let routes = wanted(&edge(), true);
    assert_eq!(routes.len(), 2);
    assert_eq!(routes[1]["metadata"]["name"], "demo-konnectivity");
    let spec = &routes[1]["spec"];
    assert_eq!(spec["parentRefs"][0]["name"], "edge");
    assert_eq!(spec["parentRefs"][0]["namespace"], "net");
    assert_eq!(spec["parentRefs"][0]["port"], 8132);
    assert_eq!(spec["parentRefs"][0]["sectionName"], "konnectivity-server");
    assert_eq!(spec["rules"][0]["backendRefs"][0]["port"], 8132);
    let without_parents = wanted(&json!({"hostname": "api.example.com"}), true);
    assert_eq!(without_parents.len(), 1);
}

fn condition(type_: &str, status: &str) -> Value {
    json!({"type": type_, "status": status, "reason": "R", "message": "",
           "lastTransitionTime": "2026-01-02T03:04:05Z"})
}

fn parent(reference: &Value, accepted: &str) -> Value {
    json!({"parentRef": reference, "controllerName": "example.com/gateway",
           "conditions": [condition("Accepted", accepted)]})
}

fn route(parents: &[Value]) -> TlsRoute {
    serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "TLSRoute",
        "metadata": {"name": "demo", "namespace": "apps"},
        "spec": {"hostnames": ["api.example.com"], "parentRefs": [], "rules": []},
        "status": {"parents": parents},
    }))
    .expect("a route")
}

fn gateway(namespace: &str, programmed: &str, listeners: &[(&str, &str, i32)]) -> Gateway {
    let listeners: Vec<Value> = listeners
        .iter()
        .map(|(name, protocol, port)| json!({"name": name, "protocol": protocol, "port": port}))
        .collect();
    serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "edge", "namespace": namespace},
        "spec": {"gatewayClassName": "example", "listeners": listeners},
        "status": {"conditions": [condition("Programmed", programmed)]},
    }))
    .expect("a gateway")
}

fn ports(parents: &[Value], gateways: &[Gateway]) -> Vec<i32> {
    access_points(&route(parents), gateways)
        .into_iter()
        .map(|point| point.port)
        .collect()
}

#[test]
fn an_access_point_has_the_url_and_the_port() {
    let gateways = [gateway("apps", "True", &[("api", "TLS", 6443)])];
    let points = access_points(
        &route(&[parent(&json!({"name": "edge"}), "True")]),
        &gateways,
    );
    let points = serde_json::to_value(points).expect("JSON");
    let expected =
        json!([{"type": "Hostname", "value": "https://api.example.com:6443", "port": 6443}]);
    assert_eq!(points, expected);
}

#[test]
fn only_tls_listeners_of_the_parent_give_access_points() {
    let listeners = [
        ("api", "TLS", 6443),
        ("web", "HTTPS", 443),
        ("other", "TLS", 8443),
    ];
    let gateways = [gateway("net", "True", &listeners)];
    let cases = [
        (
            json!({"name": "edge", "namespace": "net"}),
            vec![6443, 8443],
        ),
        (
            json!({"name": "edge", "namespace": "net", "port": 8443}),
            vec![8443],
        ),
        (
            json!({"name": "edge", "namespace": "net", "sectionName": "api"}),
            vec![6443],
        ),
        (
            json!({"name": "edge", "namespace": "net", "sectionName": "api", "port": 1}),
            vec![],
        ),
        (json!({"name": "edge"}), vec![]),
        (json!({"name": "gone", "namespace": "net"}), vec![]),
    ];
    for (reference, expected) in cases {
        assert_eq!(
            ports(&[parent(&reference, "True")], &gateways),
            expected,
            "{reference}"
        );
    }
}

#[test]
fn parents_that_are_not_accepted_or_programmed_give_no_access_point() {
    let reference = json!({"name": "edge"});
    let listeners = [("api", "TLS", 6443)];
    let ready = [gateway("apps", "True", &listeners)];
    let unready = [gateway("apps", "False", &listeners)];
    assert_eq!(ports(&[], &ready), [0; 0]);
    assert_eq!(ports(&[parent(&reference, "False")], &ready), [0; 0]);
    assert_eq!(ports(&[parent(&reference, "True")], &unready), [0; 0]);
    let several = [parent(&reference, "True"), parent(&reference, "True")];
    assert_eq!(ports(&several, &ready), [6443]);
}
