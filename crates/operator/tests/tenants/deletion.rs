use kamaji_datastore::{self as datastore, Tenancy};
use kube::api::DeleteParams;
use serde_json::json;

use crate::world::{Operator, World, until};

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
    world
        .tenants()
        .delete("cp-a", &DeleteParams::default())
        .await
        .unwrap();
    until("cp-a to be gone", async || {
        world
            .tenants()
            .get_opt("cp-a")
            .await
            .ok()?
            .is_none()
            .then_some(())
    })
    .await;
    // Reading before writing: what is made again was gone, what is not was there.
    let gone = admin
        .ensure(&Tenancy::parse("cp-a", "cp-a").unwrap())
        .await
        .unwrap();
    assert_eq!(gone.steps.len(), 4, "{gone}");
    let there = admin
        .ensure(&Tenancy::parse("cp-aa", "cp-aa").unwrap())
        .await
        .unwrap();
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
    let own = tenant.usage(&Tenancy::parse("cp-a", "cp-a").unwrap()).await;
    assert_eq!(own.unwrap(), 0);
    let neighbour = tenant
        .usage(&Tenancy::parse("cp-aa", "cp-aa").unwrap())
        .await;
    assert!(
        matches!(neighbour, Err(datastore::Error::NotAuthorised { .. })),
        "{neighbour:?}"
    );
}
