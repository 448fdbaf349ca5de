//! Reading and writing of kine's bucket for a transfer, and what a bucket may hold that kine has not written.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use kamaji_datastore::transfer::{BATCH_BYTES, BATCH_RECORDS, Followed, Op, Reader, Record};
use kamaji_datastore::{DataStore, Error, Tenancy};
use serde_json::{Value, json};

use crate::{
    kit_records::records,
    owner::owner,
    server::{JETSTREAM, LOGIN, Server},
    tenancy,
};

fn record(key: &str, modified: i64) -> Record {
    Record {
        key: key.into(),
        value: (0..=255).chain(modified.to_be_bytes()).collect(),
        created: modified,
        modified,
        ttl: None,
    }
}

fn put(key: &str, revision: i64) -> Op {
    Op::Put(record(key, revision))
}

async fn with_tenant() -> (Server, Box<dyn DataStore>, Tenancy) {
    with(&[LOGIN, JETSTREAM]).await
}

async fn with(settings: &[&str]) -> (Server, Box<dyn DataStore>, Tenancy) {
    let server = Server::with(settings).await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    store.ensure(&tenancy).await.unwrap();
    (server, store, tenancy)
}

/// Subject of a key below `/registry/`, as kine makes it.
fn subject(key: &str) -> String {
    let parts = format!("registry/{key}");
    let parts = parts
        .split('/')
        .map(|part| bs58::encode(part).into_string());
    format!("$KV.cp-a.{}", parts.collect::<Vec<_>>().join("."))
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.into_inner().unwrap()
}

/// An entry as kine writes it.
fn entry(key: &str, value: &[u8]) -> Value {
    json!({
        "KV": {
            "Key": format!("/registry/{key}"), "Value": STANDARD.encode(value),
            "Version": 0, "CreateRevision": 0, "ModRevision": 0, "Lease": 0,
        },
        "PrevRevision": 0, "Create": true, "Delete": false,
    })
}

async fn publish(server: &Server, subject: String, payload: Vec<u8>) -> u64 {
    let admin = server.admin().await;
    let stored = admin.publish(subject, payload.into()).await.unwrap().await;
    stored.unwrap().sequence
}

async fn changes(reader: &mut dyn Reader, after: i64) -> (Vec<Op>, i64) {
    match reader.changes(after).await.unwrap() {
        Followed::Changes(changes) => (changes.ops, changes.revision),
        Followed::Compacted => panic!("a bucket compacts nothing"),
    }
}

#[tokio::test]
async fn pages_hold_every_key_in_the_order_of_bytes_however_they_were_written() {
    let (_server, store, tenancy) = with_tenant().await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let mut written: Vec<Record> = (1..=2500)
        .rev()
        .map(|n| record(&format!("pods/ns-{}/web-{n}", n % 7), n))
        .collect();
    for key in [
        "pods/ns-3",
        "PODS/a",
        "pods.x/a",
        "pods-x//a",
        "pods/ü",
        "~",
        "a/b/",
    ] {
        written.push(record(key, 9));
    }
    written[3].ttl = Some(3660);
    written[4].value.clear();
    for part in written.chunks(BATCH_RECORDS) {
        let ops: Vec<Op> = part.iter().cloned().map(Op::Put).collect();
        writer.apply(&ops).await.unwrap();
    }
    assert_eq!(writer.count().await, Ok(2507));
    written.sort_by(|a, b| a.key.cmp(&b.key));
    let mut reader = store.reader(&tenancy).await.unwrap();
    let page = reader.page(None).await.unwrap();
    assert_eq!((page.records.len(), page.more), (BATCH_RECORDS, true));
    assert_eq!(page.revision, reader.revision().await.unwrap());
    let found = records(reader.as_mut()).await;
    let content = |records: &[Record]| -> Vec<_> {
        let content = records.iter();
        content
            .map(|r| (r.key.clone(), r.value.clone(), r.ttl.is_some()))
            .collect()
    };
    assert!(
        content(&found) == content(&written),
        "other records than were written"
    );
    let keys = [found[7].key.clone(), b"none".to_vec(), vec![0, 255]];
    let expected = [Some(found[7].clone()), None, None];
    assert_eq!(reader.get(&keys).await.unwrap(), expected);
    // A page that is read again has what changed since, and no more.
    let first = [&found[0].key, &found[1].key].map(|key| String::from_utf8(key.clone()).unwrap());
    let (key, revision) = (found[0].key.clone(), 9);
    let ops = [
        Op::Delete { key, revision },
        put(&first[1], 77),
        put("!", 78),
    ];
    writer.apply(&ops).await.unwrap();
    let page = reader.page(None).await.unwrap();
    let keys: Vec<&[u8]> = page.records[..2]
        .iter()
        .map(|record| record.key.as_slice())
        .collect();
    assert_eq!(keys, [b"!", first[1].as_bytes()]);
    assert_eq!(page.records[1].value, record("", 77).value);
    assert_eq!(writer.count().await, Ok(2507));
    writer.clear().await.unwrap();
    assert_eq!(records(reader.as_mut()).await, []);
}

