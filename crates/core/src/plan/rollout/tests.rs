use k8s_openapi::api::core::v1::Pod;
use kamaji_api::condition;
use serde_json::{Value, json};

use super::PODS;
use crate::{
    plan::{
        Plan,
        fixture::{after, pods, settled},
        plan,
    },
    snapshot::Snapshot,
};

/// A rollout that has exceeded its deadline, with these statuses of its pods.
fn late(statuses: &[Value]) -> Snapshot {
    let mut fixture = settled(json!({}));
    let made = plan(&fixture).unwrap();
    let mut view = pods(&made, |_| 1).unwrap();
    let conditions =
        json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    view.status.conditions = serde_json::from_value(conditions).unwrap();
    fixture.deployment = Some(view);
    for (number, status) in statuses.iter().enumerate() {
        fixture.pods.push(pod(number, "full-75d9c6b8f9", status));
    }
    fixture
}

fn pod(number: usize, owner: &str, status: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("full-75d9c6b8f9-{number}"),
            "creationTimestamp": format!("2026-11-23T11:0{number}:00Z"),
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": "u", "controller": true}],
        },
        "status": status,
    }))
    .unwrap()
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"containerStatuses": [{
        "name": "kube-apiserver", "image": "registry.k8s.io/kube-apiserver:v1.36.99", "imageID": "",
        "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": reason, "message": message}},
        "lastState": {"terminated": {"exitCode": 1, "message": "first line\nunknown flag: --nonsense\n"}},
    }]})
}

fn condition_texts(plan: &Plan, type_: &str) -> (String, String, String) {
    let found = condition::find(&plan.status.conditions, type_).unwrap();
    let found = found.clone();
    (found.status, found.reason, found.message)
}

fn rollout(fixture: &Snapshot) -> (String, String, String) {
    condition_texts(&plan(fixture).unwrap(), "RolloutProgressing")
}

#[test]
fn late_rollout_reports_the_reason_of_its_pods() {
    let unschedulable = json!({"conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient cpu.\nmore",
    }]});
    for (status, reason, words) in [
        (
            waiting("ErrImagePull", "manifest unknown"),
            "ImagePullBackOff",
            "kube-apiserver:v1.36.99",
        ),
        (
            waiting("ImagePullBackOff", "manifest unknown"),
            "ImagePullBackOff",
            "manifest unknown",
        ),
        (
            waiting("CrashLoopBackOff", "back-off 5m0s"),
            "CrashLoopBackOff",
            "exit code 1: unknown flag: --nonsense",
        ),
        (
            waiting("CreateContainerConfigError", "no secret"),
            "ContainerFailed",
            "no secret",
        ),
        (unschedulable, "Unschedulable", "Insufficient cpu"),
        (
            waiting("ContainerCreating", ""),
            "ProgressDeadlineExceeded",
            "none of its pods",
        ),
    ] {
        let (status, found, message) = rollout(&late(&[status]));
        assert_eq!((status.as_str(), found.as_str()), ("False", reason));
        assert!(
            message.contains(words) && message.contains("c2/full"),
            "{message}"
        );
        assert!(!message.contains('\n'));
    }
}

#[test]
fn ready_repeats_the_cause_and_pods_are_read_again() {
    let fixture = late(&[waiting("ErrImagePull", "manifest unknown")]);
    let planned = plan(&fixture).unwrap();
    assert_eq!(condition_texts(&planned, "Ready").1, "ImagePullBackOff");
    assert!(planned.requeue_at.unwrap() <= fixture.now + super::RECHECK);
}

#[test]
fn equal_cause_with_another_message_is_not_written() {
    let fixture = late(&[waiting("ErrImagePull", "manifest unknown")]);
    let first = plan(&fixture).unwrap();
    let mut next = after(fixture, &first);
    next.pods = vec![pod(
        1,
        "full-75d9c6b8f9",
        &waiting("ImagePullBackOff", "back-off"),
    )];
    let second = plan(&next).unwrap();
    assert_eq!(first.status, second.status);
}

#[test]
fn condition_clears_when_the_rollout_progresses_or_the_tenant_sleeps() {
    let mut fixture = late(&[]);
    assert_eq!(rollout(&fixture).0, "False");
    let view = fixture.deployment.as_mut().unwrap();
    view.status.conditions = None;
    assert_eq!(rollout(&fixture).0, "True");
    let mut asleep = late(&[]);
    asleep.object.spec.control_plane.deployment.replicas = Some(0);
    assert_eq!(rollout(&asleep).0, "True");
}

#[test]
fn deployment_status_of_an_older_generation_is_ignored() {
    let mut fixture = late(&[]);
    fixture.deployment.as_mut().unwrap().generation = 2;
    assert_eq!(rollout(&fixture).0, "True");
}

#[test]
fn youngest_owned_pod_gives_the_reason() {
    let mut fixture = late(&[
        waiting("CrashLoopBackOff", ""),
        waiting("ErrImagePull", "manifest unknown"),
    ]);
    assert_eq!(rollout(&fixture).1, "ImagePullBackOff");
    fixture.pods = vec![
        pod(1, "full-b-75d9c6b8f9", &waiting("ErrImagePull", "x")),
        pod(2, "other", &waiting("ErrImagePull", "x")),
    ];
    assert_eq!(rollout(&fixture).1, "ProgressDeadlineExceeded");
}

#[test]
fn foreign_messages_are_cut() {
    let long = "x".repeat(100_000);
    let statuses = vec![waiting("ErrImagePull", &long); PODS as usize / 2];
    let message = rollout(&late(&statuses[..9])).2;
    assert!(message.len() < 1000);
}
