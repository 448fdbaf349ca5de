//! Roll-backs that cannot end for the time being.

use std::time::Duration;

use kamaji_api::tenant::MigrationPhase;
use kamaji_datastore::Driver;

use crate::{environment::wait_until, world::World, writers::fill};

/// Time in which the operator's requests are counted.
const WHILE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roll_back_whose_target_is_gone_is_tried_again_with_back_off_and_says_why() {
    let mut world = World::start([Driver::Etcd, Driver::PostgreSql]).await;
    let _operator = world.environment.operator();
    world.tenant(Driver::Etcd).await;
    fill(&world.serve(Driver::Etcd).await, 300).await;
    world.begin(Driver::PostgreSql).await;
    drop(world.postgres.take());
    world.ask_for("etcd").await;
    wait_until("the cause is in the status", async || {
        let record = world.storage().await?.migration?;
        let rolls_back = record.phase == MigrationPhase::RollingBack;
        (rolls_back && record.message?.contains("postgresql")).then_some(())
    })
    .await;
    let audit = world.environment.api.audit();
    let mark = audit.mark().unwrap();
    tokio::time::sleep(WHILE).await;
    let entries = audit.since(mark).unwrap();
    let own = entries
        .iter()
        .filter(|entry| entry.is_of_the_operator() && !entry.is_of_a_lease());
    let (writes, reads): (Vec<_>, Vec<_>) = own.partition(|entry| entry.is_write());
    assert!(
        writes.len() <= 6 && reads.len() <= 40,
        "{} writes, {} reads: {writes:#?}",
        writes.len(),
        reads.len()
    );
}
