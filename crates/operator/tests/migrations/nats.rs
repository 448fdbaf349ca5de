//! Migrations to and from NATS, whose fence is the configuration of the tenant's stream.

use std::path::Path;

use kamaji_api::tenant::MigrationPhase;
use kamaji_datastore::Driver;
use serde_json::json;

use crate::{
    checker::check,
    clients::Clients,
    environment::{Environment, Operator, wait_until},
    kit_kine::write,
    kit_nats::Nats,
    late_cut::LateCut,
    round::cut_event,
    world::{Service, World},
    writers::{Acknowledged, assert_goes_on, assert_served, fill},
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

/// A management cluster with the DataStores `etcd` and `nats`.
async fn with_nats() -> World {
    World::start([Driver::Etcd, Driver::Nats]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_under_writes_moves_from_etcd_to_nats_and_goes_on_there() {
    let world = with_nats().await;
    let _operator = world.environment.operator();
    world.tenant(Driver::Etcd).await;
    let source = world.serve(Driver::Etcd).await;
    let acknowledged = fill(&source, 500).await;
    let clients = Clients::start(&source, 0);
    clients.write_on(300).await;
    world.ask_for("nats").await;
    world.wait_for_move(Driver::Nats).await;
    let target = world.serve(Driver::Nats).await;
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

/// A tenant in NATS whose migration to etcd is fenced: the cut is on its way and does not arrive.
struct AtTheCut {
    world: World,
    operator: Operator,
    cut: LateCut,
    source: Service,
    standing: Acknowledged,
    clients: Clients,
}

async fn at_the_cut() -> AtTheCut {
    let world = with_nats().await;
    let cut = LateCut::default();
    let through = cut.clone();
    let wrap = move |request, client| through.clone().pass(request, client);
    let operator = world.environment.run_through(Environment::settings(), wrap);
    world.tenant(Driver::Nats).await;
    let source = world.serve(Driver::Nats).await;
    let standing = fill(&source, 300).await;
    let clients = Clients::start(&source, 0);
    clients.write_on(300).await;
    world.ask_for("etcd").await;
    cut.wait().await;
    assert_eq!(world.phase().await, Some(MigrationPhase::Fenced));
    let refused = write(&source.client, &format!("{}refused", source.root), 0, b"x").await;
    assert!(refused.is_err(), "{refused:?}");
    AtTheCut {
        world,
        operator,
        cut,
        source,
        standing,
        clients,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_at_nats_whose_operator_is_killed_ends_and_the_data_moves() {
    let fenced = Box::pin(at_the_cut()).await;
    let world = &fenced.world;
    drop(fenced.operator);
    let _operator = world.environment.operator();
    world.wait_for_move(Driver::Etcd).await;
    fenced.cut.assert_refused(world).await;
    let target = world.serve(Driver::Etcd).await;
    fenced.clients.go_to(&target);
    fenced.clients.write_on(300).await;
    let (history, _) = fenced.clients.stop().await;
    let problems = check(&history);
    assert!(problems.is_empty(), "{problems:#?}");
    assert_served(&target, &fenced.standing).await;
    let setup = world.storage().await.unwrap().setup.unwrap();
    assert_ne!(setup.user.as_deref(), Some("kamaji"), "the user of NATS");
    // What is left at the source takes no write, and goes with a word.
    let key = format!("{}late", fenced.source.root);
    let late = write(&fenced.source.client, &key, 0, b"late").await;
    assert!(late.is_err(), "{late:?}");
    let nats = world.nats.as_ref().unwrap();
    assert!(has_bucket(nats));
    crate::pairs::roll_out(world).await;
    world.release("nats").await;
    assert!(!has_bucket(nats));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_from_nats_that_is_aborted_under_the_fence_gives_the_writes_back() {
    let fenced = Box::pin(at_the_cut()).await;
    let (world, source) = (&fenced.world, &fenced.source);
    world.ask_for("nats").await;
    drop(fenced.operator);
    let _operator = world.environment.operator();
    wait_until("the record is dropped", async || {
        world.storage().await?.migration.is_none().then_some(())
    })
    .await;
    fenced.cut.assert_refused(world).await;
    // By the same clients, through the same kine, whose watches never ended.
    fenced.clients.write_on(300).await;
    let (history, _) = fenced.clients.stop().await;
    let problems = check(&history);
    assert!(problems.is_empty(), "{problems:#?}");
    assert_served(source, &fenced.standing).await;
    let storage = world.storage().await.unwrap();
    assert_eq!(storage.data_store_name.as_deref(), Some("nats"));
    assert_eq!(storage.former, None);
    // And again, to the end.
    world.ask_for("etcd").await;
    world.wait_for_move(Driver::Etcd).await;
    assert_served(&world.serve(Driver::Etcd).await, &fenced.standing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_to_nats_that_another_tenant_has_leaves_both_as_they_are() {
    let world = with_nats().await;
    let environment = &world.environment;
    let _operator = environment.operator();
    environment.tenant("n", json!({"dataStore": "nats"})).await;
    environment.wait_for_objects("n").await;
    assert!(has_bucket(world.nats.as_ref().unwrap()));
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
