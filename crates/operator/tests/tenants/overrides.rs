//! DataStores of single resources.

use kamaji_api::{condition, datastore::DataStore};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    data_stores::wait_for_event,
    environment::{Environment, wait_until},
};

/// Lists to which `/events` in the DataStore `events` cannot change. All DataStores are one etcd.
fn lists_that_cannot_move() -> Vec<Value> {
    let at = |resource: &str, store: &str| json!({"resource": resource, "dataStore": store});
    let events = at("/events", "events");
    let long = format!("/'\"`{}", "x".repeat(300));
    vec![
        json!([events, at("/pods", "spare")]),
        json!([events, at("example.com/widgets", "spare")]),
        json!([events, at("/services", "spare")]),
        json!([events, at("/../kamaji.clastix.io", "spare")]),
        json!([events, at(&long, "spare")]),
        json!([events, at("/pods", "default")]),
        json!([at("/events", "spare"), at("/pods", "events")]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn overrides_that_cannot_move_stay_as_set_up_and_are_released_when_the_tenant_is_deleted() {
    let environment = Environment::new().await;
    environment.data_store("events").await;
    environment.data_store("spare").await;
    let _operator = environment.operator();
    let overrides = json!([{"resource": "/events", "dataStore": "events"}]);
    environment
        .tenant("t", json!({"dataStoreOverrides": overrides.clone()}))
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
    let resource = kube::api::ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
    let pods = async || environment.owned(&resource, "t").await[0].data["spec"].clone();
    let before = pods().await;
    let text = before.to_string();
    assert!(text.contains("--etcd-servers-overrides=/events#"), "{text}");
    let tenants = environment.tenants();
    let ask_for = async |items: Value| {
        let patch = Patch::Merge(json!({"spec": {"dataStoreOverrides": items}}));
        let patched = tenants.patch("t", &PatchParams::default(), &patch).await;
        patched.unwrap().metadata.generation
    };
    for asked in lists_that_cannot_move() {
        let generation = ask_for(asked.clone()).await;
        let message = wait_until(&format!("{asked} to be refused"), async || {
            let conditions = tenants.get("t").await.ok()?.status?.conditions;
            let ready = condition::find(&conditions, "DataStoreReady")?.clone();
            let new = ready.observed_generation == generation;
            (new && ready.reason == "OverridesChanged").then_some(ready.message)
        })
        .await;
        for words in [
            "set up (/events in events), which stay in force",
            "set spec.dataStoreOverrides back to what status.storage.overrides has",
        ] {
            assert!(message.contains(words), "{message}");
        }
        assert_eq!(recorded().await, Some(events.clone()), "{asked}");
        assert_eq!(pods().await, before, "{asked}");
    }
    wait_for_event(&environment, "t", "OverridesChanged").await;
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    let used = async |name: &str| {
        let status = stores.get(name).await.ok()?.status?;
        Some(status.used_by)
    };
    wait_until("the events' DataStore to be used", async || {
        (!used("events").await?.is_empty()).then_some(())
    })
    .await;
    wait_until("nothing is left in the other DataStore", async || {
        used("spare").await?.is_empty().then_some(())
    })
    .await;
    ask_for(overrides).await;
    environment.wait_for_objects("t").await;
    assert_eq!(pods().await, before);
    assert_released_with_its_tenant(&environment).await;
}

/// Deletes the DataStore of the override, and then the tenant that holds it.
async fn assert_released_with_its_tenant(environment: &Environment) {
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    // Its deletion is accepted, and held while the override has data in it.
    let params = DeleteParams::default();
    stores.delete("events", &params).await.unwrap();
    wait_until("the deletion to be held", async || {
        let conditions = stores.get("events").await.ok()?.status?.conditions;
        let held = condition::find(&conditions, condition::DATA_STORE_ALLOWED_DELETION)?;
        (held.reason == "DataStoreStillUsed").then_some(())
    })
    .await;
    environment.tenants().delete("t", &params).await.unwrap();
    environment.wait_deleted("t").await;
    wait_until("the events' DataStore to be gone", async || {
        stores.get_opt("events").await.ok()?.is_none().then_some(())
    })
    .await;
}
