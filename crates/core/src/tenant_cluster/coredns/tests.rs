use serde_json::{Value, json};

use crate::tenant_cluster::fixture::{find, planned};

fn service(network: Value) -> Value {
    let plan = planned(json!({"spec": {"networkProfile": network}}));
    find(&plan, "Service kube-system/kube-dns").body["spec"].clone()
}

#[test]
fn service_has_the_dns_address_of_the_kubelets() {
    assert_eq!(service(json!({}))["clusterIP"], "10.112.0.10");
    let chosen = service(json!({"dnsServiceIPs": ["10.112.0.53"]}));
    assert_eq!(chosen["clusterIP"], "10.112.0.53");
    assert!(chosen.get("clusterIPs").is_none());
    let six = service(
        json!({"serviceCidr": null, "serviceCidrs": ["fd00::/112"], "dnsServiceIPs": ["fd00::10"]}),
    );
    assert_eq!(six["clusterIP"], "fd00::10");
}

#[test]
fn addresses_of_two_families_are_dual_stack() {
    let network = json!({
        "serviceCidrs": ["fd00::/112", "10.112.0.0/16"],
        "dnsServiceIPs": ["fd00::10", "10.112.0.10"],
    });
    let spec = service(network);
    assert_eq!(spec["clusterIP"], "fd00::10");
    assert_eq!(spec["clusterIPs"], json!(["fd00::10", "10.112.0.10"]));
    assert_eq!(spec["ipFamilies"], json!(["IPv6", "IPv4"]));
    assert_eq!(spec["ipFamilyPolicy"], "PreferDualStack");
}

#[test]
fn two_addresses_of_one_family_are_single_stack() {
    let spec = service(json!({"dnsServiceIPs": ["10.112.0.10", "10.112.0.11"]}));
    assert_eq!(spec["clusterIP"], "10.112.0.10");
    assert!(spec.get("ipFamilies").is_none());
}

#[test]
fn repository_and_tag_count_independently() {
    let rows = [
        (json!({}), "registry.k8s.io/coredns/coredns:v1.14.2"),
        (
            json!({"imageTag": "v9"}),
            "registry.k8s.io/coredns/coredns:v9",
        ),
        (
            json!({"imageRepository": "example.com/k8s"}),
            "example.com/k8s/coredns:v1.14.2",
        ),
        (
            json!({"imageRepository": "registry.k8s.io"}),
            "registry.k8s.io/coredns/coredns:v1.14.2",
        ),
    ];
    for (addon, expected) in rows {
        let plan = planned(json!({"spec": {"addons": {"coreDNS": addon}}}));
        let body = &find(&plan, "Deployment kube-system/coredns").body;
        assert_eq!(
            body["spec"]["template"]["spec"]["containers"][0]["image"],
            expected
        );
    }
}

#[test]
fn corefile_uses_the_cluster_domain_everywhere() {
    let plan = planned(json!({"spec": {"networkProfile": {"clusterDomain": "example.internal"}}}));
    let body = &find(&plan, "ConfigMap kube-system/coredns").body;
    let corefile = body["data"]["Corefile"].as_str().unwrap();
    assert_eq!(corefile.matches("example.internal").count(), 3);
    assert!(!corefile.contains("cluster.local"));
}