#[tokio::test]
async fn a_page_and_a_batch_of_changes_end_at_their_bytes() {
    let (_server, store, tenancy) = with(&[LOGIN, JETSTREAM, "max_payload: 16MB"]).await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    let start = reader.revision().await.unwrap();
    for (n, quarters) in (1..).zip([3, 3, 6, 1, 1]) {
        let mut large = record(&format!("k{n}"), n);
        large.value.resize(BATCH_BYTES / 4 * quarters, 7);
        writer.apply(&[Op::Put(large)]).await.unwrap();
    }
    let (mut after, mut pages) = (None::<Vec<u8>>, Vec::new());
    loop {
        let page = reader.page(after.as_deref()).await.unwrap();
        pages.push(page.records.len());
        after = page.records.last().map(|record| record.key.clone());
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, [1, 1, 1, 2]);
    let (mut after, mut sizes) = (start, Vec::new());
    while after < reader.revision().await.unwrap() {
        let (ops, revision) = changes(reader.as_mut(), after).await;
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
async fn a_key_whose_versions_are_gone_is_read_as_its_last_one() {
    let (server, store, tenancy) = with_tenant().await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    let start = reader.revision().await.unwrap();
    for n in 0..300 {
        let value = entry("busy", format!("{n}").as_bytes()).to_string();
        publish(&server, subject("busy"), compressed(value.as_bytes())).await;
        if n == 100 {
            let value = entry("calm", b"once").to_string();
            publish(&server, subject("calm"), compressed(value.as_bytes())).await;
        }
    }
    let (ops, revision) = changes(reader.as_mut(), start).await;
    assert_eq!(revision, start + 301);
    let keys: Vec<&[u8]> = ops.iter().map(Op::key).collect();
    assert_eq!(
        keys,
        [&[b"calm".as_slice()][..], &[b"busy".as_slice(); 10]].concat()
    );
    assert!(matches!(ops.last(), Some(Op::Put(record)) if record.value == b"299"));
    assert_eq!(
        changes(reader.as_mut(), revision).await,
        (Vec::new(), revision)
    );
}

#[tokio::test]
async fn deletions_are_read_as_kine_leaves_them_and_as_clients_of_nats_do() {
    let (server, store, tenancy) = with_tenant().await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    for key in ["half", "deleted", "purged", "kept"] {
        let value = entry(key, b"x").to_string();
        publish(&server, subject(key), compressed(value.as_bytes())).await;
    }
    // kine writes an entry of the deletion first, and the mark of NATS after it.
    let mut half = entry("half", b"x");
    half["Delete"] = true.into();
    let start = reader.revision().await.unwrap();
    publish(
        &server,
        subject("half"),
        compressed(half.to_string().as_bytes()),
    )
    .await;
    let bucket = server.admin().await.get_key_value("cp-a").await.unwrap();
    let name = |key| subject(key).replace("$KV.cp-a.", "");
    bucket.delete(name("deleted")).await.unwrap();
    bucket.purge(name("purged")).await.unwrap();
    let (ops, _) = changes(reader.as_mut(), start).await;
    let deleted: Vec<&[u8]> = ops.iter().map(Op::key).collect();
    assert_eq!(deleted, [b"half".as_slice(), b"deleted", b"purged"]);
    assert!(
        ops.iter().all(|op| matches!(op, Op::Delete { .. })),
        "{ops:?}"
    );
    let keys: Vec<_> = records(reader.as_mut())
        .await
        .into_iter()
        .map(|r| r.key)
        .collect();
    assert_eq!(keys, [b"kept"]);
}

#[tokio::test]
async fn a_bucket_with_what_kine_does_not_write_is_refused_by_the_key() {
    let json = |value: &Value| compressed(value.to_string().as_bytes());
    let mut without = entry("bad", b"x");
    without["KV"] = Value::Null;
    let mut odd = entry("bad", b"x");
    odd["KV"]["Value"] = "%%".into();
    let mut damaged = json(&entry("bad", b"x"));
    *damaged.last_mut().unwrap() ^= 1;
    let whole = json(&entry("bad", b"x"));
    let cases = [
        (b"no frame".to_vec(), "is not compressed by S2 or Snappy"),
        (whole[..whole.len() - 3].to_vec(), "is cut off"),
        (damaged, "is damaged"),
        (compressed(b"{"), "no JSON of kine"),
        (json(&json!(["KV"])), "no JSON of kine"),
        (json(&without), "has no KV"),
        (json(&odd), "no Base64"),
        (
            json(&entry("other", b"x")),
            "is about the key \"/registry/other\"",
        ),
        (
            json(&entry("bad", &vec![0; 17_000_000])),
            "has 17000000 bytes",
        ),
        (compressed(&vec![b' '; 30_000_000]), "after decompression"),
    ];
    let (server, store, tenancy) = with(&[LOGIN, JETSTREAM, "max_payload: 8MB"]).await;
    for (payload, words) in cases {
        let mut reader = store.reader(&tenancy).await.unwrap();
        let at = publish(&server, subject("bad"), payload).await;
        let after = i64::try_from(at).unwrap() - 1;
        for error in [
            reader.page(None).await.unwrap_err(),
            reader.changes(after).await.unwrap_err(),
            reader.get(&[b"bad".to_vec()]).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::Unsupported { .. }), "{error}");
            let error = error.to_string();
            for words in [words, "/registry/bad", "nats stream purge --subject"] {
                assert!(error.contains(words), "{words}: {error}");
            }
        }
    }
    // The word of the message helps.
    let stream = server.admin().await.get_stream("KV_cp-a").await.unwrap();
    stream.purge().filter(subject("bad")).await.unwrap();
    let odd = format!("{}.0OIl", subject("pods"));
    let mut reader = store.reader(&tenancy).await.unwrap();
    assert_eq!(records(reader.as_mut()).await, []);
    publish(&server, odd, b"x".to_vec()).await;
    let error = reader.page(None).await.unwrap_err();
    assert!(
        error.to_string().contains("not that of a key of kine"),
        "{error}"
    );
}

