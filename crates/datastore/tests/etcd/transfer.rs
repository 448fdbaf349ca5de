//! Transfer of a tenant's data from and to a real etcd.

use std::collections::BTreeSet;
use std::time::Instant;

use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp};
use kamaji_datastore::transfer::{
    BATCH_BYTES, Changes, Ends, Followed, Op, Page, Reader, Record, Report, Roots, copy_all,
};
use kamaji_datastore::{Access, Step};
use tokio::task::JoinSet;

use super::*;
use crate::attempt::attempt;
use crate::kit_records::{content, records};

const VALUE: &[u8] = b"\0k8s\xff";

/// Names around that of `cp-a`, none of which a transfer may touch.
const NEIGHBOURS: [&str; 7] = [
    "/cp", "/cp-a", "/cp-a.", "/cp-a0", "/cp-aa/x", "/cp-b/x", "cp-a/x",
];

async fn fill(server: &Server, keys: impl IntoIterator<Item = String>) {
    let mut admin = server.client("root").await;
    for key in keys {
        admin.put(key, VALUE, None).await.unwrap();
    }
}

/// Every page of a reader.
async fn pages(reader: &mut dyn Reader) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = reader.page(after.as_deref()).await.unwrap();
        after = page
            .records
            .last()
            .map(|record| record.key.clone())
            .or(after);
        let more = page.more;
        pages.push(page);
        if !more {
            return pages;
        }
    }
}

/// Every change after `after`, up to the revision of the store.
async fn all_changes(reader: &mut dyn Reader, mut after: i64) -> Changes {
    let goal = reader.revision().await.unwrap();
    let mut ops = Vec::new();
    while after < goal {
        let Followed::Changes(changes) = reader.changes(after).await.unwrap() else {
            panic!("compacted");
        };
        ops.extend(changes.ops);
        after = changes.revision;
    }
    Changes {
        ops,
        revision: after,
    }
}

fn put(key: &str, value: &str) -> Op {
    Op::Put(Record {
        key: key.into(),
        value: value.into(),
        created: 1,
        modified: 1,
        ttl: None,
    })
}

fn fenced(tenancy: &Tenancy) -> Tenancy {
    tenancy.with_access(Access::ReadOnly)
}

async fn revision(server: &Server) -> i64 {
    let mut admin = server.client("root").await;
    admin
        .get("x", None)
        .await
        .unwrap()
        .header()
        .unwrap()
        .revision()
}

#[tokio::test]
async fn pages_hold_every_key_once_in_order_and_none_of_a_neighbour() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    fill(&server, NEIGHBOURS.map(str::to_owned)).await;
    fill(&server, (0..2300).map(|n| format!("/cp-a/pods/{n:05}"))).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    let pages = pages(reader.as_mut()).await;
    assert!(pages.len() > 2, "{}", pages.len());
    let records: Vec<Record> = pages.into_iter().flat_map(|page| page.records).collect();
    let keys: Vec<Vec<u8>> = (0..2300)
        .map(|n| format!("pods/{n:05}").into_bytes())
        .collect();
    assert_eq!(
        records.iter().map(|r| r.key.clone()).collect::<Vec<_>>(),
        keys
    );
    for record in &records {
        assert_eq!((record.value.as_slice(), record.ttl), (VALUE, None));
        assert_eq!(record.created, record.modified);
    }
    let some = [
        b"pods/00007".to_vec(),
        b"missing".to_vec(),
        b"pods/02299".to_vec(),
    ];
    let got = reader.get(&some).await.unwrap();
    assert_eq!(
        got,
        [Some(records[7].clone()), None, Some(records[2299].clone())]
    );
}

#[tokio::test]
async fn large_values_come_in_pages_of_bounded_size() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut admin = server.client("root").await;
    for n in 0..40 {
        admin
            .put(format!("/cp-a/small/{n}"), "x", None)
            .await
            .unwrap();
        admin
            .put(format!("/cp-a/z/{n}"), vec![7; 1_500_000], None)
            .await
            .unwrap();
    }
    let mut reader = store.reader(&tenancy).await.unwrap();
    let pages = pages(reader.as_mut()).await;
    for page in &pages {
        let bytes: usize = page.records.iter().map(|record| record.value.len()).sum();
        assert!(bytes <= BATCH_BYTES, "{bytes}");
    }
    assert_eq!(
        pages.iter().map(|page| page.records.len()).sum::<usize>(),
        80
    );

    let target = super::tenancy("cp-b");
    store.ensure(&target).await.unwrap();
    let report = copy(&*store, &tenancy, &target).await;
    assert_eq!(report.progress.keys, 80);
    assert_eq!(content(&*store, &target).await.len(), 80);
}

