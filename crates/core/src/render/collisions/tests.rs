use serde_json::{Value, json};

use super::*;
use crate::render::fixture::tenant;

fn found(changes: Value) -> Vec<String> {
    collisions(&tenant(changes))
}

fn extra(component: &str, args: &[&str]) -> Value {
    json!({"controlPlane": {"deployment": {"extraArgs": {component: args}}}})
}

#[test]
fn a_tenant_without_managed_flags_has_no_collisions() {
    assert_eq!(
        found(json!({"addons": {"konnectivity": {}}})),
        Vec::<String>::new()
    );
    assert_eq!(
        found(extra("apiServer", &["--v=4", "--allow-privileged=false"])),
        [""; 0]
    );
    assert_eq!(
        found(extra("controllerManager", &["--leader-elect=false"])),
        [""; 0]
    );
    assert_eq!(found(extra("kine", &["--listen-address=x"])), [""; 0]);
}

#[test]
fn collisions_name_managed_flags_with_their_field() {
    let cases = [
        ("apiServer", "--secure-port=1"),
        ("apiServer", "--etcd-prefix=/x"),
        ("kine", "--endpoint=x"),
        ("apiServer", "--etcd_prefix=/x"),
        ("kine", "-endpoint=x"),
    ];
    for (component, arg) in cases {
        let found = found(extra(component, &["--v=2", arg]));
        assert_eq!(found.len(), 1, "{found:?}");
        let name = args::name(arg);
        let start = format!(
            "spec.controlPlane.deployment.extraArgs.{component} has {name}, which Kamaji sets itself"
        );
        assert!(found[0].starts_with(&start), "{}", found[0]);
    }
    let found = found(json!({"addons": {"konnectivity": {
        "server": {"port": 8132, "extraArgs": ["--mode=http-connect"]},
    }}}));
    assert!(found[0].starts_with("spec.addons.konnectivity.server.extraArgs has --mode"));
}

#[test]
fn scheduler_flags_collide_in_renderer_1_only() {
    for arg in ["--leader-elect=false", "--leader_elect=false"] {
        let mut tenant = tenant(extra("scheduler", &[arg]));
        assert_eq!(collisions(&tenant), [""; 0]);
        tenant.status.renderer = Some("1".to_owned());
        assert_eq!(collisions(&tenant).len(), 1);
    }
}

#[test]
fn collisions_report_a_value_apart_from_its_flag() {
    let found = found(extra("controllerManager", &["--v", "4"]));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("--name=value"));
}

#[test]
fn collisions_report_reserved_names_and_ports() {
    let found = found(json!({"controlPlane": {
        "deployment": {
            "additionalContainers": [{"name": "kube-apiserver"}],
            "additionalInitContainers": [{"name": "chmod"}],
            "additionalVolumes": [{"name": "kine-uds", "emptyDir": {}}],
        },
        "service": {"additionalPorts": [
            {"name": "a", "port": 6443, "targetPort": 1},
            {"name": "b", "port": 6443, "targetPort": 1, "protocol": "UDP"},
        ]},
    }}));
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[3].contains("additionalPorts has a with port 6443/TCP"));
}
