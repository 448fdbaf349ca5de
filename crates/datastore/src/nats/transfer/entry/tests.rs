use super::*;

fn record(lease: Option<u32>) -> Record {
    Record {
        key: b"secrets/default/a".to_vec(),
        value: (0..=255).collect(),
        created: 7,
        modified: 9,
        ttl: lease,
    }
}

/// JSON of a value as kine stores it.
fn json(value: &[u8]) -> serde_json::Value {
    let text = s2::decompress(value, ENTRY_BYTES).expect("a frame");
    serde_json::from_slice(&text).expect("JSON")
}

#[test]
fn an_entry_has_the_fields_that_kine_writes() {
    let written = json(&of_record(&record(Some(60))).expect("an entry"));
    let expected = serde_json::json!({
        "KV": {
            "Key": "/registry/secrets/default/a",
            "Value": STANDARD.encode(record(None).value),
            "Version": 0, "CreateRevision": 7, "ModRevision": 0, "Lease": 60,
        },
        "PrevRevision": 0, "Create": false, "Delete": false,
    });
    assert_eq!(written, expected);
    let created = Record {
        created: 9,
        ..record(None)
    };
    let written = json(&of_record(&created).expect("an entry"));
    assert_eq!(written["Create"], true);
    assert_eq!(
        (&written["KV"]["CreateRevision"], &written["KV"]["Lease"]),
        (&0.into(), &0.into())
    );
    let noted = json(&of_compaction(41).expect("an entry"));
    assert_eq!(noted["KV"]["Value"], STANDARD.encode("1|41"));
}

#[test]
fn an_entry_is_read_as_it_was_written_and_null_is_an_empty_value() {
    let payload = of_record(&record(Some(60))).expect("an entry");
    let (entry, kv, value) = read(b"secrets/default/a", &payload)
        .expect("read")
        .expect("live");
    assert_eq!((entry.create, kv.create_revision, kv.lease), (false, 7, 60));
    assert_eq!(value, record(None).value);
    let json = r#"{"KV":{"Key":"/registry/a","Value":null,"Version":0,"CreateRevision":0,"ModRevision":0,"Lease":0},"PrevRevision":3,"Create":true,"Delete":false}"#;
    let payload = s2::compress(json.as_bytes()).expect("a frame");
    let (_, _, value) = read(b"a", &payload).expect("read").expect("live");
    assert_eq!(value, b"");
    let deleted = json.replace(r#""Delete":false"#, r#""Delete":true"#);
    let payload = s2::compress(deleted.as_bytes()).expect("a frame");
    assert!(read(b"a", &payload).expect("read").is_none());
}

#[test]
fn a_lease_that_has_run_out_without_an_end_is_given_again() {
    for (lease, age, left) in [
        (0, 5, None),
        (60, 0, Some(60)),
        (60, 59, Some(1)),
        (60, 60, Some(60)),
        (60, 100_000, Some(60)),
        (60, -5, Some(60)),
        (i64::MAX, 1, Some(u32::MAX)),
        (-1, 1, None),
    ] {
        assert_eq!(remaining(lease, age), left, "{lease} after {age}");
    }
}

#[test]
fn a_mark_of_a_deletion_is_told_by_its_header() {
    let marks = |text: &str| removes(text.lines());
    assert!(marks("NATS/1.0\r\nKV-Operation: DEL\r\n\r\n"));
    assert!(marks(
        "NATS/1.0\r\nNats-Rollup: sub\r\nKV-Operation: PURGE\r\n\r\n"
    ));
    assert!(!marks("NATS/1.0\r\nNats-Expected-Last-Sequence: 4\r\n\r\n"));
    assert!(!marks("NATS/1.0\r\nX: KV-Operation: DEL\r\n\r\n"));
}
