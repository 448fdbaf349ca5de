//! Migrations that do not begin, and statuses that somebody made up.

use kamaji_datastore::Driver;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{
    environment::wait_until,
    relay::relay,
    world::{TENANT, World},
    writers::{assert_served, fill},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datastore_that_is_the_same_server_under_another_name_is_refused_and_no_data_is_lost() {
    let world = World::start([Driver::PostgreSql, Driver::PostgreSql]).await;
    let connection = world.postgres.as_ref().unwrap().connection();
    let (port, _relay) = relay(world.postgres.as_ref().unwrap().port).await;
    let alias = kamaji_datastore::Connection {
        endpoints: vec![format!("127.0.0.1:{port}").parse().unwrap()],
        ..connection
    };
    world
        .database_named("alias", Driver::PostgreSql, &alias)
        .await;
    let _operator = world.environment.operator();
    world.tenant(Driver::PostgreSql).await;
    let source = world.serve(Driver::PostgreSql).await;
    let acknowledged = fill(&source, 200).await;
    let annotations = json!({"kamaji.clastix.io/cleanup-prior-migration": "true"});
    world
        .change(json!({"metadata": {"annotations": annotations}}))
        .await;
    world.ask_for("alias").await;
    let message = world.wait_for_failure().await;
    assert!(message.contains("are one server"), "{message}");
    world.ask_for("postgresql").await;
    wait_until("the record is dropped", async || {
        world.storage().await?.migration.is_none().then_some(())
    })
    .await;
    assert_served(&source, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_made_up_record_is_dropped_and_touches_no_data() {
    let world = World::start([Driver::Etcd, Driver::PostgreSql]).await;
    let _operator = world.environment.operator();
    world.tenant(Driver::Etcd).await;
    let source = world.serve(Driver::Etcd).await;
    let acknowledged = fill(&source, 100).await;
    for (from, to, phase) in [
        ("postgresql", "etcd", "RollingBack"),
        ("etcd", "etcd", "RollingBack"),
        ("etcd", "postgresql", "Switched"),
    ] {
        let record =
            json!({"attempts": 1, "phase": phase, "prepared": true, "source": from, "target": to});
        let patch = json!({"status": {"storage": {"migration": record}}});
        let tenants = world.environment.tenants();
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
        let patched = tenants.patch_status(TENANT, &parameters, &patch);
        patched.await.unwrap();
        wait_until("the record is dropped", async || {
            world.storage().await?.migration.is_none().then_some(())
        })
        .await;
        assert_served(&source, &acknowledged).await;
    }
}
