use serde_json::json;

use super::must_be_recreated;
use crate::tenant_cluster::fixture::{find, planned};

#[test]
fn equal_object_is_not_recreated() {
    for object in planned(json!({})).objects {
        assert!(!must_be_recreated(&object, &object.body), "{}", object.key);
    }
}

#[test]
fn immutable_fields_recreate_the_object() {
    let plan = planned(json!({}));
    let rows = [
        (
            "Service kube-system/kube-dns",
            "/spec/clusterIP",
            json!("10.112.0.11"),
        ),
        (
            "ClusterRoleBinding kubeadm:cluster-admins",
            "/roleRef/name",
            json!("view"),
        ),
        (
            "Deployment kube-system/coredns",
            "/spec/selector/matchLabels",
            json!({"a": "b"}),
        ),
    ];
    for (name, pointer, value) in rows {
        let object = find(&plan, name);
        let mut live = object.body.clone();
        *live.pointer_mut(pointer).unwrap() = value;
        assert!(must_be_recreated(object, &live), "{name}");
    }
}

#[test]
fn mutable_fields_are_updated_in_place() {
    let plan = planned(json!({}));
    let object = find(&plan, "Deployment kube-system/coredns");
    let mut live = object.body.clone();
    live["spec"]["replicas"] = json!(5);
    assert!(!must_be_recreated(object, &live));
}
