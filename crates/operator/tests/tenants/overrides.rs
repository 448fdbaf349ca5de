//! DataStores of single resources.

use kamaji_api::{condition, datastore::DataStore};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::environment::{Environment, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn overrides_of_a_running_tenant_stay_as_set_up_and_are_released_when_it_is_deleted() {
    let environment = Environment::new().await;
    environment.data_store("events").await;
    let _operator = environment.operator();
    let overrides = json!([{"resource": "/events", "dataStore": "events"}]);
    environment
        .tenant("t", json!({"dataStoreOverrides": overrides}))
        .await;
    environment.wait_for_objects("t").await;
    let recorded = async || {
        let storage = environment
            .tenants()
            .get("t")
            .await
            .unwrap()
            .status?
            .storage?;
        Some(
            storage
                .overrides?
                .into_iter()
                .map(|item| (item.resource, item.data_store))
                .collect(),
        )
    };
    let events = vec![("/events".to_owned(), "events".to_owned())];
    assert_eq!(recorded().await, Some(events.clone()));
    let patch = json!({"spec": {"dataStoreOverrides": []}});
    let tenants = environment.tenants();
    tenants
        .patch("t", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    let message = environment
        .wait_for_condition("t", "DataStoreReady", "OverridesChanged")
        .await;
    assert!(message.contains("/events in events"), "{message}");
    assert_eq!(recorded().await, Some(events));
    let resource = kube::api::ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
    let pods = environment.owned(&resource, "t").await;
    let text = serde_json::to_string(&pods[0].data).unwrap();
    assert!(text.contains("--etcd-servers-overrides=/events#"), "{text}");
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    let used = async || {
        let status = stores.get("events").await.ok()?.status?;
        Some(status.used_by)
    };
    wait_until("the events' DataStore to be used", async || {
        (!used().await?.is_empty()).then_some(())
    })
    .await;
    // Its deletion is accepted, and held while the override has data in it.
    let params = DeleteParams::default();
    stores.delete("events", &params).await.unwrap();
    wait_until("the deletion to be held", async || {
        let conditions = stores.get("events").await.ok()?.status?.conditions;
        let held = condition::find(&conditions, condition::DATA_STORE_ALLOWED_DELETION)?;
        (held.reason == "DataStoreStillUsed").then_some(())
    })
    .await;
    tenants.delete("t", &params).await.unwrap();
    environment.wait_deleted("t").await;
    wait_until("the events' DataStore to be gone", async || {
        stores.get_opt("events").await.ok()?.is_none().then_some(())
    })
    .await;
}
