use super::*;

fn row(id: i64, name: &str) -> Row {
    Row {
        id,
        name: name.as_bytes().to_vec(),
        created: false,
        deleted: false,
        create_revision: 3,
        lease: 0,
        value: vec![0, 255, b'\\', b'\''],
    }
}

fn record(created: i64, modified: i64, ttl: Option<u32>) -> Record {
    Record {
        key: b"pods/default/web".to_vec(),
        value: vec![0, 255],
        created,
        modified,
        ttl,
    }
}

fn put(key: &str, revision: i64) -> Op {
    Op::Put(Record {
        key: key.as_bytes().to_vec(),
        ..record(revision, revision, None)
    })
}

#[test]
fn a_row_of_an_update_becomes_a_record_below_the_root() {
    let updated = Row {
        lease: 3660,
        ..row(9, "/registry/pods/default/web")
    };
    let record = updated.clone().into_record().unwrap();
    assert_eq!(record.key, b"pods/default/web");
    assert_eq!((record.created, record.modified), (3, 9));
    assert_eq!((record.ttl, &record.value), (Some(3660), &updated.value));
}

#[test]
fn a_row_of_a_creation_is_its_own_first_revision() {
    for (created, create_revision) in [(true, 0), (true, 3), (false, 0)] {
        let first = Row {
            created,
            create_revision,
            ..row(9, "/registry/x")
        };
        assert_eq!(first.into_record().unwrap().created, 9);
    }
}

#[test]
fn a_row_of_a_deletion_becomes_a_deletion_and_no_record() {
    let deleted = Row {
        deleted: true,
        ..row(9, "/registry/x")
    };
    assert_eq!(deleted.clone().into_record(), None);
    let expected = Op::Delete {
        key: b"x".to_vec(),
        revision: 9,
    };
    assert_eq!(deleted.into_op(), Some(expected));
}

#[test]
fn rows_of_kine_and_names_beside_the_root_hold_nothing() {
    for name in [
        COMPACTION,
        "compact_rev_key_apiserver",
        "gap-17",
        "/registry",
        ROOT,
        "/registryx/pods",
        "/other/registry/x",
        "",
    ] {
        assert_eq!(row(9, name).into_op(), None, "{name}");
    }
}

#[test]
fn every_key_of_the_root_lies_before_its_end_and_no_other_does() {
    for key in ["\0", "a", "zz", "\u{10ffff}"] {
        let name = name_of(key.as_bytes());
        assert!(name.as_slice() > ROOT.as_bytes() && name.as_slice() < ROOT_END.as_bytes());
    }
    assert!("/registry-x" < ROOT && "/registryx" > ROOT_END);
}

#[test]
fn a_record_survives_its_row() {
    for record in [
        record(9, 9, None),
        record(3, 9, Some(1)),
        record(3, 9, Some(i32::MAX.unsigned_abs())),
    ] {
        let row = Row::of(&record);
        assert_eq!(row.created, record.created == record.modified);
        assert_eq!(row.into_record(), Some(record));
    }
}

#[test]
fn a_lease_that_the_table_cannot_hold_is_the_longest_that_it_can() {
    let row = Row::of(&record(9, 9, Some(u32::MAX)));
    assert_eq!(row.lease, i64::from(i32::MAX));
    let endless = Row {
        lease: i64::MAX,
        ..row
    };
    assert_eq!(endless.into_record().unwrap().ttl, Some(u32::MAX));
}

#[test]
fn of_the_operations_on_a_key_only_the_last_is_left() {
    let deleted = Op::Delete {
        key: b"a".to_vec(),
        revision: 4,
    };
    let ops = [put("a", 1), put("b", 2), put("c", 3), deleted, put("b", 5)];
    let left = last_of_each_key(&ops);
    assert_eq!(left, [&ops[2], &ops[3], &ops[4]]);
}

#[test]
fn rows_behind_a_gap_are_uncertain_until_the_gap_is_decided() {
    for (after, decided, ids, expected) in [
        (4, 0, &[5, 6, 8][..], 2),
        (4, 0, &[6, 7], 0),
        (4, 7, &[6, 8, 10], 2),
        (4, 6, &[8], 0),
        (4, 9, &[], 0),
        (i64::MAX - 1, 0, &[i64::MAX], 1),
    ] {
        assert_eq!(certain(after, decided, ids), expected, "{after} {ids:?}");
    }
}

#[test]
fn the_row_of_the_compaction_follows_every_revision() {
    assert_eq!(compaction_row(10, 7), Some((11, 10)));
    assert_eq!(compaction_row(7, 10), Some((11, 10)));
    assert_eq!(compaction_row(-1, 0), Some((1, 0)));
    assert_eq!(compaction_row(i64::MAX, 0), None);
}
