use serde_json::json;

use super::*;

#[test]
fn a_patch_is_bound_to_the_observed_uid_and_version() {
    let metadata = json!({"name": "a", "uid": "u", "resourceVersion": "7"});
    let patch = json!({"metadata": {"finalizers": []}, "spec": {"x": 1}});
    assert_eq!(
        bound_to(&metadata, patch),
        json!({
            "metadata": {"finalizers": [], "uid": "u", "resourceVersion": "7"},
            "spec": {"x": 1},
        })
    );
}

#[test]
fn a_patch_of_a_status_is_bound_to_the_observed_version() {
    let metadata = json!({"uid": "u", "resourceVersion": "8"});
    let patch = bound_to(&metadata, json!({"status": {"ready": true}}));
    assert_eq!(patch["metadata"]["resourceVersion"], "8");
    assert_eq!(patch["status"]["ready"], true);
}

#[test]
fn a_write_of_another_version_is_retried_and_not_reported() {
    let conflict = || WriteError::Conflict {
        object: "FakeCluster n/a".to_owned(),
        message: "the object has been modified".to_owned(),
    };
    assert!(is_conflict(&conflict()));
    let mut failures = Failures::default();
    assert!(!failures.only_overtaken());
    failures.add(Step::Infrastructure, conflict());
    assert!(failures.any() && failures.only_overtaken());
    let refused = WriteError::Invalid {
        object: "FakeCluster n/a".to_owned(),
        message: "no endpoint here".to_owned(),
    };
    assert!(!is_conflict(&refused));
    failures.add(Step::Infrastructure, refused);
    assert!(!failures.only_overtaken());
}
