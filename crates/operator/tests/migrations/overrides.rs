//! Single resources in etcds of their own, which a migration of the rest does not touch.

use kamaji_e2e::{tls_etcd::TlsEtcd, tools::Tools};
use serde_json::json;

use crate::{
    environment::{client_of, wait_until},
    refused::make_up_roll_back,
    relay::relay,
    world::{TENANT, World},
    writers::{Acknowledged, assert_served, fill},
};

/// Without the refusal, the copy would clear the schema at its target, with the events of the tenant that are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_onto_the_etcd_of_an_override_is_refused_whatever_its_name_and_loses_nothing() {
    let world = World::bare().await;
    let other = TlsEtcd::start(&Tools::api_server().await.unwrap())
        .await
        .unwrap();
    let port = other.endpoint.rsplit(':').next().unwrap().parse().unwrap();
    let (port, _relay) = relay(port).await;
    let first = world.environment.etcd.identities.authority.cert.clone();
    let ids = (&other.identities, first.as_str());
    let alias = format!("127.0.0.1:{port}");
    world.etcd_named("events", &other.endpoint, ids).await;
    world.etcd_named("alias", &alias, ids).await;
    let _operator = world.environment.operator();
    let overrides = json!([{"resource": "/events", "dataStore": "events"}]);
    world
        .tenant_with(json!({"dataStore": "etcd", "dataStoreOverrides": overrides}))
        .await;
    let annotations = json!({"kamaji.clastix.io/cleanup-prior-migration": "true"});
    world
        .change(json!({"metadata": {"annotations": annotations}}))
        .await;
    let source = world.serve(kamaji_datastore::Driver::Etcd).await;
    let acknowledged: Acknowledged = fill(&source, 50).await;
    let event = format!("{}events/default/e", source.root);
    let mut at_override = client_of(&other).await;
    at_override.put(event.clone(), "event", None).await.unwrap();

    world.ask_for("events").await;
    let environment = &world.environment;
    let by_name = environment
        .wait_for_condition(TENANT, "DataStoreReady", "MigrationUnavailable")
        .await;
    world.ask_for("alias").await;
    let by_probe = world.wait_for_failure().await;
    for (message, end) in [(by_name, "events"), (by_probe, "alias")] {
        let says = format!("is the same server as the DataStore {end}: the copy would replace");
        assert!(message.contains(&says), "{message}");
        assert!(
            message.contains("set spec.dataStore back to etcd"),
            "{message}"
        );
    }
    world.ask_for("etcd").await;
    wait_until("the record is dropped", async || {
        world.storage().await?.migration.is_none().then_some(())
    })
    .await;
    // Nor does a status that somebody made up have the events removed.
    for name in ["events", "alias"] {
        make_up_roll_back(&world, "etcd", name).await;
    }
    assert_served(&source, &acknowledged).await;
    let kept = at_override.get(event, None).await.unwrap();
    assert_eq!(kept.kvs().len(), 1, "the events are where they were");
    // The tenant's identity may go on in both.
    let schema = source.root.trim_matches('/');
    let roles = at_override.role_list().await.unwrap();
    assert!(roles.roles().iter().any(|role| role == schema), "{schema}");
}
