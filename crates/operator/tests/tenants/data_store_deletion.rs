//! Deletion of DataStores, which waits for the tenants that use them, and of tenants whose DataStore is not valid.

use std::time::{Duration, Instant};

use kamaji_api::{datastore::DataStore, labels};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::environment::{Environment, tenant, wait_until};

async fn delete(environment: &Environment, tenant: &str) {
    let tenants = environment.tenants();
    tenants
        .delete(tenant, &DeleteParams::default())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_data_store_is_removed_within_seconds_after_its_last_tenant_and_not_before() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    let store_is_gone = async || {
        stores
            .get_opt("default")
            .await
            .ok()?
            .is_none()
            .then_some(())
    };
    wait_until("the DataStore's finalizer", async || {
        let store = stores.get("default").await.ok()?;
        (!store.finalizers().is_empty()).then_some(())
    })
    .await;
    // The DataStore is deleted while the tenant is being created.
    environment.tenant("t", json!({})).await;
    wait_until("the tenant's finalizer", async || {
        let tenant = environment.tenants().get("t").await.ok()?;
        (!tenant.finalizers().is_empty()).then_some(())
    })
    .await;
    let params = DeleteParams::default();
    stores.delete("default", &params).await.unwrap();
    environment.wait_for_objects("t").await;
    assert!(
        store_is_gone().await.is_none(),
        "it holds the tenant's data"
    );
    environment.tenant("late", json!({})).await;
    environment
        .wait_for_condition("late", "DataStoreReady", "DataStoreLeaving")
        .await;
    delete(&environment, "t").await;
    delete(&environment, "late").await;
    environment.wait_deleted("t").await;
    environment.wait_deleted("late").await;
    let since = Instant::now();
    wait_until("the DataStore to be gone", store_is_gone).await;
    assert!(since.elapsed() < Duration::from_secs(15));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_store_name_too_long_for_a_label_is_reported_and_its_tenant_can_be_deleted() {
    let environment = Environment::new().await;
    let name = "s".repeat(64);
    environment.data_store(&name).await;
    let _operator = environment.operator();
    environment.tenant("t", json!({"dataStore": name})).await;
    let message = environment
        .wait_for_condition("t", "DataStoreReady", "DataStoreNotReady")
        .await;
    assert!(message.contains("64 characters"), "{message}");
    delete(&environment, "t").await;
    environment.wait_deleted("t").await;
}

/// The tenant is as an operator leaves it that ends between the writes of its finalizer and of its status.
#[tokio::test(flavor = "multi_thread")]
async fn a_data_store_is_held_by_a_tenant_whose_status_does_not_record_it_yet() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    wait_until("the DataStore's finalizer", async || {
        let store = stores.get("default").await.ok()?;
        (!store.finalizers().is_empty()).then_some(())
    })
    .await;
    drop(operator);
    let mut unrecorded = tenant("t", &json!({"dataStore": "default"}));
    unrecorded["metadata"]["finalizers"] = json!([labels::FINALIZER]);
    // A paused tenant stays as it is.
    unrecorded["metadata"]["annotations"] = json!({labels::PAUSED: "true"});
    environment.apply(unrecorded).await;
    let params = DeleteParams::default();
    stores.delete("default", &params).await.unwrap();
    let _operator = environment.operator();
    wait_until("the DataStore to name its user", async || {
        let status = stores.get("default").await.ok()?.status?;
        (status.used_by == ["tenants/t"]).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(stores.get_opt("default").await.unwrap().is_some());
    let tenants = environment.tenants();
    let released = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    tenants
        .patch("t", &PatchParams::default(), &released)
        .await
        .unwrap();
    tenants.delete("t", &params).await.unwrap();
    wait_until("the DataStore to be gone", async || {
        stores
            .get_opt("default")
            .await
            .ok()?
            .is_none()
            .then_some(())
    })
    .await;
}
