//! Transfer of a tenant's data: pages, changes, writes, the fence, and a whole copy.

use std::time::Duration;

use kamaji_datastore::transfer::{
    BATCH_BYTES, Ends, Followed, Op, Record, Roots, Writer, copy_all,
};
use kamaji_datastore::{Access, Error, FenceId, Tenancy};

use super::tenancies::{KEY, assert_own_access, tenancy, with_tenant};
use crate::{attempt::attempt, harness::Harness, kit_records::content};

/// A write at the revision `modified` of its source.
fn put(key: &str, value: &[u8], modified: i64) -> Op {
    Op::Put(Record {
        key: key.into(),
        value: value.into(),
        created: modified,
        modified,
        ttl: None,
    })
}

fn delete(key: &str, revision: i64) -> Op {
    let key = key.into();
    Op::Delete { key, revision }
}

/// Bytes that a character set or a quotation could damage.
fn value(number: i64) -> Vec<u8> {
    let mut value = b"\0\xff'\\\"k8s\0\xc3\x28".to_vec();
    value.extend(number.to_be_bytes());
    value
}

/// Writes `count` records, the first at the revision after `floor`; returns what was written.
async fn fill(writer: &mut dyn Writer, floor: i64, count: i64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let key = |number: i64| format!("pods/{number:05}");
    let ops: Vec<Op> = (0..count)
        .map(|n| put(&key(n), &value(n), floor + 1 + n))
        .collect();
    for ops in ops.chunks(1000) {
        writer.apply(ops).await.unwrap();
    }
    (0..count)
        .map(|n| (key(n).into_bytes(), value(n)))
        .collect()
}

fn read_only(tenancy: &Tenancy) -> Tenancy {
    tenancy.with_access(Access::ReadOnly)
}

pub async fn what_was_written_is_read_in_pages_and_by_key<H: Harness>() {
    let (_server, store, tenancy) = with_tenant::<H>().await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let written = fill(writer.as_mut(), 100, 2300).await;
    assert_eq!(content(&*store, &tenancy).await, written);
    assert_eq!(writer.count().await, Ok(2300));
    let mut reader = store.reader(&tenancy).await.unwrap();
    let keys = [
        written[2299].0.clone(),
        b"absent".to_vec(),
        written[0].0.clone(),
    ];
    let found = reader.get(&keys).await.unwrap();
    let found: Vec<Option<Vec<u8>>> = found.into_iter().map(|r| Some(r?.value)).collect();
    assert_eq!(
        found,
        [
            Some(written[2299].1.clone()),
            None,
            Some(written[0].1.clone())
        ]
    );
}

/// A tenant decides how large the records are that are read by their keys.
pub async fn single_keys_are_read_within_the_bytes_of_a_batch<H: Harness>() {
    let (_server, store, tenancy) = with_tenant::<H>().await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    for number in 0..5 {
        // Two of them fit into a batch.
        let large = vec![b'0'; 900 << 10];
        let op = put(&format!("x/{number}"), &large, 101 + number);
        writer.apply(&[op]).await.unwrap();
    }
    let keys = ["x/3", "absent", "x/0", "x/1", "x/2", "missing", "x/4"].map(Vec::from);
    let mut reader = store.reader(&tenancy).await.unwrap();
    let (mut found, mut answers) = (Vec::new(), Vec::new());
    while found.len() < keys.len() {
        let answer = reader.get(&keys[found.len()..]).await.unwrap();
        let sizes = answer.iter().flatten().map(|record| record.value.len());
        assert!(sizes.sum::<usize>() <= BATCH_BYTES, "after {answers:?}");
        answers.push(answer.len());
        found.extend(answer);
    }
    for (key, record) in keys.iter().zip(&found) {
        let expected = key.starts_with(b"x/").then_some(key);
        assert_eq!(record.as_ref().map(|record| &record.key), expected);
    }
    assert_eq!(answers.len(), 3, "{answers:?}");
}

pub async fn operations_have_one_outcome_however_often_they_are_applied<H: Harness>() {
    let (_server, store, tenancy) = with_tenant::<H>().await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let ops = [
        put("a", b"1", 11),
        put("b", b"1", 12),
        delete("a", 13),
        put("a", b"2", 14),
        put("c", b"1", 15),
        delete("c", 16),
    ];
    for _ in 0..2 {
        writer.apply(&ops).await.unwrap();
        let expected = [("a", "2"), ("b", "1")].map(|(key, value)| (key.into(), value.into()));
        assert_eq!(content(&*store, &tenancy).await, expected);
    }
    writer.clear().await.unwrap();
    assert_eq!(writer.count().await, Ok(0));
}

