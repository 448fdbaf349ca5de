//! A JetStream account serves one tenant, and the records in it decide which.

use async_nats::jetstream::kv;
use kamaji_datastore::{Connection, DataStore, Error, Owner, Tenancy, connect};

use crate::held_back::HeldBack;
use crate::server::{JETSTREAM, Server, listing, login};
use crate::{owner, tenancy};

/// A tenant of another management cluster.
fn of_cluster(cluster: &str, tenant: &str) -> Owner {
    Owner {
        cluster: cluster.to_owned(),
        ..owner(tenant)
    }
}

/// Asserts that neither ensure nor remove of `tenancy` is done and that nothing changes.
async fn assert_refused(server: &Server, tenancy: &Tenancy) -> [Error; 2] {
    let before = server.listing().await;
    let store = server.store().await;
    let errors = [
        store.ensure(tenancy).await.unwrap_err(),
        store.remove(tenancy).await.unwrap_err(),
    ];
    assert_eq!(server.listing().await, before);
    for error in &errors {
        assert!(error.is_refusal(), "{error}");
    }
    errors
}

async fn with_tenant_and_data() -> (Server, Box<dyn DataStore>, Tenancy) {
    let server = Server::start().await;
    let (store, first) = (server.store().await, tenancy("cp-a"));
    store.ensure(&first).await.unwrap();
    let bucket = server.admin().await.get_key_value("cp-a").await.unwrap();
    bucket.put("key", "value".into()).await.unwrap();
    (server, store, first)
}

