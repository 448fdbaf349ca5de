#![expect(
    clippy::needless_pass_by_value,
    reason = "json! makes values, not references"
)]

use serde_json::{Value, json};

use crate::admission::{
    Facts, Request,
    fixture::{all_pass, all_refused, all_warned, facts, tenant},
    validate,
};

fn ingress(hostname: &str) -> Value {
    json!({"controlPlane": {"ingress": {"hostname": hostname}}})
}

fn gateway(hostname: &str) -> Value {
    json!({"controlPlane": {"gateway": {"hostname": hostname, "parentRefs": [{"name": "gw"}]}}})
}

fn konnectivity(port: i32) -> Value {
    json!({"addons": {"konnectivity": {"server": {"port": port}}}})
}

fn ports(ports: Value) -> Value {
    json!({"controlPlane": {"service": {"additionalPorts": ports}}})
}

#[test]
fn valid_hosts_and_ports_pass() {
    all_pass([
        ingress("demo.example.com"),
        ingress("demo.example.com:8443"),
        ingress("*.example.com"),
        gateway("demo.example.com"),
        konnectivity(8132),
        ports(json!([
            {"name": "metrics", "port": 9000, "targetPort": "metrics"},
            {"name": "dns-udp", "port": 53, "protocol": "UDP", "targetPort": 53},
            {"name": "dns-tcp", "port": 53, "targetPort": 53},
        ])),
    ]);
}

#[test]
fn invalid_hosts_and_ports_are_refused() {
    let port = |port: Value| ports(json!([port]));
    all_refused([
        (
            json!({"controlPlane": {"ingress": {}}}),
            "ingress.hostname is missing",
        ),
        (ingress(""), "ingress.hostname is missing"),
        (ingress("https://demo"), "not a host name"),
        (ingress("demo:0"), "not a host name"),
        (ingress("Demo.example.com"), "not a host name"),
        (
            json!({"controlPlane": {"gateway": {"parentRefs": [{"name": "gw"}]}}}),
            "gateway.hostname is missing",
        ),
        (gateway("demo:443"), "not a host name"),
        (konnectivity(0), "server.port"),
        (konnectivity(6443), "taken by kube-apiserver"),
        (konnectivity(8134), "health port"),
        (
            json!({"networkProfile": {"port": 10259}}),
            "taken by kube-scheduler",
        ),
        (
            port(json!({"name": "Metrics", "port": 9000, "targetPort": 1})),
            "additionalPorts[0].name",
        ),
        (
            port(json!({"name": "m", "port": 0, "targetPort": 1})),
            "additionalPorts[0].port",
        ),
        (
            port(json!({"name": "m", "port": 1, "targetPort": 70000})),
            "additionalPorts[0].targetPort",
        ),
        (
            port(json!({"name": "m", "port": 1, "targetPort": "a".repeat(16)})),
            "targetPort",
        ),
        (
            port(json!({"name": "kube-apiserver", "port": 1, "targetPort": 1})),
            "there twice",
        ),
        (
            port(json!({"name": "m", "port": 6443, "targetPort": 1})),
            "taken by kube-apiserver",
        ),
        (
            ports(json!([
                {"name": "a", "port": 1, "targetPort": 1},
                {"name": "b", "port": 1, "targetPort": 1},
            ])),
            "1/TCP is taken by a",
        ),
    ]);
}

#[test]
fn a_gateway_needs_the_gateway_api() {
    let new = tenant(gateway("demo.example.com"));
    let facts = Facts {
        tls_routes: false,
        ..facts()
    };
    let refusals = validate(&Request {
        new: &new,
        old: None,
        facts: &facts,
    })
    .expect_err("refused");
    assert!(refusals[0].to_string().contains("TLSRoute"));
}

#[test]
fn hosts_and_ports_that_may_not_be_reachable_give_a_warning() {
    let node_port = |port: i32| {
        json!({
            "controlPlane": {"service": {"serviceType": "NodePort"}},
            "networkProfile": {"port": port},
        })
    };
    all_warned([
        (node_port(6443), "30000-32767"),
        (
            json!({"controlPlane": {"gateway": {"hostname": "demo.example.com"}}}),
            "parentRefs",
        ),
    ]);
    all_pass([node_port(30_000), node_port(32_767)]);
}

#[test]
fn external_ip_of_a_load_balancer_gives_a_warning() {
    let external_ip = |type_: &str, allowed: bool| {
        json!({
            "controlPlane": {"service": {"serviceType": type_}},
            "networkProfile": {"address": "192.0.2.10", "allowAddressAsExternalIP": allowed},
        })
    };
    all_warned([(
        external_ip("LoadBalancer", true),
        "allowAddressAsExternalIP does nothing",
    )]);
    all_pass([
        external_ip("LoadBalancer", false),
        external_ip("ClusterIP", true),
    ]);
}
