//! Copies from and to NATS, with a real kine at both ends: the same keys with the same values, revisions that do not go
//! backwards, and writes that go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use etcd_client::{Client, Compare, CompareOp, Txn, TxnOp, WatchOptions};
use futures::future::join_all;
use kamaji_datastore::Driver;
use kamaji_datastore::transfer::Record;
use tokio::task::JoinSet;

use crate::copies::{
    End, Service, TTL, copy_until_ready, everything_acknowledged_is_copied, goes_on, leased,
};
use crate::kit_kine::{delete, listing, write};
use crate::kit_records::records;
use crate::writers::{Acknowledged, WRITERS, keep_writing};

/// Keys that stand at the source before the clients write: more than a page.
const STANDING: usize = 1100;

/// Clients that write beside a copy from NATS: as many as leave it keys enough to compare while they write on.
const BESIDE: usize = 3;

/// Creations, updates beyond the history of a bucket, deletions, creations of deleted keys, a lease, a large value, and a
/// compaction.
async fn history(service: &Service) {
    let (client, root) = (&service.client, &service.root);
    let standing = (0..WRITERS).map(|first| async move {
        for n in (first..STANDING).step_by(WRITERS) {
            let key = format!("{root}secrets/default/{n:04}");
            let value: Vec<u8> = (0..=255).cycle().skip(n).take(300).collect();
            let mut revision = write(client, &key, 0, &value).await.unwrap();
            for update in 0..[15, 0, 1, 0][n % 4] {
                revision = write(
                    client,
                    &key,
                    revision,
                    &[u8::try_from(n % 256).unwrap(), update],
                )
                .await
                .unwrap();
            }
            if n % 5 == 0 {
                delete(client, &key, revision).await.unwrap();
            }
            if n % 10 == 0 {
                write(client, &key, 0, b"again").await.unwrap();
            }
        }
    });
    join_all(standing).await;
    // Bytes that no compression makes fewer.
    let mut state = 7_u64;
    let large = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    });
    let large: Vec<u8> = large.take(400_000).collect();
    write(client, &format!("{root}large"), 0, &large)
        .await
        .unwrap();
    let repeated = b"a value that repeats itself, ".repeat(20_000);
    let revision = write(client, &format!("{root}repeated"), 0, &repeated)
        .await
        .unwrap();
    leased(client, &format!("{root}events/default/expiring"), TTL).await;
    compact(client, revision).await;
}

/// Notes a compaction as an API server does.
async fn compact(client: &Client, revision: i64) {
    let key = "compact_rev_key";
    let first = Txn::new()
        .when([Compare::version(key, CompareOp::Equal, 0)])
        .and_then([TxnOp::put(key, revision.to_string(), None)])
        .or_else([TxnOp::get(key, None)]);
    let mut client = client.clone();
    assert!(client.txn(first).await.unwrap().succeeded());
    client.compact(revision, None).await.unwrap();
}

/// Records that a reader reads, as kine lists them.
async fn read(end: &End) -> Vec<(Vec<u8>, Vec<u8>, i64, i64)> {
    let mut reader = end.store.reader(&end.tenancy).await.unwrap();
    let records = records(reader.as_mut()).await.into_iter();
    records
        .map(|record| {
            let key = [b"/registry/".as_slice(), &record.key].concat();
            (key, record.value, record.created, record.modified)
        })
        .collect()
}

/// Waits until a watch from a revision before the copy is answered as compacted.
async fn an_older_watch_is_compacted(client: &Client, revision: i64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut client = client.clone();
        let options = WatchOptions::new()
            .with_prefix()
            .with_start_revision(revision);
        let mut watch = client.watch("/registry/", Some(options)).await.unwrap();
        let answered = tokio::time::timeout(Duration::from_secs(2), async {
            while let Some(answer) = watch.message().await.unwrap() {
                if answer.canceled() {
                    return answer.compact_revision();
                }
                if !answer.events().is_empty() {
                    return 0;
                }
            }
            0
        });
        if answered.await.is_ok_and(|compacted| compacted > revision) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "revision {revision} can be watched"
        );
    }
}

