//! Which replica works, and on what?

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;

use crate::world::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_the_lease_works_and_another_takes_over() {
    let world = World::new().await;
    let replica = |identity: &str| {
        let mut settings = World::settings();
        settings.leader_elect = true;
        settings.identity = identity.to_owned();
        world.run(settings)
    };
    let first = replica("first");
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), "kamaji-system");
    let holder = async || {
        let lease = leases.get_opt(kamaji_provider::LEASE).await.ok()??;
        lease.spec?.holder_identity
    };
    until("the first to lead", async || {
        (holder().await? == "first").then_some(())
    })
    .await;
    let _second = replica("second");
    world.cluster("c", "cp", None).await;
    world.asked("cp").await;
    assert_eq!(holder().await.as_deref(), Some("first"));

    drop(first);
    until("the second to lead", async || {
        (holder().await? == "second").then_some(())
    })
    .await;
    world.cluster("d", "dp", None).await;
    world.asked("dp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_filter_lets_through_is_worked_on() {
    let world = World::new().await;
    let mut settings = World::settings();
    settings.watch_filter = Some("ours".to_owned());
    settings.namespace = Some("default".to_owned());
    let _provider = world.run(settings);
    world.cluster("c", "cp", None).await;
    world.cluster("d", "dp", None).await;
    let label = json!({"metadata": {"labels": {"cluster.x-k8s.io/watch-filter": "ours"}}});
    world.change("dp", label).await;
    world.asked("dp").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(world.tenants().get_opt("cp").await.unwrap().is_none());
    assert_eq!(world.control_planes().get("cp").await.unwrap().status, None);
}
