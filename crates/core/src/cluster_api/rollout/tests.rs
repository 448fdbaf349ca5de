use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kamaji_api::control_plane::Rollout;
use serde_json::{Value, json};

use super::super::{
    fixture::{converge, snapshot},
    plan,
};
use super::*;

const ENDPOINT: &str = "192.0.2.9:6443";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// A control plane that runs, and whose pods are to be replaced after so many seconds.
fn asked(seconds: i64) -> Snapshot {
    let mut snapshot = converge(snapshot(json!({})), ENDPOINT);
    desired(&mut snapshot, Some(seconds));
    snapshot
}

fn desired(snapshot: &mut Snapshot, seconds: Option<i64>) {
    let after = seconds.map(|seconds| Time(at(seconds)));
    snapshot.control_plane.spec.rollout = Some(Rollout { after });
}

fn annotation(snapshot: &Snapshot) -> Value {
    let tenant = serde_json::to_value(&snapshot.tenant).unwrap();
    let deployment = &tenant["spec"]["controlPlane"]["deployment"];
    deployment["podAdditionalMetadata"]["annotations"][ROLLED_OUT].clone()
}

#[test]
fn a_rollout_in_the_future_is_requeued() {
    let asked = asked(60);
    let plan = plan(&asked);
    assert_eq!((plan.requeue_at, plan.objects), (Some(at(60)), Vec::new()));
}

#[test]
fn a_rollout_that_is_due_replaces_the_pods_once() {
    let mut asked = asked(60);
    asked.now = at(60);
    let mut converged = converge(asked, ENDPOINT);
    assert_eq!(annotation(&converged), "1970-01-01T00:01:00Z");
    // The next time is waited for, and a removed schedule replaces nothing.
    for next in [Some(120), None] {
        desired(&mut converged, next);
        let plan = plan(&converged);
        assert_eq!(plan.requeue_at, next.map(at));
        assert_eq!(plan.objects, []);
    }
    desired(&mut converged, Some(120));
    converged.now = at(121);
    assert_eq!(
        annotation(&converge(converged, ENDPOINT)),
        "1970-01-01T00:02:00Z"
    );
}

#[test]
fn pods_younger_than_the_rollout_are_kept() {
    let day = 24 * 60 * 60;
    let asked = asked(-2 * day);
    let plan = plan(&asked);
    assert_eq!((plan.requeue_at, plan.objects), (None, Vec::new()));
}
