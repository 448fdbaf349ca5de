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

use crate::environment::{Environment, NAMESPACE, names, until};

fn kinds() -> [ApiResource; 4] {
    [
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<Deployment>(&()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_deleted_or_edited_by_hand_is_put_right_and_foreign_labels_survive() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment
        .tenant(
            "t",
            json!({"addons": {"konnectivity": {"server": {"port": 8132}}}}),
        )
        .await;
    environment.written("t").await;
    for resource in kinds() {
        let api: Api<DynamicObject> =
            Api::namespaced_with(environment.client.clone(), NAMESPACE, &resource);
        for object in environment.owned(&resource, "t").await {
            let name = object.name_any();
            edited(&api, &object).await;
            // One that is gone stays gone until a person says what becomes of it: see authorities.
            let authority = ["t-ca", "t-front-proxy-ca-certificate", "t-sa-certificate"];
            if resource.kind == "Secret" && authority.contains(&name.as_str()) {
                continue;
            }
            deleted(&api, &object).await;
        }
    }
    environment.written("t").await;
    assert_eq!(names(&environment.owned(&kinds()[0], "t").await).len(), 13);
    tokio::time::sleep(Duration::from_secs(4)).await;
    environment.at_rest(5).await;
}

/// Our own label changed, a foreign one added.
async fn edited(api: &Api<DynamicObject>, object: &DynamicObject) {
    let name = object.name_any();
    let patch = json!({"metadata": {"labels": {
        "kamaji.clastix.io/component": "spoilt",
        "example.com/mine": "stays",
    }}});
    api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    until(&format!("{name} to be put right"), async || {
        let live = api.get_opt(&name).await.ok()??;
        let labels = live.labels();
        let right =
            labels["kamaji.clastix.io/component"] == object.labels()["kamaji.clastix.io/component"];
        (right && labels["example.com/mine"] == "stays").then_some(())
    })
    .await;
}

async fn deleted(api: &Api<DynamicObject>, object: &DynamicObject) {
    let name = object.name_any();
    // The Secret that says where the data is has a finalizer of ours: it goes once that is gone.
    let patch = json!({"metadata": {"finalizers": null}});
    api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    until(&format!("{name} to be made again"), async || {
        let live = api.get_opt(&name).await.ok()??;
        (live.uid() != object.uid() && live.metadata.deletion_timestamp.is_none()).then_some(())
    })
    .await;
}
