use k8s_openapi::api::core::v1::PodSpec;
use kamaji_api::datastore::Driver;
use serde_json::{Value, json};

use super::*;
use crate::{
    object::{CONTENT_HASH, Object},
    render::fixture::{Fixture, checksums, store},
    tenant::Hold,
};

fn rendered(fixture: &Fixture) -> Deployment {
    deployment(&fixture.facts(), &checksums())
}

/// What would be sent, as the snapshots show it.
fn body(fixture: &Fixture) -> Value {
    let mut body = Object::of(&rendered(fixture)).body;
    let annotations = body["metadata"]["annotations"]
        .as_object_mut()
        .expect("annotations");
    annotations.remove(CONTENT_HASH);
    body
}

fn pod(fixture: &Fixture) -> PodSpec {
    rendered(fixture)
        .spec
        .and_then(|spec| spec.template.spec)
        .expect("a pod")
}

fn containers(fixture: &Fixture) -> Vec<String> {
    pod(fixture)
        .containers
        .into_iter()
        .map(|container| container.name)
        .collect()
}

fn strategy_of(wanted: &Value) -> Value {
    let fixture = Fixture::with(json!({"controlPlane": {"deployment": {"strategy": wanted}}}));
    serde_json::to_value(strategy(&fixture.tenant)).expect("JSON")
}

/// A tenant that uses every field of its spec that reaches the pods.
fn everything() -> Fixture {
    let spec = serde_json::from_str(include_str!("../everything.json")).expect("JSON");
    let mut fixture = Fixture::with(spec).on(store("mysql", Driver::MySql, &["db:3306"]));
    fixture.overrides = vec![(
        "/events".to_owned(),
        store("events", Driver::Etcd, &["a:1", "b:2"]),
    )];
    fixture
}

#[test]
fn the_smallest_tenant_on_etcd() {
    insta::assert_yaml_snapshot!(body(&Fixture::with(json!({}))));
}

#[test]
fn a_tenant_with_konnectivity() {
    insta::assert_yaml_snapshot!(body(&Fixture::with(
        json!({"addons": {"konnectivity": {}}})
    )));
}

#[test]
fn the_smallest_tenant_on_etcd_by_renderer_2() {
    insta::assert_yaml_snapshot!(body(&Fixture::with(json!({})).newest()));
}

#[test]
fn a_tenant_with_everything_set_by_renderer_2() {
    insta::assert_yaml_snapshot!(body(&everything().newest()));
}

#[test]
fn pods_carry_the_checksums_of_konnectivity_by_the_newest_renderer() {
    let label = |fixture: &Fixture, what: &str| {
        let spec = rendered(fixture).spec.expect("a spec");
        let labels = spec.template.metadata.and_then(|meta| meta.labels);
        labels
            .expect("labels")
            .remove(&format!("component.kamaji.clastix.io/{what}"))
    };
    let with = || Fixture::with(json!({"addons": {"konnectivity": {}}}));
    for (what, sum) in [
        ("konnectivity-certificate", "sum-konnectivity-certificate"),
        ("konnectivity-kubeconfig", "sum-konnectivity-kubeconfig"),
    ] {
        assert_eq!(label(&with().newest(), what).as_deref(), Some(sum));
        assert_eq!(label(&with(), what), None);
        assert_eq!(label(&Fixture::with(json!({})).newest(), what), None);
    }
}

#[test]
fn a_tenant_on_postgresql() {
    let fixture = Fixture::with(json!({})).on(store("pg", Driver::PostgreSql, &["db:5432"]));
    insta::assert_yaml_snapshot!(body(&fixture));
}

#[test]
fn a_tenant_with_everything_set() {
    insta::assert_yaml_snapshot!(body(&everything()));
}

#[test]
fn containers_come_in_the_settled_order() {
    let core = [
        "kube-apiserver",
        "kube-scheduler",
        "kube-controller-manager",
    ];
    assert_eq!(containers(&Fixture::with(json!({}))), core);
    let all = [
        &["sidecar"],
        core.as_slice(),
        &["kine", "konnectivity-server"],
    ]
    .concat();
    assert_eq!(containers(&everything()), all);
    let inits = pod(&everything()).init_containers.expect("init containers");
    let inits: Vec<_> = inits.into_iter().map(|container| container.name).collect();
    assert_eq!(inits, ["first", "chmod"]);
}

#[test]
fn every_port_names_its_protocol_since_it_is_part_of_its_key() {
    for container in pod(&everything()).containers {
        for port in container.ports.unwrap_or_default() {
            assert_eq!(port.protocol.as_deref(), Some("TCP"), "{}", container.name);
        }
    }
}

