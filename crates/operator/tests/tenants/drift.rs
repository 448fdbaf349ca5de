//! Drift in the management cluster: objects that are edited or deleted by hand are restored.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Secret, Service},
};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
};
use serde_json::json;

use crate::environment::{Environment, NAMESPACE, names, wait_until};

/// Kinds of a tenant's objects in the management cluster.
fn kinds() -> [ApiResource; 4] {
    [
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<Deployment>(&()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_deleted_or_edited_by_hand_are_restored_and_foreign_labels_survive() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment
        .tenant(
            "t",
            json!({"addons": {"konnectivity": {"server": {"port": 8132}}}}),
        )
        .await;
    environment.wait_for_objects("t").await;
    for resource in kinds() {
        let api: Api<DynamicObject> =
            Api::namespaced_with(environment.client.clone(), NAMESPACE, &resource);
        for object in environment.owned(&resource, "t").await {
            let name = object.name_any();
            edit_and_wait(&api, &object).await;
            // A deleted authority is not created again by itself: see authorities.rs.
            let authority = ["t-ca", "t-front-proxy-ca-certificate", "t-sa-certificate"];
            if resource.kind == "Secret" && authority.contains(&name.as_str()) {
                continue;
            }
            delete_and_wait(&api, &object).await;
        }
    }
    environment.wait_for_objects("t").await;
    assert_eq!(names(&environment.owned(&kinds()[0], "t").await).len(), 13);
    tokio::time::sleep(Duration::from_secs(4)).await;
    environment.assert_quiescent(5).await;
}

/// Changes a label of the operator, adds a foreign one, and waits until the first is restored and the second kept.
async fn edit_and_wait(api: &Api<DynamicObject>, object: &DynamicObject) {
    let name = object.name_any();
    let patch = json!({"metadata": {"labels": {
        "kamaji.clastix.io/component": "spoilt",
        "example.com/mine": "stays",
    }}});
    api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    wait_until(&format!("{name} to be restored"), async || {
        let live = api.get_opt(&name).await.ok()??;
        let labels = live.labels();
        let restored =
            labels["kamaji.clastix.io/component"] == object.labels()["kamaji.clastix.io/component"];
        (restored && labels["example.com/mine"] == "stays").then_some(())
    })
    .await;
}

/// Deletes an object and waits until the operator has created it again.
async fn delete_and_wait(api: &Api<DynamicObject>, object: &DynamicObject) {
    let name = object.name_any();
    // The Secret `t-datastore-config` has the operator's finalizer, which would hold the deletion up.
    let patch = json!({"metadata": {"finalizers": null}});
    api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    wait_until(&format!("{name} to be created again"), async || {
        let live = api.get_opt(&name).await.ok()??;
        (live.uid() != object.uid() && live.metadata.deletion_timestamp.is_none()).then_some(())
    })
    .await;
}
