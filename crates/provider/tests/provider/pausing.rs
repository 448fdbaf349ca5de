//! Paused by the Cluster or by an annotation, and resumed at once.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::environment::Environment;

const ANNOTATION: &str = "cluster.x-k8s.io/paused";

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_of_pausing_stop_all_work_and_end_at_once() {
    let environment = Environment::new().await;
    let _provider = environment.provider();
    environment.cluster("c", "cp", None).await;
    environment.asked("cp").await;

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
                environment.change_cluster("c", paused(value)).await;
            } else {
                environment.change("cp", paused(value)).await;
            }
        };
        set(true).await;
        environment.says("cp", "Paused", ("True", "Paused")).await;
        let replicas = if by_cluster { 3 } else { 4 };
        environment
            .change("cp", json!({"spec": {"replicas": replicas}}))
            .await;
        environment.at_rest(3).await;
        let tenant = environment.asked("cp").await;
        assert_ne!(
            tenant.spec.control_plane.deployment.replicas,
            Some(replicas)
        );

        let started = Instant::now();
        set(false).await;
        environment
            .says("cp", "Paused", ("False", "NotPaused"))
            .await;
        let tenant = environment.asked("cp").await;
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
    environment.at_rest(5).await;
}