#[test]
fn the_template_always_matches_the_selector() {
    let spec = rendered(&everything()).spec.expect("a spec");
    let labels = spec
        .template
        .metadata
        .and_then(|m| m.labels)
        .expect("labels");
    for (key, value) in spec.selector.match_labels.expect("labels to match") {
        assert_eq!(labels.get(&key), Some(&value));
    }
}

#[test]
fn a_constraint_with_a_selector_of_its_own_keeps_it() {
    let constraint = |selector: Value| {
        json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
               "labelSelector": selector})
    };
    let fixture = Fixture::with(
        json!({"controlPlane": {"deployment": {"topologySpreadConstraints": [
            constraint(json!({"matchLabels": {"mine": "yes"}})),
            constraint(Value::Null),
        ]}}}),
    );
    let selectors: Vec<_> = pod(&fixture)
        .topology_spread_constraints
        .expect("constraints")
        .into_iter()
        .filter_map(|constraint| constraint.label_selector?.match_labels)
        .map(|labels| labels.into_keys().collect::<Vec<_>>())
        .collect();
    assert_eq!(selectors, [["mine"], ["kamaji.clastix.io/name"]]);
}

#[test]
fn strategies_are_complete_so_that_nothing_of_them_stays_behind() {
    let rolling = |surge: Value, unavailable: Value| {
        json!({"type": "RollingUpdate",
               "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
    };
    let cases = [
        (json!({"type": "Recreate"}), json!({"type": "Recreate"})),
        (
            json!({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
            json!({"type": "Recreate"}),
        ),
        (
            json!({"type": "RollingUpdate"}),
            rolling(json!("100%"), json!(0)),
        ),
        (json!({}), rolling(json!("100%"), json!(0))),
        (
            json!({"rollingUpdate": {"maxSurge": 1}}),
            rolling(json!(1), json!("25%")),
        ),
        (
            json!({"rollingUpdate": {"maxUnavailable": 1}}),
            rolling(json!("25%"), json!(1)),
        ),
    ];
    for (wanted, expected) in cases {
        assert_eq!(strategy_of(&wanted), expected);
    }
}

#[test]
fn deployment_has_the_checksum_of_the_users_flags_as_upstream() {
    let extra = |extra: Value| {
        let fixture = Fixture::with(json!({"controlPlane": {"deployment": {"extraArgs": extra}}}));
        rendered(&fixture)
            .metadata
            .annotations
            .and_then(|map| map.get(labels::API_SERVER_ARGS).cloned())
    };
    assert_eq!(extra(Value::Null), None);
    assert_eq!(
        extra(json!({})).as_deref(),
        Some("d41d8cd98f00b204e9800998ecf8427e")
    );
}

#[test]
fn a_sleeping_tenant_has_no_replicas() {
    let fixture = Fixture::with(json!({"controlPlane": {"deployment": {"replicas": 0}}}));
    assert_eq!(
        rendered(&fixture).spec.and_then(|spec| spec.replicas),
        Some(0)
    );
}

#[test]
fn a_tenant_whose_data_is_being_restored_has_no_replicas() {
    let mut fixture = Fixture::with(json!({"controlPlane": {"deployment": {"replicas": 3}}}));
    fixture.tenant.hold = Hold::Restoring;
    let replicas = rendered(&fixture).spec.and_then(|spec| spec.replicas);
    assert_eq!(replicas, Some(0));
}

#[test]
fn a_fenced_tenant_runs_its_api_server_alone_and_without_webhooks() {
    let plugins = ["NodeRestriction", "ValidatingAdmissionWebhook"];
    let mut fixture = Fixture::with(json!({"kubernetes": {"admissionControllers": plugins}}));
    let free = containers(&fixture);
    assert!(free.contains(&"kube-scheduler".to_owned()), "{free:?}");
    fixture.tenant.hold = Hold::Fenced;
    assert_eq!(containers(&fixture), ["kube-apiserver"]);
    let args = pod(&fixture).containers.remove(0).args.unwrap_or_default();
    let of_plugins: Vec<_> = args
        .iter()
        .filter(|arg| arg.contains("admission-plugins"))
        .collect();
    assert_eq!(
        of_plugins,
        [
            "--disable-admission-plugins=MutatingAdmissionWebhook,ValidatingAdmissionWebhook",
            "--enable-admission-plugins=NodeRestriction",
        ]
    );
}

#[test]
fn no_secret_is_in_the_rendered_text() {
    let text = body(&everything()).to_string();
    assert!(!text.contains(&everything().binding.password));
}
