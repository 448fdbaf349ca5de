//! Migrations that do not begin, and statuses that somebody made up.

use kamaji_api::condition::Reason;
use kamaji_datastore::Driver;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    environment::wait_until,
    kit_kine::write,
    relay::relay,
    round::event,
    world::{TENANT, World},
    writers::{assert_goes_on, assert_served, fill},
};

/// Puts into the tenant's `status.storage` what only the operator should write.
pub async fn make_up(world: &World, storage: Value) {
    let patch = json!({"status": {"storage": storage}});
    let tenants = world.environment.tenants();
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
    let patched = tenants.patch_status(TENANT, &parameters, &patch);
    patched.await.unwrap();
}

/// Makes up the record of an aborted migration whose copy is to be removed at `to`, and waits until it is dropped.
pub async fn make_up_roll_back(world: &World, from: &str, to: &str) {
    let record = json!({
        "attempts": 1, "claimed": true, "phase": "RollingBack", "prepared": true, "source": from, "target": to,
    });
    make_up(world, json!({"migration": record})).await;
    wait_until("the record is dropped", async || {
        world.storage().await?.migration.is_none().then_some(())
    })
    .await;
}

/// A PostgreSQL that the DataStore `alias` names, too.
async fn with_alias() -> (World, JoinSet<()>) {
    let world = World::start([Driver::PostgreSql, Driver::PostgreSql]).await;
    let connection = world.postgres.as_ref().unwrap().connection();
    let (port, relay) = relay(world.postgres.as_ref().unwrap().port).await;
    let alias = kamaji_datastore::Connection {
        endpoints: vec![format!("127.0.0.1:{port}").parse().unwrap()],
        ..connection
    };
    world
        .database_named("alias", Driver::PostgreSql, &alias)
        .await;
    (world, relay)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_up_records_of_the_source_under_another_name_remove_and_fence_nothing() {
    let (world, _relay) = with_alias().await;
    let _operator = world.environment.operator();
    world.tenant(Driver::PostgreSql).await;
    let source = world.serve(Driver::PostgreSql).await;
    let acknowledged = fill(&source, 100).await;
    make_up_roll_back(&world, "postgresql", "alias").await;
    let floor = assert_served(&source, &acknowledged).await;
    assert_goes_on(&source, 20, floor).await;

    make_up(
        &world,
        json!({"former": [{"dataStore": "alias", "user": ""}]}),
    )
    .await;
    let annotation = "kamaji.clastix.io/release-migration-source";
    let release = json!({"metadata": {"annotations": {annotation: "alias"}}});
    world.change(release).await;
    wait_until("the word is taken back", async || {
        let tenant = world.environment.tenants().get(TENANT).await.ok()?;
        let annotations = tenant.metadata.annotations.unwrap_or_default();
        (!annotations.contains_key(annotation)).then_some(())
    })
    .await;
    event(&world, Reason::DataStoreLeft).await;
    assert_served(&source, &acknowledged).await;
    let more = format!("{}more", source.root);
    write(&source.client, &more, 0, b"value").await.unwrap();
    let former = world.storage().await.unwrap().former.unwrap();
    assert_eq!(former[0].data_store, "alias", "nothing was released");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datastore_that_is_the_same_server_under_another_name_is_refused_and_no_data_is_lost() {
    let (world, _relay) = with_alias().await;
    let _operator = world.environment.operator();
    world.tenant(Driver::PostgreSql).await;
    let source = world.serve(Driver::PostgreSql).await;
    let acknowledged = fill(&source, 200).await;
    let annotations = json!({"kamaji.clastix.io/cleanup-prior-migration": "true"});
    world
        .change(json!({"metadata": {"annotations": annotations}}))
        .await;
    world.ask_for("alias").await;
    let message = world.wait_for_failure().await;
    assert!(message.contains("are one server"), "{message}");
    world.ask_for("postgresql").await;
    wait_until("the record is dropped", async || {
        world.storage().await?.migration.is_none().then_some(())
    })
    .await;
    assert_served(&source, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_made_up_record_is_dropped_and_touches_no_data() {
    let world = World::start([Driver::Etcd, Driver::PostgreSql]).await;
    let _operator = world.environment.operator();
    world.tenant(Driver::Etcd).await;
    let source = world.serve(Driver::Etcd).await;
    let acknowledged = fill(&source, 100).await;
    for (from, to, phase) in [
        ("postgresql", "etcd", "RollingBack"),
        ("etcd", "etcd", "RollingBack"),
        ("etcd", "postgresql", "Switched"),
    ] {
        let record =
            json!({"attempts": 1, "phase": phase, "prepared": true, "source": from, "target": to});
        make_up(&world, json!({"migration": record})).await;
        wait_until("the record is dropped", async || {
            world.storage().await?.migration.is_none().then_some(())
        })
        .await;
        assert_served(&source, &acknowledged).await;
    }
}
