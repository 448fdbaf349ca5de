use serde_json::json;

use super::*;
use crate::kubeconfig_generator::fixture::{World, generator};

fn labels(list: &[(&str, &str)]) -> Labels {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    list.iter().map(pair).collect()
}

fn demand(world: &World, namespace: Option<&Labels>) -> Demand {
    let parties = Parties {
        name: "auditors",
        generator: Some(&world.generator),
        namespace,
        tenant: &world.tenant,
    };
    parties.demand()
}

#[test]
fn absent_selectors_select_every_tenant_of_every_namespace() {
    assert_eq!(demand(&World::new(), None), Demand::Wanted);
    let mut world = World::new();
    world.generator =
        generator(&json!({"namespaceSelector": {}, "tenantControlPlaneSelector": {}}));
    assert_eq!(demand(&world, None), Demand::Wanted);
}

#[test]
fn both_selectors_must_match() {
    let mut world = World::new();
    world.generator = generator(&json!({
        "namespaceSelector": {"matchLabels": {"stage": "live"}},
        "tenantControlPlaneSelector": {"matchExpressions": [
            {"key": "team", "operator": "In", "values": ["red", "blue"]},
            {"key": "secret", "operator": "DoesNotExist"},
        ]},
    }));
    let live = labels(&[("stage", "live")]);
    assert_eq!(demand(&world, Some(&live)), Demand::Wanted);
    assert_eq!(demand(&world, Some(&labels(&[]))), Demand::Nobody);
    assert_eq!(demand(&world, None), Demand::Undecided);
    world.tenant.metadata.labels = Some(labels(&[("team", "green")]));
    assert_eq!(demand(&world, Some(&live)), Demand::Nobody);
    world.tenant.metadata.labels = Some(labels(&[("team", "red"), ("secret", "")]));
    assert_eq!(demand(&world, None), Demand::Nobody);
}

#[test]
fn selectors_that_cannot_be_evaluated_are_an_error_and_decide_nothing() {
    for (requirement, words) in [
        (json!({"key": "a", "operator": "In"}), "needs values"),
        (
            json!({"key": "a", "operator": "NotIn", "values": []}),
            "needs values",
        ),
        (
            json!({"key": "a", "operator": "Exists", "values": ["b"]}),
            "takes no values",
        ),
        (
            json!({"key": "a", "operator": "Like", "values": ["b"]}),
            "is none of",
        ),
    ] {
        let mut world = World::new();
        let selector = json!({"matchExpressions": [requirement]});
        world.generator = generator(&json!({"namespaceSelector": selector}));
        let error = Selection::parse(&world.generator.spec)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("spec.namespaceSelector"), "{error}");
        assert_eq!(demand(&world, None), Demand::Undecided);
    }
}

#[test]
fn paused_generators_and_deleted_tenants_leave_everything_as_it_is() {
    let mut world = World::new();
    let deleted = "2026-11-23T12:00:00Z".parse().unwrap();
    world.tenant.metadata.deletion_timestamp = Some(
        k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(deleted),
    );
    assert_eq!(demand(&world, None), Demand::Undecided);
    let mut world = World::new();
    world.generator =
        generator(&json!({"tenantControlPlaneSelector": {"matchLabels": {"a": "b"}}}));
    assert_eq!(demand(&world, None), Demand::Nobody);
    let paused = labels(&[(kamaji_api::labels::PAUSED, "")]);
    world.generator.metadata.annotations = Some(paused);
    assert_eq!(demand(&world, None), Demand::Undecided);
}

#[test]
fn generators_that_are_gone_or_going_request_nothing() {
    let mut world = World::new();
    let parties = Parties {
        name: "auditors",
        generator: None,
        namespace: None,
        tenant: &world.tenant,
    };
    assert_eq!(parties.demand(), Demand::Nobody);
    let deleted = "2026-11-23T12:00:00Z".parse().unwrap();
    world.generator.metadata.deletion_timestamp = Some(
        k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(deleted),
    );
    assert_eq!(demand(&world, None), Demand::Nobody);
}