pub async fn changes_are_followed_from_a_revision_on<H: Harness>() {
    let (_server, store, tenancy) = with_tenant::<H>().await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    fill(writer.as_mut(), 0, 10).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    let start = reader.revision().await.unwrap();
    writer.apply(&[put("one", b"1", start + 1)]).await.unwrap();
    writer.apply(&[put("two", b"2", start + 2)]).await.unwrap();
    let goal = reader.revision().await.unwrap();
    let (mut after, mut keys) = (start, Vec::new());
    while after < goal {
        let Followed::Changes(changes) = reader.changes(after).await.unwrap() else {
            panic!("compacted");
        };
        assert!(changes.revision > after, "{changes:?}");
        keys.extend(changes.ops.iter().map(|op| op.key().to_vec()));
        after = changes.revision;
    }
    assert_eq!(keys, [b"one".to_vec(), b"two".to_vec()]);
}

pub async fn a_fenced_tenant_does_not_write_until_the_fence_is_lifted<H: Harness>() {
    let (server, store, tenancy) = with_tenant::<H>().await;
    assert_own_access(&server, &tenancy).await;
    let fenced = read_only(&tenancy);
    let revision = store.fence(&fenced, &attempt()).await.unwrap();
    for _ in 0..2 {
        assert!(server.write(&tenancy, &tenancy, KEY).await.is_err());
        let read = server.read(&tenancy, &tenancy, KEY).await;
        assert_eq!(read.is_ok_and(|found| found), H::READS_WHILE_FENCED);
        assert!(store.ensure(&fenced).await.unwrap().is_empty());
        assert_eq!(store.fence(&fenced, &attempt()).await, Ok(revision));
    }
    assert!(!store.lift(&tenancy, &attempt()).await.unwrap().is_empty());
    assert_own_access(&server, &tenancy).await;
}

pub async fn a_finished_transfer_goes_on_above_its_floor<H: Harness>() {
    let (server, store, tenancy) = with_tenant::<H>().await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    fill(writer.as_mut(), 0, 10).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    let floor = reader.revision().await.unwrap() + 3000;
    writer.finish(floor).await.unwrap();
    assert_eq!(writer.revisions_missing(floor).await, Ok(0));
    assert!(reader.revision().await.unwrap() >= floor);
    assert_own_access(&server, &tenancy).await;
    assert!(reader.revision().await.unwrap() > floor);
}

pub async fn data_without_the_tenants_owner_record_is_not_transferred<H: Harness>() {
    let (server, store, tenancy) = with_tenant::<H>().await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    fill(writer.as_mut(), 0, 3).await;
    server.delete_owner_records(&tenancy).await;
    let before = server.listing().await;
    assert!(store.reader(&tenancy).await.is_err());
    assert!(store.writer(&tenancy).await.is_err());
    assert!(writer.apply(&[put("late", b"1", 50)]).await.is_err());
    assert!(writer.clear().await.is_err());
    assert_eq!(server.listing().await, before);
}

pub async fn a_copy_equals_its_source_and_touches_no_neighbour<H: Harness>() {
    let (server, store, source) = with_tenant::<H>().await;
    let (target, neighbour) = (tenancy::<H>("cp-b"), tenancy::<H>("cp-aa"));
    store.ensure(&target).await.unwrap();
    store.ensure(&neighbour).await.unwrap();
    assert_own_access(&server, &neighbour).await;
    let theirs = content(&*store, &neighbour).await;
    let written = fill(store.writer(&source).await.unwrap().as_mut(), 0, 1200).await;
    fill(store.writer(&target).await.unwrap().as_mut(), 5000, 3).await;
    let ends = Ends {
        source: store.reader(&source).await.unwrap(),
        target: store.writer(&target).await.unwrap(),
        copied: store.reader(&target).await.unwrap(),
    };
    let report = copy_all(ends, Roots::Different).await.unwrap();
    assert_eq!(content(&*store, &target).await, written);
    assert_eq!(content(&*store, &neighbour).await, theirs);
    assert_eq!(report.ranges.total().keys, 1200);
}

