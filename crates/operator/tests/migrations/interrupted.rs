//! Migrations that do not go through: aborted by the spec, and by operators that are killed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http_body_util::BodyExt;
use k8s_openapi::api::apps::v1::Deployment;
use kamaji_api::{datastore::DataStore, tenant::MigrationPhase};
use kamaji_datastore::Driver;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
    client::Body,
};
use serde_json::{Value, json};

use crate::{
    environment::{Environment, NAMESPACE, Operator, merge, wait_until},
    kit_kine::write,
    late_cut::LateCut,
    world::{TENANT, World},
    writers::{Acknowledged, WRITERS, Writers, assert_goes_on, assert_served, fill},
};

/// A tenant in etcd with some data.
async fn in_etcd() -> (World, Acknowledged) {
    let world = World::start([Driver::Etcd, Driver::PostgreSql]).await;
    let operator = world.environment.operator();
    world.tenant(Driver::Etcd).await;
    drop(operator);
    let filled = fill(&world.serve(Driver::Etcd).await, 300).await;
    (world, filled)
}

/// Databases of PostgreSQL that have the uid of a tenant as their name.
async fn copies(world: &World) -> Vec<String> {
    let databases = "SELECT datname::text FROM pg_database WHERE length(datname) = 36";
    world
        .postgres
        .as_ref()
        .unwrap()
        .texts("postgres", databases)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_migration_leaves_the_writers_alone_and_nothing_at_the_target() {
    let (mut world, mut acknowledged) = Box::pin(in_etcd()).await;
    let _operator = world.environment.operator();
    let source = world.serve(Driver::Etcd).await;
    let mut writers = Writers::start(&source);
    world.begin(Driver::PostgreSql).await;
    world.signal_postgres("STOP");
    let fenced = world.phase().await;
    assert_eq!(
        fenced,
        Some(MigrationPhase::Copying),
        "it stops before the fence"
    );
    world.ask_for("etcd").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.signal_postgres("CONT");
    wait_until("the record is dropped", async || {
        world.storage().await?.migration.is_none().then_some(())
    })
    .await;
    assert_eq!(copies(&world).await, Vec::<String>::new());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        writers.running(&mut acknowledged),
        WRITERS,
        "no write failed"
    );
    acknowledged.extend(writers.stop().await);
    assert_served(&source, &acknowledged).await;
    let storage = world.storage().await.unwrap();
    assert_eq!(storage.data_store_name.as_deref(), Some("etcd"));
    assert_eq!(storage.former, None);
}

/// An operator whose record that the target may be written is refused, so that its attempt gets no further, once it has
/// claimed the target.
async fn stopped_before_it_copies(world: &World) -> Operator {
    let wrap = move |request: http::Request<Body>, client: Client| async move {
        if request.method() != http::Method::PATCH {
            return client.send(request).await;
        }
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        if String::from_utf8_lossy(&bytes).contains("\"prepared\":true") {
            let refused = http::Response::builder().status(503);
            return Ok(refused.body(Body::empty()).unwrap());
        }
        client
            .send(http::Request::from_parts(head, Body::from(bytes)))
            .await
    };
    let operator = world.environment.run_through(Environment::settings(), wrap);
    world.ask_for("postgresql").await;
    wait_until("the target is claimed", async || {
        (!copies(world).await.is_empty()).then_some(())
    })
    .await;
    assert!(!world.storage().await.unwrap().migration.unwrap().prepared);
    operator
}

