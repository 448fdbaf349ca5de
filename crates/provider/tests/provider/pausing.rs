//! Paused by the Cluster or by an annotation, and resumed at once.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::World;

const ANNOTATION: &str = "cluster.x-k8s.io/paused";

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_of_pausing_stop_all_work_and_end_at_once() {
    let world = World::new().await;
    let _provider = world.provider();
    world.cluster("c", "cp", None).await;
    world.asked("cp").await;

    for by_cluster in [true, false] {
        let paused = |value: bool| {
            if by_cluster {
                json!({"spec": {"paused": value}})
            } else {
                json!({"metadata": {"annotations": {ANNOTATION: value.then_some("")}}})
            }
        };
        let set = async |value| {
            if by_cluster {
                world.change_cluster("c", paused(value)).await;
            } else {
                world.change("cp", paused(value)).await;
            }
        };
        set(true).await;
        world.says("cp", "Paused", ("True", "Paused")).await;
        let replicas = if by_cluster { 3 } else { 4 };
        world
            .change("cp", json!({"spec": {"replicas": replicas}}))
            .await;
        world.at_rest(3).await;
        let tenant = world.asked("cp").await;
        assert_ne!(
            tenant.spec.control_plane.deployment.replicas,
            Some(replicas)
        );

        let started = Instant::now();
        set(false).await;
        world.says("cp", "Paused", ("False", "NotPaused")).await;
        let tenant = world.asked("cp").await;
        assert_eq!(
            tenant.spec.control_plane.deployment.replicas,
            Some(replicas)
        );
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "{:?}",
            started.elapsed()
        );
    }
    world.at_rest(5).await;
}
