//! Disks and quotas that are full in the middle of a migration: the attempt fails with cause and next step, the tenant
//! runs on where its data is, and a later attempt arrives.

use etcd_client::{AlarmAction, AlarmType};
use kamaji_api::tenant::MigrationPhase;
use kamaji_datastore::Driver;

use crate::{
    disk::Disk,
    environment::wait_until,
    kit_kine::write,
    pairs::roll_out,
    postgres_server::{Setup, USUAL},
    world::{Service, TENANT, World},
    writers::{Acknowledged, Writers, assert_goes_on, assert_served, fill},
};

/// Records that take more space than is left: 15 MiB.
pub async fn fill_large(service: &Service) -> Acknowledged {
    let value: Vec<u8> = (0..=255).cycle().take(10 << 10).collect();
    let mut acknowledged = Acknowledged::new();
    for n in 0..1500 {
        let key = format!("secrets/large/{n:04}");
        let path = format!("{}{key}", service.root);
        let written = write(&service.client, &path, 0, &value).await;
        written.unwrap();
        acknowledged.insert(key, Some(value.clone()));
    }
    acknowledged
}

/// Disk of the first PostgreSQL.
fn disk(world: &World) -> &Disk {
    let server = world.postgres.as_ref().unwrap();
    server.disk.as_ref().unwrap()
}

/// Waits for the failure of an attempt, whose message and condition have these words once its fence is lifted.
pub async fn assert_fails(world: &World, words: &[&str]) {
    let message = world.wait_for_failure().await;
    let environment = &world.environment;
    let condition = wait_until("the tenant runs on", async || {
        let condition = environment.wait_for_condition(TENANT, "Reconciled", "MigrationFailed");
        let condition = condition.await;
        condition
            .contains("the tenant runs on in")
            .then_some(condition)
    })
    .await;
    for words in words {
        assert!(message.contains(words), "{message}");
        assert!(condition.contains(words), "{condition}");
    }
    let words = "the next attempt follows by itself";
    assert!(condition.contains(words), "{condition}");
}

/// Fills the disk of the PostgreSQL while the data is copied, and waits until the attempt has failed for it.
pub async fn fill_while_it_copies(world: &mut World) {
    world.signal_postgres("STOP");
    assert_eq!(world.phase().await, Some(MigrationPhase::Copying));
    disk(world).fill();
    world.signal_postgres("CONT");
    let words = ["No space left on device; free space on the server"];
    assert_fails(world, &words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_whose_disk_is_full_fails_the_attempt_and_the_next_one_arrives() {
    let setup = Setup {
        disk: Some("160m"),
        ..USUAL
    };
    let mut world = World::start_with([Driver::Etcd, Driver::PostgreSql], (setup, &[])).await;
    let _operator = world.environment.operator();
    world.tenant(Driver::Etcd).await;
    let source = world.serve(Driver::Etcd).await;
    let mut acknowledged = fill_large(&source).await;
    let mut writers = Writers::start(&source);
    world.begin(Driver::PostgreSql).await;
    fill_while_it_copies(&mut world).await;
    assert_eq!(
        writers.running(&mut acknowledged),
        crate::writers::WRITERS,
        "no write was refused"
    );
    disk(&world).free();
    world.wait_for_move(Driver::PostgreSql).await;
    acknowledged.extend(writers.stop().await);
    let target = world.serve(Driver::PostgreSql).await;
    let floor = assert_served(&target, &acknowledged).await;
    assert_goes_on(&target, 100, floor).await;
}

/// Its tablespace has a largest size, as a disk has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_space_fails_the_attempt_which_can_be_aborted() {
    let options = [
        "--innodb-file-per-table=0",
        "--innodb-data-file-path=ibdata1:12M:autoextend:max:24M",
    ];
    let world = World::start_with([Driver::Etcd, Driver::MySql], (USUAL, &options)).await;
    let _operator = world.environment.operator();
    world.tenant(Driver::Etcd).await;
    let source = world.serve(Driver::Etcd).await;
    let acknowledged = fill_large(&source).await;
    world.ask_for("mysql").await;
    assert_fails(&world, &["is full", "free space on the server's disk"]).await;
    world.ask_for("etcd").await;
    wait_until("the record is dropped", async || {
        world.storage().await?.migration.is_none().then_some(())
    })
    .await;
    let databases = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA \
                     WHERE LENGTH(SCHEMA_NAME) = 36";
    let left = world.mysql.as_ref().unwrap().column(databases).await;
    assert_eq!(left, Vec::<String>::new());
    let floor = assert_served(&source, &acknowledged).await;
    assert_goes_on(&source, 100, floor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_is_full_fails_the_attempt_as_source_and_as_target() {
    let mut world = World::start([Driver::Etcd, Driver::PostgreSql]).await;
    let _operator = world.environment.operator();
    world.tenant(Driver::Etcd).await;
    let source = world.serve(Driver::Etcd).await;
    let mut acknowledged = fill(&source, 200).await;
    let alarm = async |world: &World, action| {
        let mut client = world.environment.etcd_client().await;
        client
            .alarm(action, AlarmType::Nospace, None)
            .await
            .unwrap();
    };
    let words = [
        "database space exceeded",
        "raise its --quota-backend-bytes, and then run `etcdctl alarm disarm`",
    ];
    world.begin(Driver::PostgreSql).await;
    world.signal_postgres("STOP");
    assert_eq!(world.phase().await, Some(MigrationPhase::Copying));
    alarm(&world, AlarmAction::Activate).await;
    world.signal_postgres("CONT");
    assert_fails(&world, &words).await;
    alarm(&world, AlarmAction::Deactivate).await;
    let key = format!("{}while-it-waits", source.root);
    let written = write(&source.client, &key, 0, b"value").await;
    written.expect("no fence stands between two attempts");
    acknowledged.insert("while-it-waits".to_owned(), Some(b"value".to_vec()));
    world.wait_for_move(Driver::PostgreSql).await;
    let target = world.serve(Driver::PostgreSql).await;
    assert_served(&target, &acknowledged).await;
    roll_out(&world).await;

    // Back, into the etcd that is full.
    let annotations = serde_json::json!({"kamaji.clastix.io/cleanup-prior-migration": "true"});
    let patch = serde_json::json!({"metadata": {"annotations": annotations}});
    world.change(patch).await;
    alarm(&world, AlarmAction::Activate).await;
    world.ask_for("etcd").await;
    // Before anything is claimed there, its check finds the alarm.
    let words = ["it is full and takes no writes (alarm NOSPACE)", words[1]];
    assert_fails(&world, &words).await;
    let written = write(&target.client, &format!("{}more", target.root), 0, b"value").await;
    written.expect("the tenant runs on in PostgreSQL");
    acknowledged.insert("more".to_owned(), Some(b"value".to_vec()));
    alarm(&world, AlarmAction::Deactivate).await;
    world.wait_for_move(Driver::Etcd).await;
    let back = world.serve(Driver::Etcd).await;
    let floor = assert_served(&back, &acknowledged).await;
    assert_goes_on(&back, 100, floor).await;
}
