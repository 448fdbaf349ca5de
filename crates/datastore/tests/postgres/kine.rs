//! Transfers between databases at which a real kine runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::{Client as Etcd, GetOptions};
use futures::future::join_all;
use kamaji_datastore::Access;
use kamaji_datastore::transfer::{Copy, Ends, Followed, Phase, Roots};

use super::*;
use crate::attempt::attempt;
use crate::fences::{created_during, fence_and_lift};
use crate::kit_kine::{Kine, delete, listing, write};

/// Clients that write at once.
const WRITERS: usize = 20;

/// Starts a kine at the database of one tenant.
async fn kine_of(server: &Server, tenancy: &Tenancy) -> Kine {
    let password = tenancy.password.as_ref().unwrap().expose();
    let endpoint = format!(
        "postgres://{}:{password}@127.0.0.1:{}/{}?sslmode=disable",
        tenancy.user, server.port, tenancy.schema
    );
    Kine::start(&endpoint, &["--compact-min-retain", "100"]).await
}

/// Writes, rewrites and deletes keys until it is refused or told to stop; the keys as acknowledged, `None` for deleted
/// ones.
async fn keep_writing(
    client: Etcd,
    number: usize,
    stop: Arc<AtomicBool>,
) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut acknowledged = BTreeMap::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("/registry/configmaps/kube-system/{number}-{n}");
        let value: Vec<u8> = (0..=255).cycle().skip(n).take(600).collect();
        let Ok(revision) = write(&client, &key, 0, b"first").await else {
            break;
        };
        acknowledged.insert(key.clone(), Some(b"first".to_vec()));
        let Ok(revision) = write(&client, &key, revision, &value).await else {
            break;
        };
        acknowledged.insert(key.clone(), Some(value));
        if n % 3 == 0 {
            if delete(&client, &key, revision).await.is_err() {
                break;
            }
            acknowledged.insert(key, None);
        }
    }
    acknowledged
}

/// Copies what a tenant has until its fence, and lets kine begin there.
async fn copy_until_fence(store: &dyn DataStore, source: &Tenancy, target: &Tenancy) -> i64 {
    let ends = Ends {
        source: store.reader(source).await.unwrap(),
        target: store.writer(target).await.unwrap(),
        copied: store.reader(target).await.unwrap(),
    };
    let mut copy = Copy::new(ends, Roots::Equal);
    while copy.step().await.unwrap() != Phase::Ready {}
    let fenced = source.with_access(Access::ReadOnly);
    let floor = store.fence(&fenced, &attempt()).await.unwrap();
    let report = copy.finish(floor).await.unwrap();
    assert_eq!(report.revision, floor);
    floor
}

/// The names of rows of kine's own.
async fn own_rows(server: &Server, tenancy: &Tenancy) -> Vec<String> {
    let query = "SELECT name FROM kine WHERE name NOT LIKE '/registry/%'";
    server.texts(tenancy.schema.as_str(), query).await
}