#[tokio::test]
async fn changes_hold_writes_and_deletions_in_order_and_none_of_a_neighbour() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut admin = server.client("root").await;
    admin.put("/cp-a/before", "x", None).await.unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    let start = reader.revision().await.unwrap();
    let none = Changes {
        ops: Vec::new(),
        revision: start,
    };
    assert_eq!(
        reader.changes(start).await.unwrap(),
        Followed::Changes(none)
    );

    let mut expected = Vec::new();
    for n in 0..1200 {
        let key = format!("/cp-a/{}", n % 10);
        for neighbour in ["/cp-aa/x", "/cp-a0"] {
            admin.put(neighbour, "x", None).await.unwrap();
        }
        let header = if n % 7 == 3 {
            let mut deleted = admin.delete(key.as_str(), None).await.unwrap();
            // Deleting a key that is not there is no change.
            if deleted.deleted() == 0 {
                continue;
            }
            deleted.take_header()
        } else {
            admin
                .put(key.as_str(), n.to_string(), None)
                .await
                .unwrap()
                .take_header()
        };
        expected.push((
            key.as_bytes()["/cp-a/".len()..].to_vec(),
            header.unwrap().revision(),
        ));
    }
    let changes = all_changes(reader.as_mut(), start).await;
    let seen: Vec<(Vec<u8>, i64)> = changes
        .ops
        .iter()
        .map(|op| (op.key().to_vec(), op.revision()))
        .collect();
    let deletions = changes
        .ops
        .iter()
        .filter(|op| matches!(op, Op::Delete { .. }))
        .count();
    assert!(deletions > 100, "{deletions}");
    assert_eq!(seen, expected);
    // The same watch goes on, and another one begins in the middle.
    admin.put("/cp-a/after", "x", None).await.unwrap();
    assert_eq!(
        all_changes(reader.as_mut(), changes.revision)
            .await
            .ops
            .len(),
        1
    );
    let middle = expected[600].1;
    let rest = expected.len() - 601 + 1;
    assert_eq!(all_changes(reader.as_mut(), middle).await.ops.len(), rest);
}

#[tokio::test]
async fn changes_that_were_compacted_are_reported() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    let start = reader.revision().await.unwrap();
    fill(&server, (0..5).map(|n| format!("/cp-a/{n}"))).await;
    let now = revision(&server).await;
    server
        .client("root")
        .await
        .compact(now, None)
        .await
        .unwrap();
    assert_eq!(reader.changes(start).await.unwrap(), Followed::Compacted);
    fill(&server, ["/cp-a/x".to_owned()]).await;
    assert_eq!(all_changes(reader.as_mut(), now).await.ops.len(), 1);
}

#[tokio::test]
async fn a_fence_refuses_writes_of_an_open_connection_while_reads_go_on() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut tenant = client_of(&server, &tenancy).await;
    tenant.put("/cp-a/x", "1", None).await.unwrap();
    let mut watch = tenant.watch("/cp-a/x", None).await.unwrap();
    let written = tenant.put("/cp-a/x", "2", None).await.unwrap();
    let last = store.fence(&fenced(&tenancy), &attempt()).await.unwrap();
    assert!(last >= written.header().unwrap().revision());

    for _ in 0..3 {
        tenant.put("/cp-a/x", "3", None).await.unwrap_err();
        tenant.delete("/cp-a/x", None).await.unwrap_err();
        let read = tenant.get("/cp-a/x", None).await.unwrap();
        assert_eq!(read.kvs()[0].value(), b"2");
        // A pass of the operator keeps the fence, and a second fence gives a revision, too.
        assert!(store.ensure(&fenced(&tenancy)).await.unwrap().is_empty());
        assert_eq!(store.fence(&fenced(&tenancy), &attempt()).await, Ok(last));
    }
    assert!(watch.message().await.unwrap().unwrap().created());
    assert_eq!(watch.message().await.unwrap().unwrap().events().len(), 1);

    let change = store.lift(&tenancy, &attempt()).await.unwrap();
    let granted = Step::AccessGranted("range [/cp-a/, /cp-a0)".to_owned());
    assert_eq!(change.steps, [granted]);
    tenant.put("/cp-a/x", "4", None).await.unwrap();
    let error = store.fence(&tenancy, &attempt()).await.unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    tenant.put("/cp-a/x", "5", None).await.unwrap();
}

