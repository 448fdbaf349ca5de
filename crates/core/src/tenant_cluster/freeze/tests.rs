use serde_json::{Value, json};

use super::{is_upstreams, name};
use crate::{
    object::Version,
    tenant_cluster::{
        Step,
        fixture::planned,
        stages,
        write::{Observed, removal},
    },
};

/// The configuration of upstream as an API server returns it, as far as it counts.
fn upstreams() -> Value {
    let webhook = |name: &str| {
        json!({
            "name": format!("{name}.migrate.kamaji.clastix.io"),
            "clientConfig": {"url": "https://hook.any-namespace.svc:443/migrate", "caBundle": "Q0E="},
            "failurePolicy": "Fail",
        })
    };
    json!({
        "metadata": {"name": "kamaji-freeze"},
        "webhooks": [webhook("leases"), webhook("catchall")],
    })
}

fn removed(body: &Value) -> bool {
    let version = Version {
        uid: "some uid".into(),
        revision: 7,
    };
    let live = Observed {
        body,
        version: &version,
    };
    removal(&name(), Some(live)) == Some(version.clone())
}

#[test]
fn freeze_of_upstream_is_removed_in_either_order_of_its_webhooks() {
    let mut body = upstreams();
    assert!(removed(&body));
    body["webhooks"].as_array_mut().unwrap().reverse();
    assert!(removed(&body));
}

#[test]
fn configuration_of_somebody_else_under_that_name_is_left_alone() {
    let changes = [
        ("/webhooks/0/name", json!("mine.example.com")),
        (
            "/webhooks/1/clientConfig",
            json!({"url": "https://example.com/migrate"}),
        ),
        (
            "/webhooks/1/clientConfig",
            json!({"service": {"name": "mine", "namespace": "mine", "path": "/migrate"}}),
        ),
        ("/webhooks", json!([])),
        ("/webhooks", Value::Null),
    ];
    for (pointer, value) in changes {
        let mut body = upstreams();
        *body.pointer_mut(pointer).unwrap() = value;
        assert!(!removed(&body), "{pointer}");
    }
    let mut more = upstreams();
    let third = more["webhooks"][0].clone();
    more["webhooks"].as_array_mut().unwrap().push(third);
    assert!(!removed(&more));
}

#[test]
fn project_label_alone_makes_no_freeze_of_upstream() {
    let body = json!({"metadata": {"labels": {"kamaji.clastix.io/project": "kamaji"}}});
    assert!(!is_upstreams(&body) && !removed(&body));
}

#[test]
fn freeze_is_removed_before_anything_is_written_whether_or_not_writes_are_limited() {
    for limited in [false, true] {
        let permissions = json!({"writePermissions": {"blockUpdate": limited}});
        let stages = stages::of(planned(json!({"spec": permissions})), true);
        assert!(
            stages[0].steps.contains(&Step::Remove(name())),
            "{stages:#?}"
        );
    }
}
