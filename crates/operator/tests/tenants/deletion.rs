use kamaji_api::datastore::DataStore;
use kamaji_datastore as datastore;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::environment::{Environment, Operator};

/// Two tenants, the name of one being the beginning of the other's.
async fn neighbours() -> (Environment, Operator) {
    let environment = Environment::new().await;
    let operator = environment.operator();
    for name in ["cp-a", "cp-aa"] {
        let own = json!({"dataStoreSchema": name, "dataStoreUsername": name});
        environment.tenant(name, own).await;
        environment.written(name).await;
    }
    (environment, operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_tenant_takes_its_role_and_user_along_and_leaves_its_neighbour_alone() {
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
    environment.gone("cp-a").await;
    // Reading before writing: what is made again was gone, what is not was there.
    let gone = admin.ensure(&tenancies[0]).await.unwrap();
    assert_eq!(gone.steps.len(), 5, "{gone}");
    let there = admin.ensure(&tenancies[1]).await.unwrap();
    assert!(there.is_empty(), "{there}");
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
async fn a_deletion_says_that_it_waits_for_a_datastore_that_is_down_and_goes_on_once_it_is_back() {
    let mut environment = Environment::new().await;
    let _operator = environment.operator();
    let own = json!({"dataStoreSchema": "t", "dataStoreUsername": "t"});
    environment.tenant("t", own).await;
    environment.written("t").await;
    let tenancy = environment.tenancy("t", "t", "t").await;
    environment.etcd.stop();
    delete(&environment, "t").await;
    let why = environment
        .reason("t", "DataStoreReady", "DataStoreFailed")
        .await;
    for words in [
        "the deletion waits",
        "the DataStore default",
        "goes on by itself",
    ] {
        assert!(why.contains(words), "{why}");
    }
    environment.etcd.resume().unwrap();
    environment.gone("t").await;
    let missing = environment.etcd_admin().await;
    let missing = missing.ensure(&tenancy).await;
    assert_eq!(missing.unwrap().steps.len(), 5, "nothing of it was left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_names_the_datastore_object_that_is_gone_and_goes_on_when_it_is_made_again() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.written("t").await;
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    // It is protected while it is used, so a person has to insist.
    until_used(&stores).await;
    stores
        .delete("default", &DeleteParams::default())
        .await
        .unwrap();
    let insist = json!({"metadata": {"finalizers": null}});
    let params = PatchParams::default();
    stores
        .patch("default", &params, &Patch::Merge(insist))
        .await
        .unwrap();
    let missing = async || {
        environment
            .reason("t", "DataStoreReady", "DataStoreMissing")
            .await
    };
    // Until the operator has heard of it, it would find the data and rightly remove it.
    missing().await;
    delete(&environment, "t").await;
    let why = crate::environment::until("the deletion to say what it waits for", async || {
        let why = missing().await;
        why.contains("the deletion waits").then_some(why)
    })
    .await;
    for words in [
        "the deletion waits",
        "DataStore default does not exist",
        "create it",
    ] {
        assert!(why.contains(words), "{why}");
    }
    environment.data_store("default").await;
    environment.gone("t").await;
}

async fn until_used(stores: &Api<DataStore>) {
    crate::environment::until("the DataStore to be used", async || {
        let status = stores.get("default").await.ok()?.status?;
        (!status.used_by.is_empty()).then_some(())
    })
    .await;
}
