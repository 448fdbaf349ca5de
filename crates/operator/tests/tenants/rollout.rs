//! Rollouts that exceed their progress deadline: conditions name the cause, taken from the pods.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    control_plane::report_deployment_status,
    environment::{Environment, NAMESPACE},
};

/// Creates a pod as a ReplicaSet of the Deployment `tenant` does, and sets its status.
async fn pod(environment: &Environment, tenant: &str, status: Value) {
    let api: Api<Pod> = Api::namespaced(environment.client.clone(), NAMESPACE);
    let name = format!("{tenant}-75d9c6b8f9-abcde");
    let owner = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{tenant}-75d9c6b8f9"),
        "uid": "11111111-2222-3333-4444-555555555555", "controller": true,
    });
    let object = json!({
        "metadata": {
            "name": name, "ownerReferences": [owner],
            "labels": {"kamaji.clastix.io/name": tenant},
        },
        "spec": {"containers": [{"name": "kube-apiserver", "image": "registry.k8s.io/kube-apiserver:v1.36.99"}]},
    });
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
    let patch = Patch::Merge(json!({"status": status}));
    api.patch_status(&name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_rollout_reports_its_cause_and_clears_when_it_progresses() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    environment
        .wait_for_condition("t", "RolloutProgressing", "AsPlanned")
        .await;
    let waiting = json!({"reason": "ImagePullBackOff", "message": "manifest unknown"});
    pod(
        &environment,
        "t",
        json!({"containerStatuses": [{
            "name": "kube-apiserver", "image": "registry.k8s.io/kube-apiserver:v1.36.99", "imageID": "",
            "ready": false, "restartCount": 0, "state": {"waiting": waiting},
        }]}),
    )
    .await;
    let late = json!([{
        "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
        "message": "ReplicaSet has timed out progressing.",
        "lastTransitionTime": "2026-11-23T12:00:00Z", "lastUpdateTime": "2026-11-23T12:00:00Z",
    }]);
    report_deployment_status(&environment, "t", 1, late).await;
    let message = environment
        .wait_for_condition("t", "RolloutProgressing", "ImagePullBackOff")
        .await;
    assert!(
        message.contains("v1.36.99") && message.contains("manifest unknown"),
        "{message}"
    );
    environment
        .wait_for_condition("t", "Ready", "ImagePullBackOff")
        .await;
    report_deployment_status(&environment, "t", 1, json!(null)).await;
    environment
        .wait_for_condition("t", "RolloutProgressing", "AsPlanned")
        .await;
}
