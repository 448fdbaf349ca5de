//! Deletion of tenants: data, role and user are removed from the datastore first, and a condition reports what the
//! deletion waits for.

use kamaji_api::datastore::DataStore;
use kamaji_datastore as datastore;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::environment::{Environment, Operator};

/// Creates two tenants; the name of one is a prefix of the other's.
async fn neighbours() -> (Environment, Operator) {
    let environment = Environment::new().await;
    let operator = environment.operator();
    for name in ["cp-a", "cp-aa"] {
        let setup = json!({"dataStoreSchema": name, "dataStoreUsername": name});
        environment.tenant(name, setup).await;
        environment.wait_for_objects(name).await;
    }
    (environment, operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_tenant_loses_its_role_and_user_and_leaves_its_neighbour_alone() {
    let (environment, _operator) = neighbours().await;
    let admin = environment.etcd_admin().await;
    let tenancies = [
        environment.tenancy("cp-a", "cp-a", "cp-a").await,
        environment.tenancy("cp-aa", "cp-aa", "cp-aa").await,
    ];
    environment
        .tenants()
        .delete("cp-a", &DeleteParams::default())
        .await
        .unwrap();
    environment.wait_deleted("cp-a").await;
    // `ensure` returns what it had to create: all five steps for the deleted tenant, none for its neighbour.
    let created = admin.ensure(&tenancies[0]).await.unwrap();
    assert_eq!(created.steps.len(), 5, "{created}");
    let unchanged = admin.ensure(&tenancies[1]).await.unwrap();
    assert!(unchanged.is_empty(), "{unchanged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_own_certificate_reads_its_own_keys_and_no_neighbours() {
    let (environment, _operator) = neighbours().await;
    let data = environment
        .secret("cp-a-datastore-certificate")
        .await
        .unwrap()
        .data
        .unwrap();
    let own = environment.connection(&data["server.crt"].0, &data["server.key"].0);
    let tenant = datastore::connect(&own).await.unwrap();
    let own = environment.tenancy("cp-a", "cp-a", "cp-a").await;
    let own = tenant.usage(&own).await;
    assert_eq!(own.unwrap(), 0);
    let neighbour = environment.tenancy("cp-aa", "cp-aa", "cp-aa").await;
    let neighbour = tenant.usage(&neighbour).await;
    assert!(
        matches!(neighbour, Err(datastore::Error::NotAuthorised { .. })),
        "{neighbour:?}"
    );
}

async fn delete(environment: &Environment, tenant: &str) {
    let tenants = environment.tenants();
    tenants
        .delete(tenant, &DeleteParams::default())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_reports_that_its_datastore_is_down_and_continues_once_it_is_back() {
    let mut environment = Environment::new().await;
    let _operator = environment.operator();
    let setup = json!({"dataStoreSchema": "t", "dataStoreUsername": "t"});
    environment.tenant("t", setup).await;
    environment.wait_for_objects("t").await;
    let tenancy = environment.tenancy("t", "t", "t").await;
    environment.etcd.stop();
    delete(&environment, "t").await;
    let message = environment
        .wait_for_condition("t", "DataStoreReady", "DataStoreFailed")
        .await;
    for words in [
        "the deletion waits",
        "the DataStore default",
        "goes on by itself",
    ] {
        assert!(message.contains(words), "{message}");
    }
    environment.etcd.resume().unwrap();
    environment.wait_deleted("t").await;
    let missing = environment.etcd_admin().await;
    let missing = missing.ensure(&tenancy).await;
    assert_eq!(
        missing.unwrap().steps.len(),
        5,
        "the role, user and data were removed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_names_the_missing_data_store_and_continues_when_it_is_created_again() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    // Its finalizer protects it while it is used, so the test removes the finalizer by hand.
    wait_until_used(&stores).await;
    stores
        .delete("default", &DeleteParams::default())
        .await
        .unwrap();
    let no_finalizers = json!({"metadata": {"finalizers": null}});
    let params = PatchParams::default();
    stores
        .patch("default", &params, &Patch::Merge(no_finalizers))
        .await
        .unwrap();
    let missing = async || {
        environment
            .wait_for_condition("t", "DataStoreReady", "DataStoreMissing")
            .await
    };
    // Before the operator has observed the deletion, it could still remove the tenant's data.
    missing().await;
    delete(&environment, "t").await;
    let message =
        crate::environment::wait_until("the deletion to say what it waits for", async || {
            let message = missing().await;
            message.contains("the deletion waits").then_some(message)
        })
        .await;
    for words in [
        "the deletion waits",
        "DataStore default does not exist",
        "create it",
    ] {
        assert!(message.contains(words), "{message}");
    }
    environment.data_store("default").await;
    environment.wait_deleted("t").await;
}

async fn wait_until_used(stores: &Api<DataStore>) {
    crate::environment::wait_until("the DataStore to be used", async || {
        let status = stores.get("default").await.ok()?.status?;
        (!status.used_by.is_empty()).then_some(())
    })
    .await;
}
