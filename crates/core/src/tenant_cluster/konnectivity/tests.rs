use serde_json::{Value, json};

use crate::{
    render::Renderer,
    tenant_cluster::{
        content,
        fixture::{Fixture, find, planned, pruned},
        types::TenantClusterFacts,
    },
};

const DAEMON_SET: &str = "DaemonSet kube-system/konnectivity-agent";
const DEPLOYMENT: &str = "Deployment kube-system/konnectivity-agent";

fn container(spec: Value) -> Value {
    let plan = planned(json!({"spec": spec}));
    find(&plan, DAEMON_SET).body["spec"]["template"]["spec"]["containers"][0].clone()
}

fn arguments(spec: Value) -> Vec<String> {
    serde_json::from_value(container(spec)["args"].clone()).unwrap()
}

#[test]
fn each_agent_workload_prunes_the_other() {
    let plan = planned(json!({}));
    assert!(pruned(&plan).contains(&DEPLOYMENT.to_owned()));
    assert!(
        find(&plan, DAEMON_SET).body["spec"]
            .get("replicas")
            .is_none()
    );
    let agent = json!({"mode": "Deployment", "replicas": 3});
    let plan = planned(json!({"spec": {"addons": {"konnectivity": {"agent": agent}}}}));
    assert!(pruned(&plan).contains(&DAEMON_SET.to_owned()));
    assert_eq!(find(&plan, DEPLOYMENT).body["spec"]["replicas"], 3);
}

#[test]
fn agents_dial_the_published_address() {
    let host = |spec: Value| {
        let flag = "--proxy-server-host=";
        let list = arguments(spec);
        let found = list.iter().find_map(|argument| argument.strip_prefix(flag));
        found.unwrap().to_owned()
    };
    assert_eq!(host(json!({})), "172.30.0.60");
    let advertised = json!({"networkProfile": {"advertiseAddress": "203.0.113.9"}});
    assert_eq!(host(advertised), "203.0.113.9");
    for (hostname, expected) in [
        ("cp.example.com", "cp.example.com"),
        ("cp.example.com:443", "cp.example.com"),
        ("", "172.30.0.60"),
    ] {
        let gateway = json!({"controlPlane": {"gateway": {"hostname": hostname}}});
        assert_eq!(host(gateway), expected);
    }
}

#[test]
fn arguments_of_the_user_take_precedence() {
    let agent = json!({"extraArgs": ["-v=2", "--sync-forever"]});
    let list = arguments(json!({"addons": {"konnectivity": {"agent": agent}}}));
    assert!(list.contains(&"-v=2".to_owned()) && !list.contains(&"-v=8".to_owned()));
    assert!(list.contains(&"--sync-forever".to_owned()));
    assert!(list.is_sorted());
}

#[test]
fn image_follows_the_version_unless_the_spec_sets_it() {
    let image = |spec: Value| container(spec)["image"].as_str().unwrap().to_owned();
    let repository = "registry.k8s.io/kas-network-proxy/proxy-agent";
    let older = json!({"kubernetes": {"version": "v1.33.2"}});
    assert_eq!(image(older), format!("{repository}:v0.33.0"));
    let agent = json!({"image": "example.com/agent", "version": "v9"});
    let spec = json!({"addons": {"konnectivity": {"agent": agent}}});
    assert_eq!(image(spec), "example.com/agent:v9");
}

#[test]
fn newest_renderer_rolls_agents_with_the_ca() {
    let template = |renderer, ca| {
        let fixture = Fixture {
            renderer: Some(renderer),
            ..Fixture::with(json!({}))
        };
        let facts = TenantClusterFacts {
            ca,
            ..fixture.facts()
        };
        let plan = content::render(&facts).unwrap();
        find(&plan, DAEMON_SET).body["spec"]["template"].clone()
    };
    assert_ne!(
        template(Renderer::V2, "one"),
        template(Renderer::V2, "another")
    );
    assert_eq!(
        template(Renderer::V1, "one"),
        template(Renderer::V1, "another")
    );
}

#[test]
fn agents_have_the_resources_of_the_spec() {
    let resources = json!({"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}});
    let agent = json!({"resources": resources});
    let spec = json!({"addons": {"konnectivity": {"agent": agent}}});
    assert_eq!(container(spec)["resources"], resources);
    assert!(container(json!({})).get("resources").is_none());
}

#[test]
fn token_has_the_audience_of_the_server() {
    let plan = planned(json!({}));
    let volume = &find(&plan, DAEMON_SET).body["spec"]["template"]["spec"]["volumes"][0];
    let token = &volume["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["audience"], "system:konnectivity-server");
}
