//! DataStores whose etcd does not enforce access control.

use kamaji_api::{condition, datastore::DataStore};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::environment::{Environment, wait_until};

/// Waits until a condition of the DataStore `default` has `reason`.
async fn wait_for_store_condition(environment: &Environment, type_: &str, reason: &str) {
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    wait_until(&format!("{type_} to be {reason}"), async || {
        let status = stores.get("default").await.ok()?.status?;
        let found = condition::find(&status.conditions, type_)?;
        (found.reason == reason).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_store_check_reports_access_control_switched_off_and_on_again() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    wait_for_store_condition(&environment, condition::ACCESS_CONTROL, "Enforced").await;
    let client = environment.etcd_client().await;
    client.auth_client().auth_disable().await.unwrap();
    wait_for_store_condition(&environment, condition::ACCESS_CONTROL, "Off").await;
    let message = environment
        .wait_for_condition("t", "DataStoreReady", "AccessControlOff")
        .await;
    assert!(message.contains("auth enable"), "{message}");
    client.auth_client().auth_enable().await.unwrap();
    wait_for_store_condition(&environment, condition::ACCESS_CONTROL, "Enforced").await;
    environment
        .wait_for_condition("t", "DataStoreReady", "AsPlanned")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_access_control_is_used_only_if_the_data_store_accepts_it() {
    let environment = Environment::new().await;
    let client = environment.etcd_client().await;
    client.auth_client().auth_disable().await.unwrap();
    let _operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment
        .wait_for_condition("t", "DataStoreReady", "AccessControlOff")
        .await;
    assert!(
        environment
            .secret("t-datastore-certificate")
            .await
            .is_none()
    );
    let annotation = json!({"metadata": {"annotations": {"kamaji.clastix.io/allow-without-access-control": "true"}}});
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    stores
        .patch(
            "default",
            &PatchParams::default(),
            &Patch::Merge(annotation),
        )
        .await
        .unwrap();
    environment.wait_for_objects("t").await;
    environment
        .wait_for_condition("t", "DataStoreReady", "AsPlanned")
        .await;
    wait_for_store_condition(&environment, condition::ACCESS_CONTROL, "Accepted").await;
}