/// Copies while clients write, fences the source, and compares what the next kine lists.
async fn nats_is_copied_to(driver: Driver) {
    let (source, target) = (End::start(Driver::Nats).await, End::start(driver).await);
    let service = source.serve().await;
    history(&service).await;
    let (versions, _) = listing(&service.client).await;
    assert!(
        versions == read(&source).await,
        "the reader differs from kine"
    );

    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for number in 0..BESIDE {
        let service = (service.client.clone(), service.root.clone());
        writers.spawn(keep_writing(service, number, Arc::clone(&stop)));
    }
    let mut copy = copy_until_ready(&source, &target).await;
    let since = Instant::now();
    let floor = source.fence().await;
    let report = copy.finish(floor).await.unwrap();
    eprintln!(
        "NATS to {driver:?}: writes refused for {:?}, {} keys compared, {:?}",
        since.elapsed(),
        report.settled_under_fence,
        report.progress
    );
    for n in 0..WRITERS {
        let late = write(&service.client, &format!("/registry/late/{n}"), 0, b"late").await;
        assert!(late.is_err(), "{late:?}");
    }
    stop.store(true, Ordering::Relaxed);
    let acknowledged: Acknowledged = writers.join_all().await.into_iter().flatten().collect();
    // Reads go on, of the state at the fence.
    let (versions, revision) = listing(&service.client).await;
    assert_eq!(revision, floor);
    drop(service);
    drop(copy);

    let copied = target.content().await;
    assert!(acknowledged.len() > WRITERS);
    for (key, value) in &acknowledged {
        let found = copied.get(key).map(|record| &record.value);
        assert!(found == value.as_ref(), "{key} is not as acknowledged");
    }
    assert_eq!(copied.len(), versions.len());
    for (key, value, created, modified) in versions {
        let found = &copied[std::str::from_utf8(&key["/registry/".len()..]).unwrap()];
        assert!(found.value == value, "{found:?}");
        match driver {
            // A table has the revisions of its source.
            Driver::PostgreSql => assert_eq!((found.created, found.modified), (created, modified)),
            Driver::Nats => assert!(found.modified >= modified, "{found:?} was at {modified}"),
            _ => {}
        }
    }
    let ttl = copied["events/default/expiring"].ttl.map(i64::from);
    assert!(
        ttl.is_some_and(|ttl| (TTL / 2..=TTL + 60).contains(&ttl)),
        "{ttl:?}"
    );
    Box::pin(goes_on(&target, &copied, report.revision)).await;
    if driver != Driver::Etcd {
        an_older_watch_is_compacted(&target.serve().await.client, floor - 10).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kine_acknowledged_on_nats_is_in_etcd_which_goes_on() {
    Box::pin(nats_is_copied_to(Driver::Etcd)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kine_acknowledged_on_nats_is_in_postgres_and_kine_goes_on_there() {
    Box::pin(nats_is_copied_to(Driver::PostgreSql)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kine_acknowledged_on_nats_is_in_mysql_and_kine_goes_on_there() {
    Box::pin(nats_is_copied_to(Driver::MySql)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kine_acknowledged_on_nats_is_in_another_nats_and_kine_goes_on_there() {
    Box::pin(nats_is_copied_to(Driver::Nats)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_etcd_acknowledged_is_in_nats_and_kine_goes_on_there() {
    Box::pin(everything_acknowledged_is_copied(
        Driver::Etcd,
        Driver::Nats,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kine_acknowledged_on_postgres_is_in_nats_and_kine_goes_on_there() {
    Box::pin(everything_acknowledged_is_copied(
        Driver::PostgreSql,
        Driver::Nats,
    ))
    .await;
}

/// A shared etcd counts the writes of all its tenants, so that revisions lie far above the number of a tenant's keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_at_nats_follow_those_of_a_source_that_is_far_ahead() {
    let target = End::start(Driver::Nats).await;
    let mut writer = target.store.writer(&target.tenancy).await.unwrap();
    let record = |n: i64| Record {
        key: format!("pods/{n}").into_bytes(),
        value: vec![7; 9],
        created: 40,
        modified: 4_999_000_000 + n,
        ttl: None,
    };
    writer.begin(5_000_000_000).await.unwrap();
    let ops: Vec<_> = (0..3)
        .map(|n| kamaji_datastore::transfer::Op::Put(record(n)))
        .collect();
    writer.apply(&ops).await.unwrap();
    // What came meanwhile is made up for.
    let floor = 5_000_030_000;
    let missing = writer.revisions_missing(floor).await.unwrap();
    assert!((29_000..30_000).contains(&missing), "{missing}");
    let begun = Instant::now();
    writer.finish(floor).await.unwrap();
    eprintln!("{missing} revisions in {:?}", begun.elapsed());
    let copied: BTreeMap<String, Record> = target.content().await;
    assert_eq!(copied.len(), 3);
    for record in copied.values() {
        assert!(
            record.modified > 5_000_000_000 && record.created == 40,
            "{record:?}"
        );
    }
    Box::pin(goes_on(&target, &copied, floor)).await;
    let service = target.serve().await;
    an_older_watch_is_compacted(&service.client, floor).await;
}