/// Ten thousand writes, each of which has to succeed, at revisions above `floor`: one, after which kine has seen no gap,
/// and the others by many clients, whose inserts may be slow enough for a gap.
async fn write_ten_thousand((server, tenancy): (&Server, &Tenancy), kine: &Kine, floor: i64) {
    let first = write(&kine.client(), "/registry/first", 0, b"value").await;
    assert!(first.is_ok_and(|revision| revision > floor));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(own_rows(server, tenancy).await, ["compact_rev_key"]);
    assert!(!kine.log().contains("GAP"), "{}", kine.log());
    let writers = (0..WRITERS).map(|number| async move {
        let client = kine.client();
        for n in 0..10_000 / WRITERS {
            let key = format!("/registry/after/{number}-{n}");
            let revision = write(&client, &key, 0, b"value").await;
            assert!(revision.is_ok_and(|revision| revision > floor), "{key}");
        }
    });
    join_all(writers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_that_a_kine_acknowledged_until_the_fence_is_served_by_the_next_one() {
    let (server, store, source) = with_tenant("cp-a").await;
    let target = tenancy("cp-b");
    store.ensure(&target).await.unwrap();
    let kine = kine_of(&server, &source).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| tokio::spawn(keep_writing(kine.client(), number, Arc::clone(&stop))))
        .collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let floor = copy_until_fence(store.as_ref(), &source, &target).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeMap::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    let deleted = acknowledged
        .values()
        .filter(|value| value.is_none())
        .count();
    assert!(deleted > WRITERS && acknowledged.len() > 3 * deleted / 2);
    // A kine that starts at the fenced source reads on.
    let before = listing(&kine_of(&server, &source).await.client()).await;
    assert_eq!(before.1, floor);
    let next = kine_of(&server, &target).await;
    let after = listing(&next.client()).await;
    assert!(before.0 == after.0, "the lists differ");
    assert!(after.1 > floor);
    let values: BTreeMap<_, _> = after
        .0
        .iter()
        .map(|(key, value, ..)| (key, value))
        .collect();
    for (key, value) in acknowledged {
        let found = values.get(&key.clone().into_bytes()).copied();
        assert!(found == value.as_ref(), "{key} is not as acknowledged");
    }
    write_ten_thousand((&server, &target), &next, floor).await;
    let (key, _, _, revision) = &before.0[0];
    let key = std::str::from_utf8(key).unwrap();
    let client = kine.client();
    assert!(write(&client, key, *revision, b"late").await.is_err());
    // kine would acknowledge this without having written it.
    assert!(write(&client, "/registry/late", 0, b"late").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_of_many_revisions_that_was_compacted_arrives_and_goes_on() {
    let (server, store, source) = with_tenant("cp-a").await;
    let target = tenancy("cp-b");
    store.ensure(&target).await.unwrap();
    let kine = kine_of(&server, &source).await;
    let client = kine.client();
    let mut reader = store.reader(&source).await.unwrap();
    let mut revisions = [0; 10];
    for n in 0..3000 {
        let key = format!("/registry/leases/{}", n % 10);
        let value = n.to_string();
        let revision = write(&client, &key, revisions[n % 10], value.as_bytes()).await;
        revisions[n % 10] = revision.unwrap();
    }
    let deleted = delete(&client, "/registry/leases/0", revisions[0]).await;
    assert!(deleted.is_ok(), "{deleted:?}");
    assert!(matches!(reader.changes(5).await, Ok(Followed::Changes(_))));
    let compacted = client.clone().compact(2800, None).await;
    compacted.unwrap();
    assert_eq!(reader.changes(5).await, Ok(Followed::Compacted));
    drop(reader);
    let floor = copy_until_fence(store.as_ref(), &source, &target).await;
    let before = listing(&client).await;
    let next = kine_of(&server, &target).await;
    let after = listing(&next.client()).await;
    assert!(
        before.0 == after.0 && after.0.len() == 10,
        "the lists differ"
    );
    // A watch from before is told to list again, one from the end goes on.
    let mut client = next.client();
    let at = |revision| Some(GetOptions::new().with_prefix().with_revision(revision));
    assert!(client.get("/registry/", at(floor - 1)).await.is_err());
    assert!(client.get("/registry/", at(floor)).await.is_ok());
    let written = write(&client, "/registry/leases/1", revisions[1], b"new").await;
    assert!(written.is_ok_and(|revision| revision > floor));
    let again = write(&client, "/registry/leases/0", 0, b"again").await;
    assert!(again.is_ok(), "{again:?}");
    write_ten_thousand((&server, &target), &next, floor).await;
}

/// kine searches for a key whose insert was refused, and reports a creation if it finds none: no such search may come to
/// that after the fence was lifted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_creation_that_a_fence_refused_is_acknowledged_when_it_is_lifted() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let kine = kine_of(&server, &tenancy).await;
    let acknowledged = created_during(&kine, fence_and_lift(store.as_ref(), &tenancy)).await;
    let query = "SELECT name FROM kine WHERE name LIKE '/registry/configmaps/%'";
    let found: BTreeSet<_> = server.texts("cp-a", query).await.into_iter().collect();
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert_eq!(lost, [""; 0], "acknowledged, and not there");
}