/// Content of the server without the tenancy, which is ensured anew.
async fn listing_without<H: Harness>(server: &H, tenancy: &Tenancy) -> Vec<String> {
    let store = server.administrator().await;
    store.remove(tenancy).await.unwrap();
    let listing = server.listing().await;
    store.ensure(tenancy).await.unwrap();
    listing
}

pub async fn a_writer_whose_place_was_taken_writes_nothing_more<H: Harness>() {
    let (server, store, tenancy) = with_tenant::<H>().await;
    let empty = listing_without(&server, &tenancy).await;
    let mut first = store.writer(&tenancy).await.unwrap();
    let written = fill(first.as_mut(), 0, 3).await;
    let mut second = store.writer(&tenancy).await.unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    let revision = reader.revision().await.unwrap();
    let floor = revision + 50;
    for finished in [false, true] {
        let late = [put("late", b"1", floor), delete("pods/00000", floor + 1)];
        // The first of them may only find that its connection was ended.
        let ended = first.apply(&late).await.unwrap_err();
        let refused = [
            first.apply(&late).await.unwrap_err(),
            first.clear().await.unwrap_err(),
            first.finish(floor + 50).await.unwrap_err(),
        ];
        for error in refused {
            assert!(
                matches!(error, Error::Superseded { .. }),
                "{ended}; {error}"
            );
        }
        // Where a revision can be set, none is missing and none is made.
        let raised = first.raise(floor + 50).await;
        assert!(
            matches!(raised, Ok(0) | Err(Error::Superseded { .. })),
            "{raised:?}"
        );
        assert_eq!(content(&*store, &tenancy).await, written);
        if finished {
            break;
        }
        assert_eq!(reader.revision().await, Ok(revision));
        second.finish(floor).await.unwrap();
    }
    drop((first, second, reader));
    store.remove(&tenancy).await.unwrap();
    assert_eq!(server.listing().await, empty);
}

/// A future that nobody polls stands still as its process does when it is stopped.
pub async fn a_writer_that_stood_still_while_another_began_writes_nothing_later<H: Harness>() {
    let (_server, store, tenancy) = with_tenant::<H>().await;
    let late: Vec<Op> = (0..300)
        .map(|n| put(&format!("late/{n}"), b"1", 900 + n))
        .collect();
    let mut stopped = 0;
    for step in 0..30 {
        let mut first = store.writer(&tenancy).await.unwrap();
        let mut apply = Box::pin(first.apply(&late));
        let limit = Duration::from_micros(step * 500);
        let ended = tokio::time::timeout(limit, &mut apply).await;
        let mut second = store.writer(&tenancy).await.unwrap();
        second.clear().await.unwrap();
        let written = fill(second.as_mut(), 0, 3).await;
        if ended.is_err() {
            stopped += 1;
            // Success is an answer that came before the second writer began.
            let _ = apply.await;
        }
        assert_eq!(content(&*store, &tenancy).await, written, "{step}");
    }
    assert!(stopped > 3, "{stopped}");
}

pub async fn a_fence_is_lifted_by_the_attempt_that_noted_it_alone<H: Harness>() {
    let (server, store, tenancy) = with_tenant::<H>().await;
    let empty = listing_without(&server, &tenancy).await;
    assert_own_access(&server, &tenancy).await;
    let (fenced, later) = (read_only(&tenancy), FenceId::parse("later").unwrap());
    store.fence(&fenced, &attempt()).await.unwrap();
    for other in [&*store, &*server.administrator().await] {
        for refused in [
            other.ensure(&tenancy).await.map(drop),
            other.lift(&tenancy, &later).await.map(drop),
            other.fence(&fenced, &later).await.map(drop),
        ] {
            assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
            assert!(server.write(&tenancy, &tenancy, KEY).await.is_err());
        }
        assert!(other.ensure(&fenced).await.unwrap().is_empty());
    }
    let change = store.lift(&tenancy, &attempt()).await.unwrap();
    assert!(!change.is_empty() && !change.revoked_access(), "{change}");
    for again in [
        store.ensure(&tenancy).await,
        store.lift(&tenancy, &attempt()).await,
        store.lift(&tenancy, &later).await,
    ] {
        assert!(
            again.as_ref().is_ok_and(kamaji_datastore::Change::is_empty),
            "{again:?}"
        );
    }
    assert_own_access(&server, &tenancy).await;
    store.fence(&fenced, &later).await.unwrap();
    let refused = store.lift(&tenancy, &attempt()).await;
    assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
    store.remove(&fenced).await.unwrap();
    assert_eq!(server.listing().await, empty);
}