#[tokio::test]
async fn a_fenced_tenant_deletes_nothing_by_a_lease_or_a_transaction() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut tenant = client_of(&server, &tenancy).await;
    let lease = tenant.lease_grant(600, None).await.unwrap().id();
    let options = PutOptions::new().with_lease(lease);
    tenant.put("/cp-a/x", "1", Some(options)).await.unwrap();
    let last = store.fence(&fenced(&tenancy), &attempt()).await.unwrap();

    tenant.lease_revoke(lease).await.unwrap_err();
    let absent = Compare::version("/cp-a/new", CompareOp::Equal, 0);
    let put = TxnOp::put("/cp-a/new", "1", None);
    let delete = TxnOp::delete("/cp-a/x", None);
    for (name, op) in [("put", put), ("delete", delete)] {
        let transaction = Txn::new().when([absent.clone()]).and_then([op]);
        assert!(tenant.txn(transaction).await.is_err(), "{name}");
    }
    assert!(tenant.lease_keep_alive(lease).await.is_err());
    assert_eq!(store.fence(&fenced(&tenancy), &attempt()).await, Ok(last));
    let kept = content(&*store, &tenancy).await;
    assert_eq!(kept, [(b"x".to_vec(), b"1".to_vec())]);
}

#[tokio::test]
async fn no_write_that_was_acknowledged_is_behind_the_revision_of_the_fence() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut tasks = JoinSet::new();
    for writer in 0..8 {
        let mut tenant = client_of(&server, &tenancy).await;
        tasks.spawn(async move {
            let mut last = 0;
            while let Ok(put) = tenant.put(format!("/cp-a/{writer}"), "x", None).await {
                last = put.header().unwrap().revision();
            }
            last
        });
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let fence = store.fence(&fenced(&tenancy), &attempt()).await.unwrap();
    while let Some(last) = tasks.join_next().await {
        let last = last.unwrap();
        assert!(0 < last && last <= fence, "{last} {fence}");
    }
}

#[tokio::test]
async fn a_writer_writes_deletes_clears_and_counts_the_tenants_keys_alone() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    fill(&server, NEIGHBOURS.map(str::to_owned)).await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let many: Vec<Op> = (0..450).map(|n| put(&format!("pods/{n}"), "x")).collect();
    let delete = |key: &str| Op::Delete {
        key: key.into(),
        revision: 1,
    };
    for _ in 0..2 {
        writer.apply(&many).await.unwrap();
        let ops = [
            put("a", "1"),
            delete("a"),
            put("a", "2"),
            put("b", "1"),
            delete("b"),
        ];
        writer.apply(&ops).await.unwrap();
        assert_eq!(writer.count().await.unwrap(), 451);
    }
    let content = content(&*store, &tenancy).await;
    assert_eq!(content[0], (b"a".to_vec(), b"2".to_vec()));
    writer.clear().await.unwrap();
    assert_eq!(writer.count().await.unwrap(), 0);
    let admin = &mut server.client("root").await;
    assert_eq!(all_keys(admin).await, NEIGHBOURS);
}

/// Databases have one row for each revision, so that a later copy to one of them would fail.
#[tokio::test]
async fn keys_of_one_batch_get_revisions_of_their_own() {
    let (_server, store, tenancy) = with_tenant("cp-a").await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let ops: Vec<Op> = (0..300).map(|n| put(&format!("pods/{n}"), "x")).collect();
    writer.apply(&ops).await.unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    let records = records(reader.as_mut()).await;
    let revisions: BTreeSet<i64> = records.iter().map(|record| record.modified).collect();
    assert_eq!((records.len(), revisions.len()), (300, 300));
}

/// Texts with which a reader and a writer of the tenancy are refused.
async fn refusals(store: &dyn DataStore, tenancy: &Tenancy) -> [String; 2] {
    let reader = store.reader(tenancy).await.err().expect("no reader");
    let writer = store.writer(tenancy).await.err().expect("no writer");
    [reader.to_string(), writer.to_string()]
}

#[tokio::test]
async fn a_tenant_that_is_not_whole_is_neither_read_nor_written() {
    let (server, store, whole) = with_tenant("cp-a").await;
    for text in refusals(&*store, &tenancy("cp-b")).await {
        let next = "the tenant has to be set up in this datastore first";
        assert!(text.contains(next), "{text}");
    }
    let key = format!("/kamaji.clastix.io/owners/user/{}", whole.user);
    let mut admin = server.client("root").await;
    assert_eq!(admin.delete(key, None).await.unwrap().deleted(), 1);
    for text in refusals(&*store, &whole).await {
        assert!(text.contains("no record says whose it is"), "{text}");
    }
}

#[tokio::test]
async fn a_writer_whose_owner_record_is_another_writes_and_deletes_nothing() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    writer.apply(&[put("a", "1")]).await.unwrap();
    let record = owner("stranger").record();
    let admin = &mut server.client("root").await;
    let key = "/kamaji.clastix.io/owners/schema/cp-a";
    admin.put(key, record, None).await.unwrap();
    writer.apply(&[put("b", "1")]).await.unwrap_err();
    writer.clear().await.unwrap_err();
    writer.finish(1).await.unwrap_err();
    reader.page(None).await.unwrap_err();
    reader.get(&[b"a".to_vec()]).await.unwrap_err();
    reader.changes(1).await.unwrap_err();
    assert!(store.writer(&tenancy).await.is_err());
    assert!(store.reader(&tenancy).await.is_err());
    assert_eq!(all_keys(admin).await, ["/cp-a/a"]);
}

