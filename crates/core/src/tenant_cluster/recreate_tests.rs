use serde_json::json;

use super::must_be_recreated;
use crate::tenant_cluster::fixture::{find, planned};

#[test]
fn an_object_as_planned_is_left_alone() {
    for object in planned(json!({})).objects {
        assert!(!must_be_recreated(&object, &object.body), "{}", object.key);
    }
}

#[test]
fn what_never_changes_makes_a_new_object() {
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
fn what_can_change_is_changed() {
    let plan = planned(json!({}));
    let object = find(&plan, "Deployment kube-system/coredns");
    let mut live = object.body.clone();
    live["spec"]["replicas"] = json!(5);
    assert!(!must_be_recreated(object, &live));
}
