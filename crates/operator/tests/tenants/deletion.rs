use kamaji_api::datastore::DataStore;
use kamaji_datastore as datastore;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::world::{Operator, World};

/// Two tenants, the name of one being the beginning of the other's.
async fn neighbours() -> (World, Operator) {
    let world = World::new().await;
    let operator = world.operator();
    for name in ["cp-a", "cp-aa"] {
        let own = json!({"dataStoreSchema": name, "dataStoreUsername": name});
        world.tenant(name, own).await;
        world.written(name).await;
    }
    (world, operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_tenant_takes_its_role_and_user_along_and_leaves_its_neighbour_alone() {
    let (world, _operator) = neighbours().await;
    let admin = world.etcd_admin().await;
    let tenancies = [
        world.tenancy("cp-a", "cp-a", "cp-a").await,
        world.tenancy("cp-aa", "cp-aa", "cp-aa").await,
    ];
    world
        .tenants()
        .delete("cp-a", &DeleteParams::default())
        .await
        .unwrap();
    world.gone("cp-a").await;
    // Reading before writing: what is made again was gone, what is not was there.
    let gone = admin.ensure(&tenancies[0]).await.unwrap();
    assert_eq!(gone.steps.len(), 5, "{gone}");
    let there = admin.ensure(&tenancies[1]).await.unwrap();
    assert!(there.is_empty(), "{there}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_own_certificate_reads_its_own_keys_and_no_neighbours() {
    let (world, _operator) = neighbours().await;
    let data = world
        .secret("cp-a-datastore-certificate")
        .await
        .unwrap()
        .data
        .unwrap();
    let own = world.connection(&data["server.crt"].0, &data["server.key"].0);
    let tenant = datastore::connect(&own).await.unwrap();
    let own = world.tenancy("cp-a", "cp-a", "cp-a").await;
    let own = tenant.usage(&own).await;
    assert_eq!(own.unwrap(), 0);
    let neighbour = world.tenancy("cp-aa", "cp-aa", "cp-aa").await;
    let neighbour = tenant.usage(&neighbour).await;
    assert!(
        matches!(neighbour, Err(datastore::Error::NotAuthorised { .. })),
        "{neighbour:?}"
    );
}

async fn delete(world: &World, tenant: &str) {
    let tenants = world.tenants();
    tenants
        .delete(tenant, &DeleteParams::default())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_says_that_it_waits_for_a_datastore_that_is_down_and_goes_on_once_it_is_back() {
    let mut world = World::new().await;
    let _operator = world.operator();
    let own = json!({"dataStoreSchema": "t", "dataStoreUsername": "t"});
    world.tenant("t", own).await;
    world.written("t").await;
    let tenancy = world.tenancy("t", "t", "t").await;
    world.etcd.stop();
    delete(&world, "t").await;
    let why = world.reason("t", "DataStoreReady", "DataStoreFailed").await;
    for words in [
        "the deletion waits",
        "the DataStore default",
        "goes on by itself",
    ] {
        assert!(why.contains(words), "{why}");
    }
    world.etcd.resume().unwrap();
    world.gone("t").await;
    let missing = world.etcd_admin().await;
    let missing = missing.ensure(&tenancy).await;
    assert_eq!(missing.unwrap().steps.len(), 5, "nothing of it was left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_names_the_datastore_object_that_is_gone_and_goes_on_when_it_is_made_again() {
    let world = World::new().await;
    let _operator = world.operator();
    world.tenant("t", json!({})).await;
    world.written("t").await;
    let stores: Api<DataStore> = Api::all(world.client.clone());
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
        world
            .reason("t", "DataStoreReady", "DataStoreMissing")
            .await
    };
    // Until the operator has heard of it, it would find the data and rightly remove it.
    missing().await;
    delete(&world, "t").await;
    let why = crate::world::until("the deletion to say what it waits for", async || {
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
    world.data_store("default").await;
    world.gone("t").await;
}

async fn until_used(stores: &Api<DataStore>) {
    crate::world::until("the DataStore to be used", async || {
        let status = stores.get("default").await.ok()?.status?;
        (!status.used_by.is_empty()).then_some(())
    })
    .await;
}