#[tokio::test]
async fn a_second_writer_ends_the_first() {
    let (_server, store, tenancy) = with_tenant("cp-a").await;
    let mut first = store.writer(&tenancy).await.unwrap();
    first.apply(&[put("a", "1")]).await.unwrap();
    let mut second = store.writer(&tenancy).await.unwrap();
    first.apply(&[put("b", "1")]).await.unwrap_err();
    first.clear().await.unwrap_err();
    second.apply(&[put("c", "1")]).await.unwrap();
    assert_eq!(second.count().await.unwrap(), 2);
}

#[tokio::test]
async fn a_value_that_the_target_does_not_take_is_an_error_that_says_so() {
    let (_server, store, tenancy) = with_tenant("cp-a").await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let value = "x".repeat(1_600_000);
    let error = writer
        .apply(&[put("a", "1"), put("big", &value)])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("--max-request-bytes"), "{error}");
}

#[tokio::test]
async fn leases_keep_their_expiry_and_are_shared() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let target = super::tenancy("cp-b");
    store.ensure(&target).await.unwrap();
    let admin = &mut server.client("root").await;
    let mut leases = Vec::new();
    for seconds in [20, 600, 3600] {
        let lease = admin.lease_grant(seconds, None).await.unwrap().id();
        leases.push(lease);
        for n in 0..50 {
            let options = PutOptions::new().with_lease(lease);
            let key = format!("/cp-a/events/{seconds:04}-{n:02}");
            admin.put(key, "x", Some(options)).await.unwrap();
        }
    }
    copy(&*store, &tenancy, &target).await;
    let mut reader = store.reader(&target).await.unwrap();
    for record in records(reader.as_mut()).await {
        let key = String::from_utf8(record.key).unwrap();
        let asked: u32 = key["events/".len()..][..4].parse().unwrap();
        let ttl = record.ttl.unwrap();
        assert!(
            asked - 10 <= ttl && ttl <= asked + asked / 16 + 3,
            "{key}: {ttl}"
        );
    }
    let all = admin.leases().await.unwrap().leases().len();
    assert!(all <= 3 + 12, "{all} leases");
    // A lease that ends takes the key with it, at the source and later in the copy.
    admin.lease_revoke(leases[0]).await.unwrap();
    assert_eq!(content(&*store, &tenancy).await.len(), 100);
    assert_eq!(content(&*store, &target).await.len(), 150);
}

#[tokio::test]
async fn the_revision_is_raised_above_the_floor_and_older_ones_are_compacted() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    writer.apply(&[put("a", "1")]).await.unwrap();
    let floor = revision(&server).await + 25_000;
    assert!(writer.revisions_missing(floor).await.unwrap() > 24_000);
    let since = Instant::now();
    assert!(writer.raise(floor).await.unwrap() > 19_000);
    eprintln!("{:.0} revisions/s", 5000.0 / since.elapsed().as_secs_f64());
    for _ in 0..2 {
        writer.finish(floor).await.unwrap();
    }
    assert_eq!(writer.revisions_missing(floor).await.unwrap(), 0);
    let mut tenant = client_of(&server, &tenancy).await;
    let written = tenant.put("/cp-a/b", "1", None).await.unwrap();
    assert!(written.header().unwrap().revision() > floor);
    let old = GetOptions::new().with_revision(floor - 1);
    let error = tenant.get("/cp-a/a", Some(old)).await.unwrap_err();
    assert!(error.to_string().contains("compacted"), "{error}");
    let admin = &mut server.client("root").await;
    let own = GetOptions::new().with_prefix().with_count_only();
    let left = admin
        .get("/kamaji.clastix.io/transfers/", Some(own))
        .await
        .unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn remove_deletes_what_a_transfer_has_left() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    writer.raise(revision(&server).await + 10).await.unwrap();
    store.remove(&tenancy).await.unwrap();
    let admin = &mut server.client("root").await;
    let everything = GetOptions::new().with_all_keys().with_count_only();
    assert_eq!(admin.get("", Some(everything)).await.unwrap().count(), 0);
}

async fn ends(source: (&dyn DataStore, &Tenancy), target: (&dyn DataStore, &Tenancy)) -> Ends {
    Ends {
        source: source.0.reader(source.1).await.unwrap(),
        target: target.0.writer(target.1).await.unwrap(),
        copied: target.0.reader(target.1).await.unwrap(),
    }
}

/// Copies within one store; nobody writes meanwhile.
async fn copy(store: &dyn DataStore, source: &Tenancy, target: &Tenancy) -> Report {
    let ends = ends((store, source), (store, target)).await;
    copy_all(ends, Roots::Different).await.unwrap()
}
