//! The fence of a bucket: what it refuses, who gives the right to write back, and what crashes and late calls leave.

use std::error::Error as _;
use std::time::Duration;

use async_nats::jetstream::{
    Context,
    consumer::{DeliverPolicy, push::OrderedConfig},
    kv,
};
use async_nats::{HeaderMap, header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE};
use futures::StreamExt;
use kamaji_datastore::{Access, DataStore, Error, FenceId, Tenancy, connect, transfer::Op};

use crate::attempt::attempt;
use crate::held_back::HeldBack;
use crate::owner::owner;
use crate::server::Server;
use crate::tenancy;

const KEY: &str = "$KV.cp-a.registry.pods";
/// Key of the note about the bucket `cp-a`.
const NOTE: &str = "$KV.kamaji_clastix_io.fence.63702d61";

/// The tenancy as a fence needs it.
pub fn fenced(tenancy: &Tenancy) -> Tenancy {
    tenancy.with_access(Access::ReadOnly)
}

fn later() -> FenceId {
    FenceId::parse("later").unwrap()
}

async fn with_tenant() -> (Server, Box<dyn DataStore>, Tenancy) {
    let server = Server::start().await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    store.ensure(&tenancy).await.unwrap();
    (server, store, tenancy)
}

/// Publishes what a kine would: a value, or the mark of a deletion.
async fn put(client: &Context, value: Option<&str>) -> Result<u64, String> {
    let mut headers = HeaderMap::new();
    let payload = value.unwrap_or_default().to_owned();
    if value.is_none() {
        headers.insert("KV-Operation", "DEL");
    }
    let sent = client.publish_with_headers(KEY, headers, payload.into());
    match sent.await.unwrap().await {
        Ok(stored) => Ok(stored.sequence),
        Err(error) => Err(error.source().unwrap().to_string()),
    }
}

/// Asserts that the stream refuses what a kine publishes.
async fn assert_refused(client: &Context) {
    for value in [Some("{}"), None] {
        let refused = put(client, value).await.unwrap_err();
        assert!(
            refused.contains("message size exceeds maximum"),
            "{refused}"
        );
    }
}

