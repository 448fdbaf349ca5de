//! A tenant's bucket is as kine expects it.

use async_nats::jetstream::kv;
use kamaji_datastore::{Item, Step, Tenancy};
use serde_json::{Value, json};

use crate::{server::Server, tenancy};

/// Request by which kine 0.17.5 (nats.go 1.55) creates its bucket: it is answered with success if a bucket of
/// exactly these settings exists, and with an error that ends kine if another does.
fn request_of_kine() -> Value {
    json!({
        "name": "KV_cp-a",
        "description": "Holds kine key/values",
        "subjects": ["$KV.cp-a.>"],
        "retention": "limits",
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "discard": "new",
        "max_age": 0,
        "max_msgs_per_subject": 10,
        "max_msg_size": -1,
        "storage": "file",
        "num_replicas": 1,
        "duplicate_window": 120_000_000_000_u64,
        "sealed": false,
        "deny_delete": true,
        "deny_purge": false,
        "allow_rollup_hdrs": true,
        "compression": "none",
        "allow_direct": true,
        "mirror_direct": false,
        "consumer_limits": {}
    })
}

async fn kine_starts(server: &Server) -> bool {
    let admin = server.admin().await;
    let answer: Value = admin
        .request("STREAM.CREATE.KV_cp-a", &request_of_kine())
        .await
        .unwrap();
    answer["error"].is_null()
}

#[tokio::test]
async fn a_new_bucket_has_the_settings_by_which_kine_starts() {
    let server = Server::start().await;
    let change = server.store().await.ensure(&tenancy("cp-a")).await.unwrap();
    let created = Step::Created(Item::new("bucket", "cp-a"));
    assert_eq!(change.steps, [Step::OwnerRecorded, created]);
    assert!(kine_starts(&server).await);
}

#[tokio::test]
async fn a_bucket_that_kine_created_first_is_not_changed() {
    let server = Server::start().await;
    assert!(kine_starts(&server).await);
    let recorded = Tenancy {
        recorded: true,
        ..tenancy("cp-a")
    };
    let change = server.store().await.ensure(&recorded).await.unwrap();
    assert_eq!(change.steps, [Step::OwnerRecorded]);
}

#[tokio::test]
async fn a_bucket_of_other_settings_is_corrected_and_keeps_its_keys() {
    let server = Server::start().await;
    let upstreams = kv::Config {
        bucket: "cp-a".to_owned(),
        ..kv::Config::default()
    };
    let bucket = server
        .admin()
        .await
        .create_key_value(upstreams)
        .await
        .unwrap();
    bucket.put("key", "value".into()).await.unwrap();
    assert!(!kine_starts(&server).await);
    let recorded = Tenancy {
        recorded: true,
        ..tenancy("cp-a")
    };
    let store = server.store().await;
    let change = store.ensure(&recorded).await.unwrap();
    let corrected = Step::Corrected(Item::new("bucket", "cp-a"));
    assert_eq!(change.steps, [Step::OwnerRecorded, corrected]);
    assert!(kine_starts(&server).await);
    assert_eq!(bucket.get("key").await.unwrap().unwrap(), "value");
    assert!(store.ensure(&recorded).await.unwrap().is_empty());
}

#[tokio::test]
async fn usage_counts_the_keys_and_remove_reports_them() {
    let server = Server::start().await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    assert_eq!(store.usage(&tenancy).await, Ok(0));
    store.ensure(&tenancy).await.unwrap();
    let bucket = server.admin().await.get_key_value("cp-a").await.unwrap();
    for key in ["one", "two", "two", "three"] {
        bucket.put(key, "x".into()).await.unwrap();
    }
    assert_eq!(store.usage(&tenancy).await, Ok(3));
    let removed = Step::Removed(Item::new("bucket", "cp-a"));
    let change = store.remove(&tenancy).await.unwrap();
    assert_eq!(
        change.steps,
        [Step::DataRemoved(3), removed, Step::OwnerRemoved]
    );
    assert_eq!(store.usage(&tenancy).await, Ok(0));
}

#[tokio::test]
async fn the_size_of_a_bucket_has_every_version_of_its_values() {
    let server = Server::start().await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    assert_eq!(store.bytes(&tenancy).await, Ok(0));
    store.ensure(&tenancy).await.unwrap();
    assert_eq!(store.bytes(&tenancy).await, Ok(0));
    let bucket = server.admin().await.get_key_value("cp-a").await.unwrap();
    for _ in 0..2 {
        bucket.put("key", vec![b'x'; 5000].into()).await.unwrap();
    }
    let size = store.bytes(&tenancy).await.unwrap();
    assert!((10_000..11_000).contains(&size), "{size}");
}
