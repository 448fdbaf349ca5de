use serde_json::{Value, json};

use super::name;
use crate::tenant_cluster::{
    Step, WriteLimit,
    fixture::{Fixture, find, planned, pruned},
    stages,
};

const NAME: &str = "ValidatingWebhookConfiguration kamaji-write-permissions";

/// Operations by the first word of the webhook's name.
fn operations(flags: &Value) -> Vec<(String, Value)> {
    let plan = planned(json!({"spec": {"writePermissions": flags}}));
    let webhooks = find(&plan, NAME).body["webhooks"]
        .as_array()
        .unwrap()
        .clone();
    let name = |webhook: &Value| webhook["name"].as_str().unwrap().to_owned();
    webhooks
        .iter()
        .map(|webhook| {
            let first = name(webhook).split('.').next().unwrap().to_owned();
            (first, webhook["rules"][0]["operations"].clone())
        })
        .collect()
}

#[test]
fn each_flag_blocks_its_operation_and_no_other() {
    let row = |name: &str, operations: Value| (name.to_owned(), operations);
    assert_eq!(
        operations(&json!({"blockCreation": true})),
        [
            row("catchall", json!(["CREATE"])),
            row("leases", json!(["CREATE"]))
        ]
    );
    assert_eq!(
        operations(&json!({"blockUpdate": true})),
        [row("catchall", json!(["UPDATE"]))],
        "nodes renew their leases"
    );
    assert_eq!(
        operations(&json!({"blockCreation": true, "blockUpdate": true, "blockDeletion": true})),
        [
            row("catchall", json!(["CREATE", "UPDATE", "DELETE"])),
            row("leases", json!(["CREATE", "DELETE"])),
        ]
    );
}

#[test]
fn webhooks_are_pruned_first_once_no_flag_is_set() {
    for spec in [
        json!({}),
        json!({"writePermissions": {}}),
        json!({"writePermissions": {"blockUpdate": false}}),
    ] {
        let plan = planned(json!({"spec": spec}));
        assert!(pruned(&plan).contains(&NAME.to_owned()));
        let stages = stages::of(plan.clone(), true);
        assert!(stages[0].steps.contains(&Step::Remove(name())));
    }
}

#[test]
fn limits_are_unchanged_while_the_operators_ca_is_unknown() {
    let mut fixture = Fixture::with(json!({"spec": {"writePermissions": {"blockUpdate": true}}}));
    fixture.settings.webhook_ca.clear();
    let plan = fixture.content();
    assert!(!pruned(&plan).contains(&NAME.to_owned()));
    assert!(
        plan.objects
            .iter()
            .all(|object| object.key.to_string() != NAME)
    );
}

#[test]
fn webhooks_call_the_operator_by_url_and_not_through_the_tunnel() {
    let plan = planned(json!({"spec": {"writePermissions": {"blockCreation": true}}}));
    for webhook in find(&plan, NAME).body["webhooks"].as_array().unwrap() {
        let client = &webhook["clientConfig"];
        assert_eq!(
            client["url"],
            "https://kamaji-webhook-service.kamaji-system.svc:443/write-permission"
        );
        assert_eq!(client["caBundle"], "d2ViaG9vayBjYQ==");
        assert!(client.get("service").is_none());
        assert_eq!(webhook["failurePolicy"], "Fail");
    }
}

#[test]
fn unenforceable_limit_is_reported_and_neither_created_nor_removed() {
    let mut fixture = Fixture::with(json!({"spec": {"writePermissions": {"blockCreation": true}}}));
    assert_eq!(fixture.content().write_limit, WriteLimit::Planned);
    fixture.settings.webhook_ca.clear();
    let plan = fixture.content();
    assert_eq!(plan.write_limit, WriteLimit::Unavailable);
    assert!(!pruned(&plan).contains(&NAME.to_owned()));
    assert!(
        plan.objects
            .iter()
            .all(|object| object.key.to_string() != NAME)
    );
    let free = planned(json!({}));
    assert_eq!(free.write_limit, WriteLimit::None);
}
