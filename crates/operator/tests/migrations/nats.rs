//! Migrations to NATS; from there no data moves while the tenant runs.

use std::path::Path;

use kamaji_datastore::Driver;
use kube::{Api, api::ListParams};
use serde_json::json;

use crate::{
    checker::check,
    clients::Clients,
    environment::{NAMESPACE, wait_until},
    kit_nats::Nats,
    round::cut_event,
    world::World,
    writers::{assert_goes_on, assert_served, fill},
};

/// True if the account has a bucket of kine.
fn has_bucket(nats: &Nats) -> bool {
    has_folder(&nats.files.path().join("store"), &|name| {
        name.starts_with("KV_") && name != "KV_kamaji_clastix_io"
    })
}

fn has_folder(below: &Path, named: &dyn Fn(&str) -> bool) -> bool {
    let entries = std::fs::read_dir(below).into_iter().flatten();
    let mut folders = entries.filter_map(Result::ok).map(|entry| entry.path());
    folders.any(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.is_dir() && (named(&name) || has_folder(&path, named))
    })
}

/// A management cluster whose tenant is in etcd, and a DataStore of NATS.
async fn with_nats() -> (World, Nats) {
    let world = World::start([Driver::Etcd, Driver::Etcd]).await;
    let nats = Nats::start().await;
    let connection = nats.connection();
    world
        .database_named("nats", Driver::Nats, &connection)
        .await;
    (world, nats)
}

async fn wait_until_in(world: &World, store: &str) {
    wait_until("the data is in the other DataStore", async || {
        let storage = world.storage().await?;
        (storage.data_store_name.as_deref() == Some(store)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_under_writes_moves_from_etcd_to_nats_and_goes_on_there() {
    let (world, nats) = with_nats().await;
    let _operator = world.environment.operator();
    world.tenant(Driver::Etcd).await;
    let source = world.serve(Driver::Etcd).await;
    let acknowledged = fill(&source, 500).await;
    let clients = Clients::start(&source, 0);
    clients.write_on(300).await;
    world.ask_for("nats").await;
    wait_until_in(&world, "nats").await;
    let target = world.serve_nats(nats.port).await;
    clients.go_to(&target);
    clients.write_on(300).await;
    let (history, figures) = clients.stop().await;
    let note = cut_event(&world).await;
    eprintln!(
        "etcd to NATS: {note}; {} writes acknowledged, {} refused",
        figures.acknowledged, figures.refused
    );
    let problems = check(&history);
    assert!(problems.is_empty(), "{problems:#?}");
    let floor = assert_served(&target, &acknowledged).await;
    assert_goes_on(&target, 1000, floor).await;
    let storage = world.storage().await.unwrap();
    assert_eq!(storage.former.unwrap()[0].data_store, "etcd");
}

/// Sets the tenant `n` up in NATS.
async fn occupy(world: &World, nats: &Nats) {
    let environment = &world.environment;
    environment.tenant("n", json!({"dataStore": "nats"})).await;
    environment.wait_for_objects("n").await;
    assert!(has_bucket(nats));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_is_asked_from_nats_stays_and_the_condition_says_why() {
    let (world, nats) = with_nats().await;
    let _operator = world.environment.operator();
    let environment = &world.environment;
    occupy(&world, &nats).await;
    environment.tenant("n", json!({"dataStore": "etcd"})).await;
    let message = environment
        .wait_for_condition("n", "DataStoreReady", "MigrationUnavailable")
        .await;
    for words in [
        "the data stays where it is",
        "NATS cannot take a tenant's right to write",
        "set spec.dataStore back to nats",
        "kamaji snapshot restore",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let events: Api<k8s_openapi::api::core::v1::Event> =
        Api::namespaced(environment.client.clone(), NAMESPACE);
    wait_until("an event about it", async || {
        let fields = "involvedObject.name=n,reason=MigrationUnavailable";
        let list = events
            .list(&ListParams::default().fields(fields))
            .await
            .ok()?;
        list.items.first().map(drop)
    })
    .await;
    assert!(has_bucket(&nats), "its data stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_to_nats_that_another_tenant_has_leaves_both_as_they_are() {
    let (world, nats) = with_nats().await;
    let _operator = world.environment.operator();
    occupy(&world, &nats).await;
    world.tenant(Driver::Etcd).await;
    let source = world.serve(Driver::Etcd).await;
    let acknowledged = fill(&source, 50).await;
    world.ask_for("nats").await;
    let message = world.wait_for_failure().await;
    eprintln!("refused: {message}");
    assert!(message.contains("nats"), "{message}");
    let storage = world.storage().await.unwrap();
    assert_eq!(storage.data_store_name.as_deref(), Some("etcd"));
    assert_served(&source, &acknowledged).await;
    assert_goes_on(&source, 100, 0).await;
}
