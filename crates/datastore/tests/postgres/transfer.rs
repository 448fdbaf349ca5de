//! Reading and writing of kine's table for a transfer.

use std::time::{Duration, Instant};

use kamaji_datastore::Error;
use kamaji_datastore::transfer::{BATCH_BYTES, BATCH_RECORDS, Followed, Op, Reader, Record};

use super::*;

/// A record whose value has every byte.
pub fn record(key: &str, created: i64, modified: i64) -> Record {
    let bytes = (0..=255).chain(modified.to_be_bytes());
    Record {
        key: key.as_bytes().to_vec(),
        value: bytes.collect(),
        created,
        modified,
        ttl: None,
    }
}

fn put(key: &str, revision: i64) -> Op {
    Op::Put(record(key, revision, revision))
}

/// Everything that a reader's pages hold, with the number of pages.
pub async fn pages(reader: &mut Box<dyn Reader>) -> (Vec<Record>, usize) {
    let (mut all, mut count): (Vec<Record>, usize) = (Vec::new(), 0);
    loop {
        let after = all.last().map(|record| record.key.clone());
        let page = reader.page(after.as_deref()).await.unwrap();
        assert!(page.records.len() <= BATCH_RECORDS);
        count += 1;
        let ends = !page.more || page.records.is_empty();
        all.extend(page.records);
        if ends {
            return (all, count);
        }
    }
}

/// Changes after a revision, which are not compacted.
async fn changes(reader: &mut Box<dyn Reader>, after: i64) -> (Vec<Op>, i64) {
    match reader.changes(after).await.unwrap() {
        Followed::Changes(changes) => (changes.ops, changes.revision),
        Followed::Compacted => panic!("compacted"),
    }
}

/// The tenant's table with these keys, each written once at the next revision.
async fn with_keys(keys: &[&str]) -> (Server, Box<dyn DataStore>, Tenancy) {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let ops: Vec<Op> = (1..).zip(keys).map(|(n, key)| put(key, n)).collect();
    writer.apply(&ops).await.unwrap();
    let session = own_session(&server, &tenancy).await;
    let next = "SELECT setval('kine_id_seq', max(id)) FROM kine";
    session.batch_execute(next).await.unwrap();
    (server, store, tenancy)
}

/// Statement that writes a key as kine does.
fn insert(key: &str) -> String {
    format!(
        "INSERT INTO kine (name, created, deleted, prev_revision, lease, value)
         VALUES ('/registry/{key}', 1, 0, 0, 0, 'value')"
    )
}

#[tokio::test]
async fn pages_hold_every_key_in_the_order_of_bytes_with_every_byte_of_its_value() {
    let (_server, store, tenancy) = with_tenant("cp-a").await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let mut records: Vec<Record> = (1..=2500)
        .map(|n| record(&format!("pods/ns-{}/web-{n}", n % 7), n, n + 10_000))
        .collect();
    for (n, key) in (1..).zip(["pods/ns-3", "PODS/a", "pods.x/a", "pods-x/a", "pods/ü", "~"]) {
        records.push(record(key, n, n));
    }
    records[3].ttl = Some(3660);
    records[4].value.clear();
    for part in records.chunks(BATCH_RECORDS) {
        let ops: Vec<Op> = part.iter().cloned().map(Op::Put).collect();
        writer.apply(&ops).await.unwrap();
    }
    assert_eq!(writer.count().await, Ok(2506));
    records.sort_by(|a, b| a.key.cmp(&b.key));
    let mut reader = store.reader(&tenancy).await.unwrap();
    let (found, count) = pages(&mut reader).await;
    assert_eq!(count, 3);
    assert!(found == records, "other records than were written");
    let keys = [records[7].key.clone(), b"none".to_vec(), vec![0, 255]];
    let expected = [Some(records[7].clone()), None, None];
    assert_eq!(reader.get(&keys).await.unwrap(), expected);
    writer.clear().await.unwrap();
    assert_eq!(writer.count().await, Ok(0));
    assert_eq!(pages(&mut reader).await.0, []);
}

#[tokio::test]
async fn a_page_and_a_batch_of_changes_end_at_their_bytes() {
    let (_server, store, tenancy) = with_tenant("cp-a").await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    for (n, quarters) in (1..).zip([3, 3, 6, 1, 1]) {
        let mut large = record(&format!("k{n}"), n, n);
        large.value.resize(BATCH_BYTES / 4 * quarters, 7);
        writer.apply(&[Op::Put(large)]).await.unwrap();
    }
    let mut reader = store.reader(&tenancy).await.unwrap();
    let (found, count) = pages(&mut reader).await;
    assert_eq!((found.len(), count), (5, 4));
    let (mut after, mut sizes) = (0, Vec::new());
    while after < 5 {
        let (ops, revision) = changes(&mut reader, after).await;
        let values = ops.iter().map(|op| match op {
            Op::Put(record) => record.value.len(),
            Op::Delete { .. } => 0,
        });
        sizes.push((ops.len(), values.sum::<usize>() <= BATCH_BYTES));
        after = revision;
    }
    assert_eq!(sizes, [(1, true), (1, true), (1, false), (2, true)]);
}

