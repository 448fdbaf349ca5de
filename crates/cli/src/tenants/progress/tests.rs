use serde_json::{Value, json};

use super::*;

/// A tenant of generation 2 with these conditions: type, status, reason and generation that was seen.
fn tenant(conditions: &[(&str, &str, &str, i64)]) -> TenantControlPlane {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(type_, status, reason, seen)| {
            json!({
                "type": type_, "status": status, "reason": reason, "message": "because",
                "observedGeneration": seen, "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        })
        .collect();
    serde_json::from_value(json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
        "metadata": {"name": "t", "generation": 2},
        "spec": {
            "controlPlane": {"service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": "v1.36.3", "kubelet": {}},
        },
        "status": {
            "conditions": conditions,
            "kubernetesResources": {"version": {"version": "v1.35.1"}},
        },
    }))
    .unwrap()
}

fn stalled(goal: &Goal, tenant: &TenantControlPlane, word: &str) {
    match goal.progress(tenant) {
        Progress::Stalled(text) => assert!(text.contains(word), "{text}"),
        other => panic!("{other:?}"),
    }
}

fn waiting(goal: &Goal, tenant: &TenantControlPlane, word: &str) {
    match goal.progress(tenant) {
        Progress::Waiting(text) => assert!(text.contains(word), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn readiness_counts_only_for_the_present_spec() {
    let current = tenant(&[("Ready", "True", "AsPlanned", 2)]);
    assert_eq!(Goal::Ready.progress(&current), Progress::Reached);
    waiting(
        &Goal::Ready,
        &tenant(&[("Ready", "True", "AsPlanned", 1)]),
        "latest change",
    );
    waiting(&Goal::Ready, &tenant(&[]), "not reported");
}

#[test]
fn a_wait_names_the_condition_that_blocks() {
    let conditions = [
        ("Ready", "False", "NoReplicaReady", 2),
        ("DataStoreReady", "True", "AsPlanned", 2),
        ("ControlPlaneAvailable", "False", "NoReplicaReady", 2),
    ];
    let expected = "ControlPlaneAvailable=False NoReplicaReady: because";
    waiting(&Goal::Ready, &tenant(&conditions), expected);
}

#[test]
fn what_somebody_has_to_change_ends_the_wait() {
    let refused = [
        ("Ready", "False", "MinorSkipped", 2),
        ("UpgradeAllowed", "False", "MinorSkipped", 2),
    ];
    stalled(&Goal::Ready, &tenant(&refused), "MinorSkipped");
    let outdated = [
        ("Ready", "False", "MinorSkipped", 2),
        ("UpgradeAllowed", "False", "MinorSkipped", 1),
    ];
    waiting(&Goal::Ready, &tenant(&outdated), "MinorSkipped");
    let asleep = [
        ("Ready", "False", "Sleeping", 2),
        ("ControlPlaneAvailable", "False", "Sleeping", 2),
    ];
    stalled(&Goal::Ready, &tenant(&asleep), "kamaji wake");
    let kstatus = [
        ("Ready", "False", "NoReplicaReady", 2),
        ("Stalled", "True", "Whatever", 2),
    ];
    stalled(&Goal::Ready, &tenant(&kstatus), "NoReplicaReady");
}

#[test]
fn a_paused_or_leaving_tenant_ends_the_wait() {
    let mut paused = tenant(&[("Ready", "False", "NoReplicaReady", 2)]);
    paused.metadata.annotations = Some([(labels::PAUSED.to_owned(), String::new())].into());
    stalled(&Goal::Ready, &paused, "kamaji resume");
    let mut leaving = tenant(&[("Ready", "True", "AsPlanned", 2)]);
    waiting(&Goal::Deleted, &leaving, "nobody has deleted");
    leaving.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    stalled(&Goal::Ready, &leaving, "being deleted");
    waiting(&Goal::Deleted, &leaving, "being deleted");
}

#[test]
fn a_version_is_there_once_it_is_installed_and_was_asked_for() {
    let ready = tenant(&[("Ready", "True", "AsPlanned", 2)]);
    waiting(
        &Goal::Version("v1.36.3".to_owned()),
        &ready,
        "not installed",
    );
    stalled(
        &Goal::Version("v1.35.1".to_owned()),
        &ready,
        "kamaji upgrade",
    );
    let mut done = ready;
    done.spec.kubernetes.version = "v1.35.1".to_owned();
    let goal = Goal::Version("v1.35.1".to_owned());
    assert_eq!(goal.progress(&done), Progress::Reached);
}
