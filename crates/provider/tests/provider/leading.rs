//! Which replica works, and on what?

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;

use crate::environment::{Environment, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_the_lease_works_and_another_takes_over() {
    let environment = Environment::new().await;
    let replica = |identity: &str| {
        let mut settings = Environment::settings();
        settings.leader_elect = true;
        settings.identity = identity.to_owned();
        environment.run(settings)
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
    environment.cluster("c", "cp", None).await;
    environment.asked("cp").await;
    assert_eq!(holder().await.as_deref(), Some("first"));

    drop(first);
    until("the second to lead", async || {
        (holder().await? == "second").then_some(())
    })
    .await;
    environment.cluster("d", "dp", None).await;
    environment.asked("dp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_filter_lets_through_is_worked_on() {
    let environment = Environment::new().await;
    let mut settings = Environment::settings();
    settings.watch_filter = Some("ours".to_owned());
    settings.namespace = Some("default".to_owned());
    let _provider = environment.run(settings);
    environment.cluster("c", "cp", None).await;
    environment.cluster("d", "dp", None).await;
    let label = json!({"metadata": {"labels": {"cluster.x-k8s.io/watch-filter": "ours"}}});
    environment.change("dp", label).await;
    environment.asked("dp").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(environment.tenants().get_opt("cp").await.unwrap().is_none());
    assert_eq!(
        environment.control_planes().get("cp").await.unwrap().status,
        None
    );
}