#[tokio::test]
async fn what_an_entry_or_the_server_cannot_take_is_refused_by_the_writer() {
    let (server, store, tenancy) = with_tenant().await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let before = server.listing().await;
    let mut bad = record("", 7);
    bad.key = vec![0xff];
    let error = writer
        .apply(&[put("a", 6), Op::Put(bad)])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("is not UTF-8"), "{error}");
    let error = writer.begin(i64::MAX).await.unwrap_err();
    assert!(error.to_string().contains("no revision is left"), "{error}");
    assert_eq!(server.listing().await, before, "nothing was written");
    let mut large = record("large", 8);
    let mut state = 7_u32;
    large.value = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(1 << 20)
    .collect();
    let error = writer.apply(&[Op::Put(large)]).await.unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains("larger than NATS takes; raise max_payload"),
        "{words}"
    );
    writer.apply(&[put("a", 9)]).await.unwrap();
    assert_eq!(writer.count().await, Ok(1));
}

#[tokio::test]
async fn a_bucket_of_another_owner_or_another_bucket_of_that_name_is_refused() {
    let (server, store, tenancy) = with_tenant().await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    writer.apply(&[put("a", 1)]).await.unwrap();
    let mut other = tenancy.clone();
    other.owner = owner("other");
    for error in [
        store.writer(&other).await.err(),
        store.reader(&other).await.err(),
    ] {
        assert!(matches!(error, Some(Error::Owned { .. })), "{error:?}");
    }
    let mut reader = store.reader(&tenancy).await.unwrap();
    store.remove(&tenancy).await.unwrap();
    store.ensure(&tenancy).await.unwrap();
    let before = server.listing().await;
    for error in [
        reader.revision().await.map(drop),
        reader.page(None).await.map(drop),
        reader.changes(0).await.map(drop),
        writer.apply(&[put("b", 2)]).await,
        writer.clear().await,
        writer.finish(9).await,
    ] {
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("another was created in its place"),
            "{error}"
        );
    }
    assert_eq!(server.listing().await, before);
}

#[tokio::test]
async fn a_reader_and_a_writer_go_on_after_the_server_was_restarted() {
    let (mut server, store, tenancy) = with_tenant().await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    writer.apply(&[put("a", 1)]).await.unwrap();
    assert_eq!(records(reader.as_mut()).await.len(), 1);
    server.restart().await;
    writer.apply(&[put("b", 2)]).await.unwrap();
    assert_eq!(records(reader.as_mut()).await.len(), 2);
    server.restart().await;
    assert_eq!(records(reader.as_mut()).await.len(), 2);
}
