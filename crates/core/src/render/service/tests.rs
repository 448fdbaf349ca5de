use serde_json::{Value, json};

use super::*;
use crate::render::fixture::tenant;

/// The spec of the Service of a tenant with these changes.
fn spec(changes: Value) -> Value {
    let service = service(&tenant(changes), Some([192, 0, 2, 10].into()));
    serde_json::to_value(service.spec).expect("JSON")
}

/// (name, port, nodePort) of each port.
fn ports(spec: &Value) -> Vec<(String, i64, Option<i64>)> {
    let ports = spec["ports"].as_array().expect("ports");
    ports
        .iter()
        .map(|port| {
            assert_eq!(port["protocol"].as_str().map(str::is_empty), Some(false));
            let name = port["name"].as_str().expect("a name").to_owned();
            (
                name,
                port["port"].as_i64().expect("a port"),
                port["nodePort"].as_i64(),
            )
        })
        .collect()
}

fn of_type(kind: &str) -> Value {
    json!({"controlPlane": {"service": {"serviceType": kind}}})
}

fn named(name: &str, port: i64, node_port: Option<i64>) -> (String, i64, Option<i64>) {
    (name.to_owned(), port, node_port)
}

#[test]
fn only_a_node_port_service_asks_for_node_ports() {
    for (kind, node_port) in [
        ("ClusterIP", None),
        ("LoadBalancer", None),
        ("NodePort", Some(6443)),
    ] {
        let spec = spec(of_type(kind));
        assert_eq!(spec["type"], kind);
        assert_eq!(spec["selector"], json!({"kamaji.clastix.io/name": "demo"}));
        assert_eq!(ports(&spec), [named("kube-apiserver", 6443, node_port)]);
    }
}

#[test]
fn konnectivity_comes_second_and_the_users_ports_last() {
    let mut changes = of_type("NodePort");
    changes["networkProfile"] = json!({"port": 31443});
    changes["addons"] = json!({"konnectivity": {"server": {"port": 31132}}});
    changes["controlPlane"]["service"]["additionalPorts"] = json!([
        {"name": "metrics", "port": 9090, "targetPort": "http", "appProtocol": "http"},
        {"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP"},
    ]);
    let spec = spec(changes);
    assert_eq!(
        ports(&spec),
        [
            named("kube-apiserver", 31443, Some(31443)),
            named("konnectivity-server", 31132, Some(31132)),
            named("metrics", 9090, None),
            named("dns", 53, None),
        ]
    );
    assert_eq!(spec["ports"][2]["targetPort"], "http");
    assert_eq!(spec["ports"][2]["protocol"], "TCP");
    assert_eq!(spec["ports"][2]["appProtocol"], "http");
    assert_eq!(spec["ports"][3]["protocol"], "UDP");
}

#[test]
fn a_load_balancer_allocates_node_ports_by_default() {
    let spec = spec(of_type("LoadBalancer"));
    assert_eq!(spec["allocateLoadBalancerNodePorts"], true);
    assert_eq!(spec["loadBalancerClass"], Value::Null);
    assert_eq!(spec["loadBalancerSourceRanges"], Value::Null);
}

#[test]
fn a_load_balancer_without_node_ports_releases_them() {
    let mut changes = of_type("LoadBalancer");
    changes["controlPlane"]["service"]["allocateLoadBalancerNodePorts"] = json!(false);
    changes["networkProfile"] = json!({
        "loadBalancerClass": "example.com/internal",
        "loadBalancerSourceRanges": ["198.51.100.0/24"],
    });
    let spec = spec(changes);
    assert_eq!(spec["allocateLoadBalancerNodePorts"], false);
    assert_eq!(spec["loadBalancerClass"], "example.com/internal");
    assert_eq!(spec["loadBalancerSourceRanges"], json!(["198.51.100.0/24"]));
    assert_eq!(ports(&spec), [named("kube-apiserver", 6443, Some(0))]);
}

#[test]
fn load_balancer_settings_do_not_reach_other_types() {
    let mut changes = of_type("ClusterIP");
    changes["networkProfile"] = json!({
        "loadBalancerClass": "example.com/internal",
        "loadBalancerSourceRanges": ["198.51.100.0/24"],
    });
    let spec = spec(changes);
    for field in [
        "allocateLoadBalancerNodePorts",
        "loadBalancerClass",
        "loadBalancerSourceRanges",
    ] {
        assert_eq!(spec[field], Value::Null);
    }
}

#[test]
fn the_address_becomes_an_external_ip_only_where_allowed() {
    let wanted = |kind: &str, allowed: bool, address: Option<&str>| {
        let mut changes = of_type(kind);
        changes["networkProfile"] =
            json!({"allowAddressAsExternalIP": allowed, "address": address});
        spec(changes)["externalIPs"].clone()
    };
    let given = Some("192.0.2.77");
    assert_eq!(wanted("ClusterIP", true, given), json!(["192.0.2.77"]));
    assert_eq!(wanted("NodePort", true, given), json!(["192.0.2.77"]));
    assert_eq!(wanted("ClusterIP", true, None), json!(["192.0.2.10"]));
    assert_eq!(wanted("ClusterIP", false, given), Value::Null);
    assert_eq!(wanted("LoadBalancer", true, given), Value::Null);
}

#[test]
fn address_families_are_those_of_the_spec() {
    let spec = spec(json!({"controlPlane": {"service": {
        "serviceType": "LoadBalancer", "ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"],
    }}}));
    assert_eq!(spec["ipFamilyPolicy"], "RequireDualStack");
    assert_eq!(spec["ipFamilies"], json!(["IPv6", "IPv4"]));
}

#[test]
fn address_families_are_left_to_the_api_server() {
    let spec = spec(json!({"networkProfile": {
        "serviceCidrs": ["10.96.0.0/16", "2001:db8:1::/112"],
        "podCidrs": ["10.244.0.0/16", "2001:db8:2::/64"],
    }}));
    assert_eq!(spec["ipFamilies"], Value::Null);
    assert_eq!(spec["ipFamilyPolicy"], Value::Null);
}
