use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::*;

fn config_map(value: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some("a".to_owned()),
            namespace: Some("n".to_owned()),
            ..Default::default()
        },
        data: Some([("k".to_owned(), value.to_owned())].into()),
        ..Default::default()
    }
}

#[test]
fn hash_follows_the_content_and_is_stamped() {
    let one = Object::of(&config_map("1"));
    assert_eq!(one.hash, Object::of(&config_map("1")).hash);
    assert_ne!(one.hash, Object::of(&config_map("2")).hash);
    assert_eq!(
        one.body["metadata"]["annotations"][CONTENT_HASH],
        json!(one.hash)
    );
    assert_eq!(one.key.to_string(), "ConfigMap n/a");
}

#[test]
fn defaults_in_a_live_object_are_no_difference() {
    let planned = json!({"spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "a", "resources": {}}]}}}});
    let live = json!({"spec": {"replicas": 2, "paused": false, "template": {"spec": {"containers": [{"name": "a", "resources": {}, "x": 1}]}}}});
    assert!(holds(&planned, &live));
}

#[test]
fn changed_value_missing_key_and_longer_list_are_differences() {
    let planned = json!({"a": [{"b": 1}], "c": "x"});
    assert!(!holds(&planned, &json!({"a": [{"b": 2}], "c": "x"})));
    assert!(!holds(&planned, &json!({"a": [{"b": 1}]})));
    assert!(!holds(
        &planned,
        &json!({"a": [{"b": 1}, {"b": 1}], "c": "x"})
    ));
}

#[test]
fn empty_planned_values_may_be_absent_in_a_live_object() {
    assert!(holds(&json!({"a": {}, "b": [], "c": 0}), &json!({})));
}

#[test]
fn empty_label_value_of_a_user_is_not_absent() {
    let planned = json!({"nodeSelector": {"infra": ""}, "labels": {"a": "b"}});
    assert!(holds(&planned, &planned));
    assert!(!holds(
        &planned,
        &json!({"nodeSelector": {}, "labels": {"a": "b"}})
    ));
}

#[test]
fn further_owners_are_no_difference() {
    let owners = |uids: &[&str]| {
        let owners: Vec<_> = uids.iter().map(|uid| json!({"uid": uid})).collect();
        json!({"ownerReferences": owners})
    };
    assert!(holds(&owners(&["b"]), &owners(&["a", "b"])));
    assert!(!holds(&owners(&["b"]), &owners(&["a"])));
}
