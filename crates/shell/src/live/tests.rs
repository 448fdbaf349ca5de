use serde_json::json;

use super::*;

fn body(kind: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": kind,
        "metadata": {
            "name": "t-kubeadmconfig", "namespace": "ns", "uid": "u", "resourceVersion": "1",
            "labels": {"a": "b"},
        },
    })
}

#[test]
fn bookkeeping_and_status_do_not_change_a_fingerprint() {
    let before = body("ConfigMap");
    let mut after = before.clone();
    after["metadata"]["resourceVersion"] = "2".into();
    after["metadata"]["generation"] = 4.into();
    after["metadata"]["managedFields"] = json!([{"manager": "other"}]);
    after["status"] = json!({"ready": true});
    assert_eq!(fingerprint(&before), fingerprint(&after));
    let mut counted = before.clone();
    counted["metadata"]["annotations"] = json!({"a": "b"});
    let mut rolled = counted.clone();
    rolled["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "7".into();
    assert_eq!(fingerprint(&counted), fingerprint(&rolled));
}

#[test]
fn every_field_that_others_may_write_changes_a_fingerprint() {
    let before = body("ConfigMap");
    let metadata = |field: &str, value: Value| {
        let mut after = before.clone();
        after["metadata"][field] = value;
        after
    };
    let top = |field: &str, value: Value| {
        let mut after = before.clone();
        after[field] = value;
        after
    };
    for after in [
        metadata("labels", json!({"x": "y"})),
        metadata("annotations", json!({"x": "y"})),
        metadata("ownerReferences", json!([{"uid": "z"}])),
        metadata("finalizers", json!(["f"])),
        metadata("deletionTimestamp", json!("2026-01-01T00:00:00Z")),
        top("data", json!({"a": "b"})),
        top("spec", json!({"a": "b"})),
        top("binaryData", json!({"a": "b"})),
        top("immutable", json!(true)),
        top("type", json!("Opaque")),
    ] {
        assert_ne!(fingerprint(&before), fingerprint(&after), "{after}");
    }
}

#[test]
fn a_secret_and_its_metadata_have_one_fingerprint_which_each_version_changes() {
    let mut whole = body("Secret");
    whole["data"] = json!({"ca.key": "dg=="});
    let metadata = body("PartialObjectMetadata");
    assert_eq!(fingerprint(&whole), fingerprint(&metadata));
    for (field, value) in [("resourceVersion", "2"), ("uid", "v")] {
        let mut after = metadata.clone();
        after["metadata"][field] = value.into();
        assert_ne!(fingerprint(&whole), fingerprint(&after), "{field}");
    }
}