fn is_fenced<T: std::fmt::Debug>(outcome: Result<T, Error>) {
    assert!(matches!(outcome, Err(Error::Fenced { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_fence_refuses_writes_of_an_open_connection_while_reads_and_watches_go_on() {
    let (server, store, tenancy) = with_tenant().await;
    let client = server.admin().await;
    put(&client, Some("first")).await.unwrap();
    let stream = client.get_stream("KV_cp-a").await.unwrap();
    let watching = OrderedConfig {
        deliver_subject: "watching".to_owned(),
        deliver_policy: DeliverPolicy::All,
        ..OrderedConfig::default()
    };
    let watching = stream.create_consumer(watching).await.unwrap();
    let mut watch = watching.messages().await.unwrap();
    watch.next().await.unwrap().unwrap();
    let last = put(&client, Some("second")).await.unwrap();
    let revision = i64::try_from(last).unwrap();

    for _ in 0..3 {
        let fence = store.fence(&fenced(&tenancy), &attempt()).await;
        assert_eq!(fence, Ok(revision));
        assert_refused(&client).await;
        assert!(store.ensure(&fenced(&tenancy)).await.unwrap().is_empty());
        let bucket = client.get_key_value("cp-a").await.unwrap();
        assert_eq!(
            bucket.get("registry.pods").await.unwrap().unwrap(),
            "second"
        );
    }
    assert_eq!(&*watch.next().await.unwrap().unwrap().payload, b"second");
    // A purge of what is superseded, which is no message, leaves the revision.
    stream.purge().keep(1).await.unwrap();
    let again = store.fence(&fenced(&tenancy), &attempt()).await;
    assert_eq!(again, Ok(revision));

    assert!(!store.lift(&tenancy, &attempt()).await.unwrap().is_empty());
    assert_eq!(put(&client, Some("third")).await, Ok(last + 1));
    assert_eq!(put(&client, None).await, Ok(last + 2));
    assert_eq!(&*watch.next().await.unwrap().unwrap().payload, b"third");
}

#[tokio::test]
async fn a_fence_that_the_next_pass_would_lift_is_refused() {
    let (server, store, tenancy) = with_tenant().await;
    let before = server.listing().await;
    let error = store.fence(&tenancy, &attempt()).await.unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    assert_eq!(server.listing().await, before);
}

#[tokio::test]
async fn a_bucket_that_is_not_the_tenants_is_not_fenced() {
    let (server, store, tenant) = with_tenant().await;
    let orders = kv::Config {
        bucket: "orders".to_owned(),
        ..kv::Config::default()
    };
    server.admin().await.create_key_value(orders).await.unwrap();
    let before = server.listing().await;
    let foreign = Tenancy {
        owner: tenant.owner.clone(),
        ..tenancy("orders")
    };
    let stranger = Tenancy {
        owner: owner("stranger"),
        ..tenant
    };
    for other in [&foreign, &stranger] {
        let fence = store.fence(&fenced(other), &attempt()).await;
        let lift = store.lift(other, &attempt()).await;
        for error in [fence.unwrap_err(), lift.unwrap_err()] {
            assert!(error.is_refusal(), "{error}");
        }
        assert_eq!(server.listing().await, before);
    }
}

#[tokio::test]
async fn a_fence_that_came_no_further_than_its_note_is_finished_or_lifted_by_its_own_attempt() {
    let (server, store, tenancy) = with_tenant().await;
    let client = server.admin().await;
    for lifts in [false, true] {
        let noted = client.publish(NOTE, attempt().as_str().to_owned().into());
        noted.await.unwrap().await.unwrap();
        let before = server.listing().await;
        is_fenced(store.ensure(&tenancy).await);
        is_fenced(store.fence(&fenced(&tenancy), &later()).await);
        is_fenced(store.lift(&tenancy, &later()).await);
        assert_eq!(server.listing().await, before);
        if !lifts {
            store.fence(&fenced(&tenancy), &attempt()).await.unwrap();
            assert_refused(&client).await;
        }
        store.lift(&tenancy, &attempt()).await.unwrap();
        put(&client, Some("value")).await.unwrap();
    }
}

#[tokio::test]
async fn a_fence_and_a_lift_that_were_dropped_are_completed_by_the_next_call() {
    let (server, store, tenancy) = with_tenant().await;
    let client = server.admin().await;
    put(&client, Some("value")).await.unwrap();
    let before = server.listing().await;
    for step in 1..30 {
        let limit = Duration::from_micros(step * 300);
        let read_only = fenced(&tenancy);
        let _ = tokio::time::timeout(limit, store.fence(&read_only, &attempt())).await;
        let last = store.fence(&read_only, &attempt()).await.unwrap();
        assert_refused(&client).await;
        is_fenced(store.ensure(&tenancy).await);
        assert_eq!(store.fence(&read_only, &attempt()).await, Ok(last));
        let _ = tokio::time::timeout(limit, store.lift(&tenancy, &attempt())).await;
        store.lift(&tenancy, &attempt()).await.unwrap();
        assert_eq!(server.listing().await, before, "{step}");
    }
}

/// A process that saw no fence gives the right to write, late: it is taken back, and that process has an error.
#[tokio::test]
async fn a_right_to_write_that_comes_late_under_a_fence_is_taken_back() {
    let (server, store, tenancy) = with_tenant().await;
    let client = server.admin().await;
    // As a lift leaves it that ends behind its first step.
    store.ensure(&fenced(&tenancy)).await.unwrap();
    let held = HeldBack::start(server.port, "$JS.API.STREAM.UPDATE").await;
    let late = connect(&server.connection_through(&[held.port]))
        .await
        .unwrap();
    let own = tenancy.clone();
    let mut late = tokio::spawn(async move { late.ensure(&own).await });
    held.wait().await;
    let last = store.fence(&fenced(&tenancy), &attempt()).await.unwrap();
    held.release();
    // The second change takes the right back.
    tokio::select! {
        () = held.wait() => held.release(),
        ended = &mut late => panic!("{ended:?}"),
    }
    is_fenced(late.await.unwrap());
    assert_refused(&client).await;
    let again = store.fence(&fenced(&tenancy), &attempt()).await;
    assert_eq!(again, Ok(last));
}

#[tokio::test]
async fn a_note_that_comes_late_is_refused_once_the_bucket_has_another_tenant() {
    let (server, store, tenant) = with_tenant().await;
    let held = HeldBack::start(server.port, "HPUB $KV.kamaji_clastix_io.fence").await;
    let late = connect(&server.connection_through(&[held.port]))
        .await
        .unwrap();
    let read_only = fenced(&tenant);
    let late = tokio::spawn(async move { late.fence(&read_only, &attempt()).await });
    held.wait().await;
    store.remove(&tenant).await.unwrap();
    let next = Tenancy {
        owner: owner("next"),
        ..tenant
    };
    store.ensure(&next).await.unwrap();
    let before = server.listing().await;
    held.release();
    assert!(late.await.unwrap().is_err());
    assert_eq!(server.listing().await, before);
    assert!(store.ensure(&next).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_bucket_that_was_fenced_is_a_target_again_once_it_is_lifted_or_removed() {
    let (server, store, tenancy) = with_tenant().await;
    let ops = [Op::Put(kamaji_datastore::transfer::Record {
        key: b"pods/a".to_vec(),
        value: b"value".to_vec(),
        created: 5,
        modified: 5,
        ttl: None,
    })];
    let mut writer = store.writer(&tenancy).await.unwrap();
    for removes in [false, true] {
        store.fence(&fenced(&tenancy), &attempt()).await.unwrap();
        let refused = writer.apply(&ops).await.unwrap_err().to_string();
        assert!(refused.contains("max_msg_size"), "{refused}");
        assert!(store.writer(&tenancy).await.is_err());
        if removes {
            store.remove(&fenced(&tenancy)).await.unwrap();
            store.ensure(&tenancy).await.unwrap();
        } else {
            store.lift(&tenancy, &attempt()).await.unwrap();
        }
        writer = store.writer(&tenancy).await.unwrap();
        writer.apply(&ops).await.unwrap();
        assert_eq!(writer.count().await, Ok(1));
    }
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    drop(server);
}

/// kine answers a conflict with the value that is there, and any other refusal with an error.
#[tokio::test]
async fn a_conditional_write_is_refused_by_its_size_and_not_as_a_conflict() {
    let (server, store, tenancy) = with_tenant().await;
    let client = server.admin().await;
    let last = put(&client, Some("value")).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, last.to_string());
    store.fence(&fenced(&tenancy), &attempt()).await.unwrap();
    let sent = client.publish_with_headers(KEY, headers, "changed".into());
    let refused = sent.await.unwrap().await.unwrap_err();
    let words = refused.source().unwrap().to_string();
    assert!(words.contains("message size exceeds maximum"), "{words}");
}
