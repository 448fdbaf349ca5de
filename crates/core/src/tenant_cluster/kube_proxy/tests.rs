use serde_json::{Value, json};

use crate::{
    render::Renderer,
    tenant_cluster::fixture::{Fixture, find, planned},
};

fn image(spec: Value) -> String {
    let plan = planned(json!({"spec": spec}));
    let body = &find(&plan, "DaemonSet kube-system/kube-proxy").body;
    body["spec"]["template"]["spec"]["containers"][0]["image"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn repository_and_tag_count_independently() {
    let rows = [
        (json!({}), "registry.k8s.io/kube-proxy:v1.36.3"),
        (
            json!({"imageTag": "v1+x"}),
            "registry.k8s.io/kube-proxy:v1_x",
        ),
        (
            json!({"imageRepository": "example.com/k8s"}),
            "example.com/k8s/kube-proxy:v1.36.3",
        ),
        (
            json!({"imageRepository": "", "imageTag": ""}),
            "registry.k8s.io/kube-proxy:v1.36.3",
        ),
    ];
    for (addon, expected) in rows {
        assert_eq!(image(json!({"addons": {"kubeProxy": addon}})), expected);
    }
    let version = json!({"kubernetes": {"version": "v1.35.1+vendor.1"}});
    assert_eq!(
        image(version),
        "registry.k8s.io/kube-proxy:v1.35.1_vendor.1"
    );
}

#[test]
fn both_files_are_yaml_and_name_the_api_server() {
    let plan = planned(json!({"spec": {"networkProfile": {"address": "2001:db8::10"}}}));
    let data = &find(&plan, "ConfigMap kube-system/kube-proxy").body["data"];
    let read =
        |key: &str| -> Value { serde_saphyr::from_str(data[key].as_str().unwrap()).unwrap() };
    let kubeconfig = read("kubeconfig.conf");
    assert_eq!(
        kubeconfig["clusters"][0]["cluster"]["server"],
        "https://[2001:db8::10]:6443"
    );
    let config = read("config.conf");
    assert_eq!(config["kind"], "KubeProxyConfiguration");
    assert_eq!(
        config["clientConnection"]["kubeconfig"],
        "/var/lib/kube-proxy/kubeconfig.conf"
    );
}

#[test]
fn newest_renderer_sets_the_pod_ranges() {
    let ranges = |renderer, network: Value| {
        let fixture = Fixture {
            renderer: Some(renderer),
            ..Fixture::with(json!({"spec": {"networkProfile": network}}))
        };
        let plan = fixture.content();
        let data = &find(&plan, "ConfigMap kube-system/kube-proxy").body["data"];
        let config: Value = serde_saphyr::from_str(data["config.conf"].as_str().unwrap()).unwrap();
        config["clusterCIDR"].as_str().unwrap().to_owned()
    };
    let both = || json!({"podCidrs": ["10.113.0.0/16", "fd00:10:113::/56"]});
    assert_eq!(
        ranges(Renderer::V2, both()),
        "10.113.0.0/16,fd00:10:113::/56"
    );
    assert_eq!(ranges(Renderer::V2, json!({})), "10.113.0.0/16");
    assert_eq!(ranges(Renderer::V1, both()), "");
}
