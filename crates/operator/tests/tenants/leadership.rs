use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_takes_over_within_twenty_seconds() {
    let world = World::new().await;
    let first = world.replica("first", true);
    world.tenant("before", json!({})).await;
    world.written("before").await;
    let _second = world.replica("second", true);
    tokio::time::sleep(Duration::from_secs(4)).await;
    drop(first);
    let started = Instant::now();
    world.tenant("after", json!({})).await;
    world.written("after").await;
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}
