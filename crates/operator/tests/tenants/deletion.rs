use kamaji_datastore::{self as datastore, BasicAuth, Connection, Driver, Identity, Tenancy, Tls};
use kube::api::DeleteParams;
use serde_json::json;

use crate::world::{Operator, World, until};

fn connection(world: &World, certificate: &[u8], key: &[u8]) -> Connection {
    Connection {
        driver: Driver::Etcd,
        endpoints: vec![world.etcd.endpoint.parse().unwrap()],
        tls: Some(Tls {
            ca_pem: world.etcd.identities.authority.cert.clone().into_bytes(),
            client: Some(Identity {
                cert_pem: certificate.to_vec(),
                key_pem: key.to_vec(),
            }),
        }),
        basic_auth: None::<BasicAuth>,
    }
}

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
    let root = &world.etcd.identities.root;
    let admin = datastore::connect(&connection(
        &world,
        root.cert.as_bytes(),
        root.key.as_bytes(),
    ))
    .await
    .unwrap();
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
    let tenant = datastore::connect(&connection(
        &world,
        &data["server.crt"].0,
        &data["server.key"].0,
    ))
    .await
    .unwrap();
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
