//! Migrations between drivers under clients that write and watch: everything acknowledged is at the target, and it goes
//! on.

use kamaji_datastore::Driver;
use kube::Api;
use serde_json::json;

use crate::{
    checker::check,
    clients::Clients,
    environment::{NAMESPACE, wait_until},
    kit_kine::write,
    round::cut_event,
    world::{Service, TENANT, World, name},
    writers::{Acknowledged, assert_goes_on, assert_served, fill},
};

/// Keys that stand at the source before the clients write.
const STANDING: usize = 1500;

/// Moves a tenant whose source `before` has prepared, under writers.
async fn moves(
    (from, to): (Driver, Driver),
    before: impl AsyncFnOnce(&World, &Service) -> Acknowledged,
    writes: usize,
) {
    let world = World::start([from, to]).await;
    let _operator = world.environment.operator();
    world.tenant(from).await;
    let source = world.serve(from).await;
    let mut acknowledged = before(&world, &source).await;
    acknowledged.extend(fill(&source, STANDING).await);
    let clients = Clients::start(&source, 0);
    clients.write_on(500).await;
    world.ask_for(name(to)).await;
    world.wait_for_move(to).await;
    let target = world.serve(to).await;
    clients.go_to(&target);
    clients.write_on(500).await;
    let (history, figures) = clients.stop().await;
    let note = cut_event(&world).await;
    eprintln!(
        "{from:?} to {to:?}: {note}; {} writes acknowledged, {} refused",
        figures.acknowledged, figures.refused
    );
    let problems = check(&history);
    assert!(problems.is_empty(), "{problems:#?}");
    let floor = assert_served(&target, &acknowledged).await;
    assert_goes_on(&target, writes, floor).await;
    // The source is kept, and takes no write.
    let storage = world.storage().await.unwrap();
    assert_eq!(storage.former.unwrap()[0].data_store, name(from));
    let late = write(&source.client, &format!("{}late", source.root), 0, b"late").await;
    assert!(late.is_err(), "{late:?}");
}

async fn nothing(_: &World, _: &Service) -> Acknowledged {
    Acknowledged::new()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_under_writes_moves_from_etcd_to_postgresql_and_writes_ten_thousand_times() {
    Box::pin(moves((Driver::Etcd, Driver::PostgreSql), nothing, 10_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_under_writes_moves_from_postgresql_to_mysql_after_a_compaction() {
    let compacted = async |_: &World, source: &Service| {
        let mut revisions = [0; 10];
        let mut acknowledged = Acknowledged::new();
        for n in 0..3000 {
            let (key, value) = (format!("compacted/{}", n % 10), n.to_string());
            let path = format!("{}{key}", source.root);
            let revision = write(&source.client, &path, revisions[n % 10], value.as_bytes()).await;
            revisions[n % 10] = revision.unwrap();
            acknowledged.insert(key, Some(value.into_bytes()));
        }
        source.client.clone().compact(2800, None).await.unwrap();
        acknowledged
    };
    Box::pin(moves((Driver::PostgreSql, Driver::MySql), compacted, 500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_under_writes_moves_from_mysql_to_etcd() {
    Box::pin(moves((Driver::MySql, Driver::Etcd), nothing, 500)).await;
}

/// A second migration back needs a word about what the tenant left there, and another releases what it left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_moves_back_over_what_it_left_only_with_a_word_and_releases_the_rest() {
    let world = World::start([Driver::Etcd, Driver::PostgreSql]).await;
    let _operator = world.environment.operator();
    world.tenant(Driver::Etcd).await;
    let acknowledged = fill(&world.serve(Driver::Etcd).await, 200).await;
    world.ask_for("postgresql").await;
    world.wait_for_move(Driver::PostgreSql).await;
    roll_out(&world).await;
    world.ask_for("etcd").await;
    let message = world.wait_for_failure().await;
    assert!(message.contains("cleanup-prior-migration"), "{message}");
    let annotations = json!({"kamaji.clastix.io/cleanup-prior-migration": "true"});
    world
        .change(
            json!({"metadata": {"annotations": annotations}, "spec": {"dataStore": "postgresql"}}),
        )
        .await;
    wait_until("the failed migration is dropped", async || {
        world.storage().await?.migration.is_none().then_some(())
    })
    .await;
    world.ask_for("etcd").await;
    world.wait_for_move(Driver::Etcd).await;
    assert_served(&world.serve(Driver::Etcd).await, &acknowledged).await;
    roll_out(&world).await;
    world.release("postgresql").await;
    let databases = "SELECT datname::text FROM pg_database";
    let left = world
        .postgres
        .as_ref()
        .unwrap()
        .texts("postgres", databases)
        .await;
    assert!(!left.iter().any(|name| name.len() == 36), "{left:?}");
}

/// Reports each version of the tenant's Deployment as rolled out, as its controller would, until the record of the
/// migration ends.
pub async fn roll_out(world: &World) {
    wait_until("the record ends with the rollout", async || {
        report_rollout(world).await;
        world.storage().await?.migration.is_none().then_some(())
    })
    .await;
}

async fn report_rollout(world: &World) {
    use k8s_openapi::api::apps::v1::Deployment;
    use kube::api::{Patch, PatchParams};
    let api: Api<Deployment> = Api::namespaced(world.environment.client.clone(), NAMESPACE);
    let live = api.get(TENANT).await.unwrap();
    let status = json!({"status": {
        "observedGeneration": live.metadata.generation, "replicas": 1, "updatedReplicas": 1,
        "readyReplicas": 1, "availableReplicas": 1,
    }});
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(status));
    api.patch_status(TENANT, &parameters, &patch).await.unwrap();
}
