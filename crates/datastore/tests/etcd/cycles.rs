//! Tenants that come and go leave an etcd as it was.

use std::time::Duration;

use etcd_client::CompactionOptions;

use super::*;
use crate::connections::connections;
use crate::soak::cycles;

/// Bytes by which the database may differ: a few of its pages.
const PAGES: i64 = 64 << 10;

/// Keys with those of owner records, users and roles.
async fn counts(admin: &mut Client) -> (i64, usize, usize) {
    let everything = GetOptions::new().with_all_keys().with_count_only();
    let keys = admin.get("", Some(everything)).await.unwrap().count();
    (keys, users(admin).await.len(), roles(admin).await.len())
}

/// Bytes that the database uses once former revisions are compacted, as every etcd in use does by itself. Pages are
/// freed behind later writes, so the least of several sizes counts.
async fn used(admin: &mut Client) -> i64 {
    let revision = admin.get("/", None).await.unwrap();
    let revision = revision.header().unwrap().revision();
    let physical = CompactionOptions::new().with_physical();
    admin.compact(revision, Some(physical)).await.unwrap();
    let mut least = i64::MAX;
    for _ in 0..12 {
        admin.put("/page", "", None).await.unwrap();
        admin.delete("/page", None).await.unwrap();
        // etcd commits its database every 100 ms.
        tokio::time::sleep(Duration::from_millis(250)).await;
        let size = admin.status().await.unwrap().raft_used_db_size();
        least = least.min(size);
    }
    least
}

#[tokio::test]
async fn tenants_that_come_and_go_leave_size_and_connections_as_they_were() {
    let (server, store, first) = with_tenant("first").await;
    let mut admin = server.client("root").await;
    let cycle = async |n: usize| {
        let tenancy = tenancy(&format!("cp-{n}"));
        assert_eq!(
            store.ensure(&tenancy).await.unwrap().steps,
            created(&tenancy)
        );
        let mut tenant = client_of(&server, &tenancy).await;
        for key in 0..20 {
            let key = format!("/cp-{n}/{key}");
            tenant.put(key, vec![b'x'; 2000], None).await.unwrap();
        }
        drop(tenant);
        assert!(!store.remove(&tenancy).await.unwrap().is_empty());
    };
    for n in 0..10 {
        cycle(n).await;
    }
    let before = (counts(&mut admin).await, connections(server.port));
    let size = used(&mut admin).await;
    for n in 10..10 + cycles() {
        cycle(n).await;
    }
    assert_eq!(counts(&mut admin).await, before.0);
    assert_eq!(connections(server.port), before.1);
    let grown = used(&mut admin).await - size;
    println!(
        "{} cycles: {size} bytes, grown by {grown}; {} connections",
        cycles(),
        before.1
    );
    assert!(grown < PAGES, "grown by {grown} bytes");
    assert!(store.ensure(&first).await.unwrap().is_empty());
}
