//! Disks of a database that are full in the middle of a migration away from it: what was acknowledged stays, the attempt
//! ends with cause and next step, and the migration arrives or is aborted. kine 0.17.5 acknowledges creations that a full
//! disk refuses, so that a key counts only once its update was acknowledged, too.

use std::time::Duration;

use kamaji_api::tenant::MigrationPhase;
use kamaji_datastore::Driver;

use crate::{
    disk::Disk,
    environment::{Environment, wait_until},
    full::{fill_large, fill_while_it_copies},
    kit_kine::write,
    late_cut::LateCut,
    mysql_server,
    postgres_server::{Setup, USUAL},
    soak::soaks,
    world::{Service, World, name},
    writers::{Writers, assert_goes_on, assert_served, fill},
};

/// A tenant in a PostgreSQL with a small disk.
const ON_DISK: Setup = Setup {
    disk: Some("160m"),
    ..USUAL
};

/// Longest time in which a write is taken again.
const AGAIN: Duration = Duration::from_mins(2);

/// Disk of the database.
fn disk(world: &World) -> &Disk {
    let postgres = world.postgres.as_ref().map(|server| &server.disk);
    let disk = postgres.or_else(|| world.mysql.as_ref().map(|server| &server.disk));
    disk.unwrap().as_ref().unwrap()
}

/// Waits until the source takes a write.
async fn wait_for_write(source: &Service, key: &str) {
    let path = format!("{}{key}", source.root);
    let begin = std::time::Instant::now();
    while let Err(refusal) = write(&source.client, &path, 0, b"value").await {
        assert!(begin.elapsed() < AGAIN, "{refusal}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn without_record(world: &World) {
    wait_until("the record is dropped", async || {
        world.storage().await?.migration.is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_a_postgresql_that_is_full_fails_the_attempt_as_source_and_the_next_one_arrives() {
    if !soaks() {
        return;
    }
    let mut world = World::start_with([Driver::PostgreSql, Driver::Etcd], (ON_DISK, &[])).await;
    let _operator = world.environment.operator();
    world.tenant(Driver::PostgreSql).await;
    let source = world.serve(Driver::PostgreSql).await;
    let mut acknowledged = fill_large(&source).await;
    let writers = Writers::start(&source);
    world.begin(Driver::Etcd).await;
    fill_while_it_copies(&mut world).await;
    acknowledged.extend(writers.stop().await);
    // The abort needs no space at the source.
    world.ask_for(name(Driver::PostgreSql)).await;
    without_record(&world).await;
    assert_served(&source, &acknowledged).await;

    disk(&world).free();
    wait_for_write(&source, "again").await;
    acknowledged.insert("again".to_owned(), Some(b"value".to_vec()));
    world.ask_for(name(Driver::Etcd)).await;
    world.wait_for_move(Driver::Etcd).await;
    let target = world.serve(Driver::Etcd).await;
    let floor = assert_served(&target, &acknowledged).await;
    assert_goes_on(&target, 100, floor).await;
}

/// The disk is full when a fence stands whose operator is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_a_fence_at_a_postgresql_that_is_full_ends_and_the_tenant_writes_once_there_is_space()
{
    if !soaks() {
        return;
    }
    let world = World::start_with([Driver::PostgreSql, Driver::Etcd], (ON_DISK, &[])).await;
    let cut = LateCut::default();
    let through = cut.clone();
    let wrap = move |request, client| through.clone().pass(request, client);
    let killed = world.environment.run_through(Environment::settings(), wrap);
    world.tenant(Driver::PostgreSql).await;
    let source = world.serve(Driver::PostgreSql).await;
    let acknowledged = fill(&source, 300).await;
    world.ask_for(name(Driver::Etcd)).await;
    cut.wait().await;
    disk(&world).fill();
    drop(killed);
    world.ask_for(name(Driver::PostgreSql)).await;
    let _operator = world.environment.operator();
    tokio::time::sleep(Duration::from_secs(5)).await;
    disk(&world).free();
    without_record(&world).await;
    wait_for_write(&source, "again").await;
    let floor = assert_served(&source, &acknowledged).await;
    assert_goes_on(&source, 100, floor).await;
}

/// A MariaDB in the DataStore `mysql`, with a small disk.
async fn with_mysql() -> World {
    let mut world = World::bare().await;
    let server = mysql_server::Server::start_on_disk("160m").await;
    let connection = server.connection();
    let (driver, store) = (Driver::MySql, name(Driver::MySql));
    world.database_named(store, driver, &connection).await;
    world.mysql = Some(server);
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_a_mariadb_that_is_full_is_left_without_a_loss_although_it_stays_full() {
    if !soaks() {
        return;
    }
    let mut world = with_mysql().await;
    let _operator = world.environment.operator();
    world.tenant(Driver::MySql).await;
    let source = world.serve(Driver::MySql).await;
    let mut acknowledged = fill_large(&source).await;
    let writers = Writers::start(&source);
    world.begin(Driver::Etcd).await;
    world.halt(Driver::MySql.into());
    assert_eq!(world.phase().await, Some(MigrationPhase::Copying));
    disk(&world).fill();
    world.go_on(Driver::MySql.into());
    world.wait_for_move(Driver::Etcd).await;
    acknowledged.extend(writers.stop().await);
    let target = world.serve(Driver::Etcd).await;
    let floor = assert_served(&target, &acknowledged).await;
    assert_goes_on(&target, 100, floor).await;
}