#[tokio::test]
async fn a_second_tenant_is_refused_whatever_its_schema_and_the_first_is_not_touched() {
    let (server, store, first) = with_tenant_and_data().await;
    for name in ["cp-b", "cp-aa", "cp", "CP-A"] {
        for recorded in [false, true] {
            let second = Tenancy {
                recorded,
                ..tenancy(name)
            };
            for error in assert_refused(&server, &second).await {
                assert!(matches!(error, Error::Owned { .. }), "{error}");
                let words = error.to_string();
                assert!(
                    words.contains("the account of user kamaji belongs to"),
                    "{words}"
                );
                assert!(words.contains("tenants/cp-a"), "{words}");
            }
        }
    }
    assert!(store.ensure(&first).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_tenant_of_another_management_cluster_is_refused() {
    let (server, _, first) = with_tenant_and_data().await;
    let foreign = Tenancy {
        owner: of_cluster("another management cluster", "cp-a"),
        recorded: true,
        ..first
    };
    assert_refused(&server, &foreign).await;
}

#[tokio::test]
async fn one_of_many_concurrent_claims_of_an_account_succeeds_whatever_the_schemas() {
    let server = Server::start().await;
    let mut tasks = Vec::new();
    for n in 0..12 {
        let store = server.store().await;
        store.check().await.unwrap();
        let name = format!("cp-{n}");
        let tenancy = Tenancy {
            owner: of_cluster(&format!("cluster-{}", n % 2), &name),
            ..tenancy(&name)
        };
        tasks.push(tokio::spawn(async move {
            let outcome = store.ensure(&tenancy).await.map(drop);
            (outcome, tenancy)
        }));
    }
    let mut winners = Vec::new();
    for task in tasks {
        let (outcome, tenancy) = task.await.unwrap();
        match outcome {
            Ok(()) => winners.push(tenancy),
            Err(error) => assert!(matches!(error, Error::Owned { .. }), "{error}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let lines = server.listing().await;
    let buckets: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("bucket"))
        .collect();
    assert_eq!(buckets.len(), 1, "{lines:?}");
    assert!(buckets[0].starts_with(&format!("bucket KV_{}:", winners[0].schema)));
    assert_eq!(lines.len(), 3, "the bucket and two records: {lines:?}");
}

#[tokio::test]
async fn a_claim_that_arrives_after_another_is_refused_although_it_saw_the_account_free() {
    let server = Server::start().await;
    let held_back = HeldBack::start(server.port, "HPUB $KV.kamaji_clastix_io.account").await;
    let through = server.connection_through(&[held_back.port]);
    let late = connect(&through).await.unwrap();
    let late = tokio::spawn(async move { late.ensure(&tenancy("late")).await });
    held_back.wait().await;
    let store = server.store().await;
    store.ensure(&tenancy("first")).await.unwrap();
    let before = server.listing().await;
    held_back.release();
    let error = late.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Owned { .. }), "{error}");
    assert_eq!(server.listing().await, before);
    assert!(store.ensure(&tenancy("first")).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_account_that_a_tenant_left_takes_the_next_and_keeps_no_marks() {
    let server = Server::start().await;
    let store = server.store().await;
    let empty = server.listing().await;
    for n in 0..5 {
        let tenancy = tenancy(&format!("cp-{n}"));
        store.ensure(&tenancy).await.unwrap();
        store.remove(&tenancy).await.unwrap();
        assert_eq!(server.listing().await, empty);
    }
}

#[tokio::test]
async fn marks_of_records_that_a_crash_left_are_purged_by_the_next_removal() {
    let (server, store, tenant) = with_tenant_and_data().await;
    store.remove(&tenant).await.unwrap();
    let empty = server.listing().await;
    let records = server.admin().await;
    let records = records.get_key_value("kamaji_clastix_io").await.unwrap();
    for key in [
        "account",
        "schema.63702d61",
        "fence.63702d61",
        "writer.63702d61",
    ] {
        records.delete(key).await.unwrap();
    }
    assert_eq!(server.listing().await.len(), empty.len() + 4);
    assert!(store.remove(&tenant).await.unwrap().is_empty());
    assert_eq!(server.listing().await, empty);
}

/// A migration has a probe made and removed beside a tenant, with the owner of the tenant.
#[tokio::test]
async fn a_probe_that_is_removed_leaves_the_account_to_the_tenant_of_the_same_owner() {
    let (server, store, tenant) = with_tenant_and_data().await;
    let probe = Tenancy {
        owner: tenant.owner.clone(),
        ..tenancy("probe")
    };
    let before = server.listing().await;
    for _ in 0..2 {
        // Where it was not made, nothing is found.
        assert!(store.remove(&probe).await.unwrap().is_empty());
        assert_eq!(server.listing().await, before);
        store.ensure(&probe).await.unwrap();
        assert!(!store.remove(&probe).await.unwrap().is_empty());
        assert_eq!(server.listing().await, before);
    }
    assert_refused(&server, &tenancy("cp-b")).await;
    assert!(store.ensure(&tenant).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_bucket_of_another_application_is_neither_taken_nor_deleted() {
    let server = Server::start().await;
    let orders = kv::Config {
        bucket: "orders".to_owned(),
        ..kv::Config::default()
    };
    let bucket = server.admin().await.create_key_value(orders).await.unwrap();
    bucket.put("key", "value".into()).await.unwrap();
    for error in assert_refused(&server, &tenancy("orders")).await {
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
        assert!(
            error.to_string().contains("choose another dataStoreSchema"),
            "{error}"
        );
    }
    // Beside it there is room for a tenant.
    server.store().await.ensure(&tenancy("cp-a")).await.unwrap();
}

#[tokio::test]
async fn a_claim_without_its_bucket_or_second_record_is_completed() {
    let (server, store, tenancy) = (Server::start().await, "cp-a", tenancy("cp-a"));
    let name = store;
    let store = server.store().await;
    store.ensure(&tenancy).await.unwrap();
    let before = server.listing().await;
    let admin = server.admin().await;
    for with_record in [true, false] {
        admin.delete_key_value(name).await.unwrap();
        if !with_record {
            let records = admin.get_stream("KV_kamaji_clastix_io").await.unwrap();
            let schema = "$KV.kamaji_clastix_io.schema.>";
            assert_eq!(records.purge().filter(schema).await.unwrap().purged, 1);
        }
        assert!(!store.ensure(&tenancy).await.unwrap().is_empty());
        assert_eq!(server.listing().await, before);
    }
}

#[tokio::test]
async fn two_accounts_of_one_server_serve_two_tenants_apart() {
    let accounts = "accounts {
        A { jetstream: enabled, users: [{user: a, password: secret}] }
        B { jetstream: enabled, users: [{user: b, password: secret}] }
    }";
    let server = Server::with(&[accounts, JETSTREAM]).await;
    let same = tenancy("cp-a");
    let other = Tenancy {
        owner: owner("cp-b"),
        ..same.clone()
    };
    let connection = |user| Connection {
        basic_auth: Some(login(user, "secret")),
        ..server.connection()
    };
    let (a, b) = (
        connect(&connection("a")).await.unwrap(),
        connect(&connection("b")).await.unwrap(),
    );
    a.ensure(&same).await.unwrap();
    b.ensure(&other).await.unwrap();
    let before = listing(&server.admin_as("a").await).await;
    b.remove(&other).await.unwrap();
    assert_eq!(listing(&server.admin_as("a").await).await, before);
    assert!(a.ensure(&same).await.unwrap().is_empty());
}
