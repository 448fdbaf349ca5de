use serde_json::{Value, json};

use super::*;
use crate::tenant_cluster::fixture::{find, planned};

fn version() -> Version {
    Version {
        uid: "some uid".into(),
        revision: 7,
    }
}

/// The object of the plan with that name.
fn object(name: &str) -> Object {
    find(&planned(json!({})), name).clone()
}

fn change_of(planned: &Object, live: &Value) -> Change {
    let observed = Observed {
        body: live,
        version: &version(),
    };
    change(planned, Some(observed))
}

const SERVICE: &str = "Service kube-system/kube-dns";

#[test]
fn absent_object_is_created_and_one_as_planned_is_left_alone() {
    let planned = object(SERVICE);
    assert_eq!(change(&planned, None), Change::Write(Intent::Create));
    assert_eq!(change_of(&planned, &planned.body), Change::None);
    let mut more = planned.body.clone();
    more["status"] = json!({"loadBalancer": {}});
    assert_eq!(change_of(&planned, &more), Change::None);
}

#[test]
fn object_with_another_stamp_or_field_is_updated() {
    let planned = object(SERVICE);
    let update = Change::Write(Intent::Update(version()));
    for (pointer, value) in [
        ("/metadata/annotations", json!({CONTENT_HASH: "another"})),
        ("/metadata/annotations", json!({})),
        ("/spec/ports", json!([])),
    ] {
        let mut live = planned.body.clone();
        *live.pointer_mut(pointer).unwrap() = value;
        assert_eq!(change_of(&planned, &live), update, "{pointer}");
    }
}

#[test]
fn object_that_the_operator_wrote_by_an_update_is_adopted() {
    let planned = object(SERVICE);
    let mut live = planned.body.clone();
    live["spec"]["ports"] = json!([]);
    live["metadata"]["managedFields"] = json!([{"manager": MANAGER, "operation": "Update"}]);
    let adopt = Change::Write(Intent::Adopt(version()));
    assert_eq!(change_of(&planned, &live), adopt);
}

#[test]
fn immutable_field_recreates_only_an_object_with_the_project_label() {
    let planned = object(SERVICE);
    let mut live = planned.body.clone();
    live["spec"]["clusterIP"] = json!("10.112.0.11");
    assert_eq!(change_of(&planned, &live), Change::Recreate(version()));
    live["metadata"]["labels"] = json!({labels::PROJECT: "another"});
    let update = Change::Write(Intent::Update(version()));
    assert_eq!(change_of(&planned, &live), update);
}

#[test]
fn only_a_live_object_with_the_project_label_is_removed() {
    let Object { key, body, .. } = object(SERVICE);
    assert_eq!(removal(&key, None), None);
    let version = version();
    let removed = |body: &Value| {
        let live = Observed {
            body,
            version: &version,
        };
        removal(&key, Some(live))
    };
    assert_eq!(removed(&body), Some(version.clone()));
    for labels in [json!(null), json!({}), json!({labels::PROJECT: "another"})] {
        let mut foreign = body.clone();
        foreign["metadata"]["labels"] = labels;
        assert_eq!(removed(&foreign), None);
    }
}
