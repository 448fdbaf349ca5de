//! Leader election, and the selection of control planes by namespace and label.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;

use crate::{environment::Environment, waiting::until};

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_holder_reconciles_until_another_replica_takes_over() {
    let environment = Environment::new().await;
    let replica = |identity: &str| {
        let mut settings = Environment::settings();
        settings.leader_elect = true;
        settings.identity = identity.to_owned();
        environment.start_provider_with(settings)
    };
    let first = replica("first");
    let leases: Api<Lease> = Api::namespaced(environment.client.clone(), "kamaji-system");
    let holder = async || {
        let lease = leases.get_opt(kamaji_provider::LEASE).await.ok()??;
        lease.spec?.holder_identity
    };
    until("the first to lead", async || {
        (holder().await? == "first").then_some(())
    })
    .await;
    let _second = replica("second");
    environment.create_cluster("c", "cp", None).await;
    environment.wait_for_tenant("cp").await;
    assert_eq!(holder().await.as_deref(), Some("first"));

    drop(first);
    until("the second to lead", async || {
        (holder().await? == "second").then_some(())
    })
    .await;
    environment.create_cluster("d", "dp", None).await;
    environment.wait_for_tenant("dp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_control_planes_that_the_filter_selects_are_reconciled() {
    let environment = Environment::new().await;
    let mut settings = Environment::settings();
    settings.watch_filter = Some("ours".to_owned());
    settings.namespace = Some("default".to_owned());
    let _provider = environment.start_provider_with(settings);
    environment.create_cluster("c", "cp", None).await;
    environment.create_cluster("d", "dp", None).await;
    let label = json!({"metadata": {"labels": {"cluster.x-k8s.io/watch-filter": "ours"}}});
    environment.patch_control_plane("dp", label).await;
    environment.wait_for_tenant("dp").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(environment.tenants().get_opt("cp").await.unwrap().is_none());
    assert_eq!(
        environment.control_planes().get("cp").await.unwrap().status,
        None
    );
}