/// Sets the spec back, and asserts that nothing is left at the target.
async fn assert_aborted(world: &World) {
    world.ask_for("etcd").await;
    wait_until("the record is dropped", async || {
        world.storage().await?.migration.is_none().then_some(())
    })
    .await;
    assert_eq!(copies(world).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_is_aborted_before_it_copies_leaves_nothing_at_the_target() {
    let (world, _) = Box::pin(in_etcd()).await;
    let _operator = stopped_before_it_copies(&world).await;
    assert_aborted(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_a_killed_operator_claimed_is_cleared_by_the_abort_of_the_next_one() {
    let (world, _) = Box::pin(in_etcd()).await;
    drop(stopped_before_it_copies(&world).await);
    // Half of what it had claimed: the database was not made yet.
    let postgres = world.postgres.as_ref().unwrap();
    let database = copies(&world).await.remove(0);
    let drop_database = format!("DROP DATABASE \"{database}\" WITH (FORCE)");
    postgres.sql("postgres", &drop_database).await;
    world.ask_for("etcd").await;
    let _operator = world.environment.operator();
    assert_aborted(&world).await;
    let roles = "SELECT rolname::text FROM pg_roles WHERE length(rolname) = 36";
    let left = postgres.texts("postgres", roles).await;
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_whose_operator_is_killed_is_begun_anew_and_arrives() {
    let (mut world, mut acknowledged) = Box::pin(in_etcd()).await;
    let killed = world.environment.operator();
    let source = world.serve(Driver::Etcd).await;
    let writers = Writers::start(&source);
    world.ask_for("postgresql").await;
    world.wait_for_phase(MigrationPhase::Copying).await;
    world.signal_postgres("STOP");
    drop(killed);
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.signal_postgres("CONT");
    assert_eq!(
        world.storage().await.unwrap().data_store_name.as_deref(),
        Some("etcd")
    );
    let _operator = world.environment.operator();
    world.wait_for_move(Driver::PostgreSql).await;
    acknowledged.extend(writers.stop().await);
    let target = world.serve(Driver::PostgreSql).await;
    let floor = assert_served(&target, &acknowledged).await;
    assert_goes_on(&target, 100, floor).await;
}

/// The cut of the first operator is held on its way to the API server while it is killed, and sent after the second one
/// has taken over. Neither a target that cannot be used nor a reconcile that fails keeps the fence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_whose_operator_is_killed_is_lifted_and_a_late_cut_comes_to_nothing() {
    let (world, mut acknowledged) = Box::pin(in_etcd()).await;
    let cut = LateCut::default();
    let through = cut.clone();
    let wrap = move |request, client| through.clone().pass(request, client);
    let killed = world.environment.run_through(Environment::settings(), wrap);
    let source = world.serve(Driver::Etcd).await;
    let writers = Writers::start(&source);
    world.ask_for("postgresql").await;
    cut.wait().await;
    assert_eq!(world.phase().await, Some(MigrationPhase::Fenced));
    let refused = write(&source.client, &format!("{}refused", source.root), 0, b"x").await;
    assert!(refused.is_err(), "{refused:?}");
    acknowledged.extend(writers.stop().await);
    drop(killed);
    let password = set_password(
        &world,
        json!({"secretReference": {
            "name": "missing", "namespace": "default", "keyPath": "password",
        }}),
    )
    .await;
    let deployments: Api<Deployment> = Api::namespaced(world.environment.client.clone(), NAMESPACE);
    deployments
        .delete(TENANT, &DeleteParams::default())
        .await
        .unwrap();
    let refusing = Arc::new(AtomicBool::new(true));
    let refuses = refusing.clone();
    let wrap = move |request: http::Request<Body>, client: Client| {
        let refuses = refuses.load(Ordering::Relaxed);
        async move {
            if refuses
                && request.method() != http::Method::GET
                && request.uri().path().contains("/deployments")
            {
                let refused = http::Response::builder().status(503);
                return Ok(refused.body(Body::empty()).unwrap());
            }
            client.send(request).await
        }
    };
    let _operator = world.environment.run_through(Environment::settings(), wrap);
    wait_until("the fence is lifted", async || {
        let key = format!("{}lifted", source.root);
        write(&source.client, &key, 0, b"lifted").await.ok()
    })
    .await;
    acknowledged.insert("lifted".to_owned(), Some(b"lifted".to_vec()));
    cut.assert_refused(&world).await;
    assert_eq!(
        world.storage().await.unwrap().data_store_name.as_deref(),
        Some("etcd")
    );
    refusing.store(false, Ordering::Relaxed);
    set_password(&world, password).await;
    world.wait_for_move(Driver::PostgreSql).await;
    let target = world.serve(Driver::PostgreSql).await;
    let floor = assert_served(&target, &acknowledged).await;
    assert_goes_on(&target, 100, floor).await;
}

/// Has the DataStore of PostgreSQL take its password from `from`; returns where it took it from before.
async fn set_password(world: &World, from: Value) -> Value {
    let stores: Api<DataStore> = Api::all(world.environment.client.clone());
    let before = stores.get("postgresql").await.unwrap();
    let before = serde_json::to_value(&before.spec.basic_auth.unwrap().password).unwrap();
    let mut password = json!({"content": null, "secretReference": null});
    merge(&mut password, &from);
    let patch = Patch::Merge(json!({"spec": {"basicAuth": {"password": password}}}));
    stores
        .patch("postgresql", &PatchParams::default(), &patch)
        .await
        .unwrap();
    before
}