#[tokio::test]
async fn a_value_without_bound_is_refused_by_its_key() {
    let (server, store, tenancy) = with_keys(&["a"]).await;
    let huge = insert("huge").replace("'value'", "convert_to(repeat('x', 17000000), 'UTF8')");
    let session = own_session(&server, &tenancy).await;
    session.batch_execute(&huge).await.unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    for error in [
        reader.page(Some(b"a")).await.unwrap_err(),
        reader.changes(1).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("/registry/huge has 17000000 bytes"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_key_that_no_text_can_hold_is_refused_before_anything_is_written() {
    let (_server, store, tenancy) = with_keys(&["a"]).await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    for key in [&b"x\0y"[..], &[0xff]] {
        let mut bad = record("", 7, 7);
        bad.key = key.to_vec();
        let error = writer
            .apply(&[put("b", 6), Op::Put(bad)])
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        let revision = 8;
        let key = key.to_vec();
        writer.apply(&[Op::Delete { key, revision }]).await.unwrap();
    }
    assert_eq!(writer.count().await, Ok(1));
}

#[tokio::test]
async fn a_row_that_is_committed_after_a_later_one_is_not_lost() {
    let (server, store, tenancy) = with_keys(&["a", "b"]).await;
    let (early, late) = (
        own_session(&server, &tenancy).await,
        own_session(&server, &tenancy).await,
    );
    late.batch_execute(&format!("BEGIN; {}", insert("late")))
        .await
        .unwrap();
    early.batch_execute(&insert("early")).await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(store.reader(&tenancy).await.unwrap());
    }
    let [following, paging, asking] = &mut readers[..] else {
        panic!("three readers");
    };
    let start = Instant::now();
    let commit = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        late.batch_execute("COMMIT").await.unwrap();
    };
    let (followed, page, revision, ()) = tokio::join!(
        changes(following, 2),
        paging.page(None),
        asking.revision(),
        commit
    );
    assert!(start.elapsed() >= Duration::from_millis(400));
    let keys: Vec<&[u8]> = followed.0.iter().map(Op::key).collect();
    assert_eq!((keys, followed.1), (vec![&b"late"[..], b"early"], 4));
    let page = page.unwrap();
    assert_eq!((page.records.len(), page.revision), (4, 4));
    assert_eq!(revision, Ok(4));
}

#[tokio::test]
async fn a_transaction_without_end_is_an_error_that_names_it() {
    let (server, store, tenancy) = with_keys(&["a"]).await;
    let session = own_session(&server, &tenancy).await;
    session
        .batch_execute(&format!("BEGIN; {}", insert("open")))
        .await
        .unwrap();
    let other = own_session(&server, &tenancy).await;
    other.batch_execute(&insert("b")).await.unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    // What lies before the gap is read without waiting.
    let (ops, revision) = changes(&mut reader, 0).await;
    assert_eq!((ops, revision), (vec![put("a", 1)], 1));
    let error = reader.changes(1).await.unwrap_err();
    assert!(
        error.to_string().contains("has been writing for 10 s"),
        "{error}"
    );
    session.batch_execute("ROLLBACK").await.unwrap();
    let (ops, revision) = changes(&mut reader, 1).await;
    assert_eq!((ops.len(), revision), (1, 3));
}

#[tokio::test]
async fn versions_that_kine_deleted_are_reported_as_compacted() {
    let (server, store, tenancy) = with_keys(&["a", "b"]).await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    writer.finish(0).await.unwrap();
    let session = own_session(&server, &tenancy).await;
    // As kine compacts up to revision 5, at which "b" was deleted.
    let compacted =
        "INSERT INTO kine (name, created, deleted, create_revision, prev_revision, lease, value)
            VALUES ('/registry/a', 0, 0, 1, 1, 0, 'new'), ('/registry/b', 0, 1, 2, 2, 0, NULL);
        UPDATE kine SET prev_revision = 5 WHERE name = 'compact_rev_key';
        DELETE FROM kine WHERE id IN (1, 2, 5);";
    session.batch_execute(compacted).await.unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    for after in [0, 4] {
        assert_eq!(reader.changes(after).await, Ok(Followed::Compacted));
    }
    session.batch_execute(&insert("c")).await.unwrap();
    let (ops, revision) = changes(&mut reader, 5).await;
    assert_eq!((ops.len(), revision), (1, 6));
    let (found, _) = pages(&mut reader).await;
    let keys: Vec<(&[u8], i64)> = found.iter().map(|r| (&r.key[..], r.created)).collect();
    assert_eq!(keys, [(&b"a"[..], 1), (b"c", 6)]);
}

#[tokio::test]
async fn operations_leave_one_row_for_each_key_and_repeating_them_changes_nothing() {
    let (server, store, tenancy) = with_keys(&["a", "b", "c"]).await;
    let session = own_session(&server, &tenancy).await;
    // Rows of a kine that has run here, and a second version.
    let history =
        "INSERT INTO kine (id, name, created, deleted, create_revision, prev_revision, lease)
        VALUES (14, 'compact_rev_key', 1, 0, 0, 0, 0), (11, 'gap-11', 0, 1, 0, 0, 0),
            (12, '/registry/b', 0, 0, 2, 2, 0)";
    session.batch_execute(history).await.unwrap();
    let mut writer = store.writer(&tenancy).await.unwrap();
    let (key, revision) = (b"c".to_vec(), 13);
    let ops = [
        put("a", 10),
        put("b", 12),
        Op::Delete { key, revision },
        Op::Put(record("b", 12, 14)),
        put("a", 11),
    ];
    let rows = "SELECT format('%s %s %s %s %s %s', id, name, created, deleted, create_revision, prev_revision)
        FROM kine";
    for _ in 0..2 {
        writer.apply(&ops).await.unwrap();
        let expected = ["11 /registry/a 1 0 0 0", "14 /registry/b 0 0 12 0"];
        let rows = server.texts("cp-a", rows).await;
        let left: Vec<&String> = rows
            .iter()
            .filter(|row| row.contains("/registry/"))
            .collect();
        assert_eq!(left, expected);
        assert_eq!(rows.len(), 2, "{rows:?}");
    }
    for floor in [20, 20, 5] {
        writer.finish(floor).await.unwrap();
        let next: i64 = floor.max(14) + 1;
        let rows = server.texts("cp-a", rows).await;
        let compaction = format!("{next} compact_rev_key 1 0 0 {}", next - 1);
        assert!(rows.len() == 3 && rows.contains(&compaction), "{rows:?}");
        let sequence = "SELECT last_value::text FROM kine_id_seq";
        assert_eq!(server.texts("cp-a", sequence).await, [next.to_string()]);
    }
    assert!(writer.finish(i64::MAX).await.is_err());
}

#[tokio::test]
async fn nothing_is_written_once_the_record_of_the_owner_is_anothers() {
    let (server, store, tenancy) = with_keys(&["a"]).await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let mut other = tenancy.clone();
    other.owner = owner("other");
    for error in [
        store.writer(&other).await.err(),
        store.reader(&other).await.err(),
    ] {
        assert!(matches!(error, Some(Error::Owned { .. })), "{error:?}");
    }
    let stolen = "UPDATE owners SET record = replace(record, 'uid-of-cp-a', 'uid-of-other')";
    server.sql("kamaji_clastix_io", stolen).await;
    for error in [
        writer.apply(&[put("b", 2)]).await.unwrap_err(),
        writer.clear().await.unwrap_err(),
        writer.finish(9).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Owned { .. }), "{error}");
    }
    let rows = server.texts("cp-a", "SELECT name FROM kine").await;
    assert_eq!(rows, ["/registry/a"]);
}

#[tokio::test]
async fn sessions_of_a_transfer_are_the_tenants_and_end_with_it() {
    let (server, store, tenancy) = with_keys(&["a"]).await;
    let sessions = "SELECT usename::text FROM pg_stat_activity WHERE datname = 'cp-a'
        AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    // A writer ends the sessions of whoever came before.
    let former = store.reader(&tenancy).await.unwrap();
    let writer = store.writer(&tenancy).await.unwrap();
    let reader = store.reader(&tenancy).await.unwrap();
    let open = server.texts("cp-a", sessions).await;
    assert_eq!(open, ["user-of-cp-a", "user-of-cp-a"]);
    drop((former, reader, writer));
    let deadline = Instant::now() + Duration::from_secs(5);
    while !server.texts("cp-a", sessions).await.is_empty() {
        assert!(Instant::now() < deadline, "sessions stay open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_reader_and_a_writer_go_on_after_their_session_was_ended() {
    let (server, store, tenancy) = with_keys(&["a"]).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    let mut writer = store.writer(&tenancy).await.unwrap();
    let end =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'user-of-cp-a'";
    server.sql("postgres", end).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    writer.apply(&[put("b", 2)]).await.unwrap();
    assert_eq!(pages(&mut reader).await.0.len(), 2);
}
