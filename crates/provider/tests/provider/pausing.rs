//! Pausing by the Cluster or by an annotation, and resuming at once.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::environment::Environment;

const ANNOTATION: &str = "cluster.x-k8s.io/paused";

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_by_cluster_or_annotation_stops_all_writes_until_it_ends() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;
    environment.wait_for_tenant("cp").await;

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
                environment.patch_cluster("c", paused(value)).await;
            } else {
                environment.patch_control_plane("cp", paused(value)).await;
            }
        };
        set(true).await;
        environment.wait_until_true("cp", "Paused", "Paused").await;
        let replicas = if by_cluster { 3 } else { 4 };
        environment
            .patch_control_plane("cp", json!({"spec": {"replicas": replicas}}))
            .await;
        environment.assert_quiescent(3).await;
        let tenant = environment.wait_for_tenant("cp").await;
        assert_ne!(
            tenant.spec.control_plane.deployment.replicas,
            Some(replicas)
        );

        let started = Instant::now();
        set(false).await;
        environment
            .wait_until_false("cp", "Paused", "NotPaused")
            .await;
        let tenant = environment.wait_for_tenant("cp").await;
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
    environment.assert_quiescent(5).await;
}
