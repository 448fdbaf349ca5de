use std::time::Duration;

use super::super::{tenancy, with_tenant};
use super::*;

#[tokio::test]
async fn pages_hold_every_live_key_once_in_the_order_of_bytes_with_every_byte_of_its_value() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = with_table(&server, &tenancy).await;
    let bytes: Vec<u8> = (0..=255).collect();
    let mut expected = BTreeMap::new();
    client.query_drop("START TRANSACTION").await.unwrap();
    for n in 0..2600_i64 {
        // Every fourth differs from the one before only in case, and a `_` stands between both cases.
        let key = match n % 4 {
            0 => format!("configmaps/a_{n}"),
            1 => format!("configmaps/A_{}", n - 1),
            2 => format!("configmaps/a/{n}"),
            _ => format!("Leases/a {n}"),
        };
        let name = format!("/registry/{key}");
        insert(
            &mut client,
            &Row {
                previous: 1_000_000 + n,
                ..created(2 * n + 1, &name, b"old")
            },
        )
        .await;
        let deleted = n % 10 == 9;
        let row = Row {
            id: 2 * n + 2,
            name: &name,
            deleted,
            previous: 2 * n + 1,
            value: &bytes,
        };
        insert(&mut client, &row).await;
        if !deleted {
            expected.insert(key.into_bytes(), 2 * n + 2);
        }
    }
    for (n, name) in [
        (6000, "compact_rev_key"),
        (6001, "gap-6001"),
        (6002, "/registry0/x"),
    ] {
        insert(&mut client, &created(n, name, b"")).await;
    }
    client.query_drop("COMMIT").await.unwrap();

    let mut reader = store.reader(&tenancy).await.unwrap();
    assert_eq!(reader.revision().await.unwrap(), 6002);
    let records = all(reader.as_mut()).await;
    let found: Vec<(Vec<u8>, i64)> = records
        .iter()
        .map(|record| (record.key.clone(), record.modified))
        .collect();
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    assert!(records.iter().all(|record| record.value == bytes));
    assert!(
        records
            .iter()
            .all(|record| record.created < record.modified)
    );

    let asked = [
        "configmaps/A_0",
        "configmaps/a_0",
        "CONFIGMAPS/A_0",
        "configmaps/a_0 ",
    ];
    let keys: Vec<Vec<u8>> = asked.iter().map(|key| key.as_bytes().to_vec()).collect();
    let found = reader.get(&keys).await.unwrap();
    let found: Vec<Option<i64>> = found
        .iter()
        .map(|record| record.as_ref().map(|record| record.modified))
        .collect();
    assert_eq!(found, [Some(4), Some(2), None, None]);
}

#[tokio::test]
async fn a_page_is_bounded_by_its_bytes_and_holds_a_larger_record_alone() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = with_table(&server, &tenancy).await;
    let (large, small) = (vec![7; BATCH_BYTES + 1], vec![8; BATCH_BYTES / 4]);
    for (id, name, value) in [
        (1, "/registry/a", &large),
        (2, "/registry/b", &small),
        (3, "/registry/c", &small),
        (4, "/registry/d", &large),
    ] {
        insert(&mut client, &created(id, name, value)).await;
    }
    let mut reader = store.reader(&tenancy).await.unwrap();
    let mut pages = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = reader.page(after.as_deref()).await.unwrap();
        let keys: Vec<String> = page
            .records
            .iter()
            .map(|record| String::from_utf8(record.key.clone()).unwrap())
            .collect();
        pages.push(keys.concat());
        after = page.records.last().map(|record| record.key.clone());
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, ["a", "bc", "d"]);
    assert_eq!(changes(reader.as_mut(), 0).await.revision, 1);
    assert_eq!(changes(reader.as_mut(), 1).await.revision, 3);
}

#[tokio::test]
async fn rows_of_one_id_beyond_what_is_read_are_refused() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = client_of(&server, &tenancy).await.unwrap();
    let keyless = TABLE
        .replace("AUTO_INCREMENT", "")
        .split(", PRIMARY KEY")
        .next()
        .unwrap()
        .to_owned()
        + ")";
    client.query_drop(keyless).await.unwrap();
    client
        .query_drop(
            "INSERT INTO `cp-a`.kine (id, name, created, deleted, value) \
             SELECT 1, '/registry/a', 1, 0, REPEAT('x', 1000) FROM `cp-a`.seq_1_to_40000",
        )
        .await
        .unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    let error = reader.changes(0).await.unwrap_err();
    assert!(error.to_string().contains("33554432 bytes"), "{error}");
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn a_page_holds_the_changes_that_were_read_before_it() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = with_table(&server, &tenancy).await;
    client.query_drop("START TRANSACTION").await.unwrap();
    for n in 0..1500_i64 {
        let name = format!("/registry/{n:04}");
        insert(&mut client, &created(n + 1, &name, b"old")).await;
    }
    client.query_drop("COMMIT").await.unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    let first = reader.page(None).await.unwrap();
    assert_eq!((first.records.len(), first.revision), (1000, 1500));
    let again = Row {
        previous: 1500,
        ..created(1501, "/registry/1499", b"new")
    };
    insert(&mut client, &again).await;
    insert(&mut client, &created(1502, "/registry/zzzz", b"new")).await;
    assert_eq!(changes(reader.as_mut(), 1500).await.revision, 1502);
    let last = first.records.last().map(|record| record.key.clone());
    let second = reader.page(last.as_deref()).await.unwrap();
    let ends: Vec<i64> = second
        .records
        .iter()
        .rev()
        .take(2)
        .map(|r| r.modified)
        .collect();
    assert_eq!((ends, second.revision), (vec![1502, 1501], 1502));
}

#[tokio::test]
async fn a_change_that_is_committed_late_comes_before_those_that_were_committed_earlier() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = with_table(&server, &tenancy).await;
    insert(&mut client, &created(1, "/registry/first", b"1")).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    assert_eq!(reader.revision().await.unwrap(), 1);

    for (late, ends) in [(2, "COMMIT"), (4, "ROLLBACK")] {
        let mut open = client_of(&server, &tenancy).await.unwrap();
        open.query_drop("START TRANSACTION").await.unwrap();
        insert(
            &mut open,
            &created(late, &format!("/registry/{late}"), b"late"),
        )
        .await;
        insert(
            &mut client,
            &created(late + 1, &format!("/registry/{}", late + 1), b"early"),
        )
        .await;
        let asked = tokio::spawn(async move {
            let changes = changes(reader.as_mut(), late - 1).await;
            let revision = reader.revision().await.unwrap();
            (reader, changes, revision)
        });
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(
            !asked.is_finished(),
            "answered while a transaction was open"
        );
        open.query_drop(ends).await.unwrap();
        let (again, found, revision) = asked.await.unwrap();
        reader = again;
        let early = Op::Put(record(&(late + 1).to_string(), late + 1, b"early"));
        let late = Op::Put(record(&late.to_string(), late, b"late"));
        let ops = if ends == "COMMIT" {
            vec![late, early]
        } else {
            vec![early]
        };
        assert_eq!((found.ops, found.revision), (ops, revision));
    }
}

#[tokio::test]
async fn revision_waits_for_a_transaction_that_has_drawn_an_older_one() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = with_table(&server, &tenancy).await;
    let mut open = client_of(&server, &tenancy).await.unwrap();
    open.query_drop("START TRANSACTION").await.unwrap();
    insert(&mut open, &created(1, "/registry/late", b"late")).await;
    insert(&mut client, &created(2, "/registry/early", b"early")).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    let asked = tokio::spawn(async move {
        let page = reader.page(None).await.unwrap();
        (page.records.len(), page.revision)
    });
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!asked.is_finished());
    open.query_drop("COMMIT").await.unwrap();
    assert_eq!(asked.await.unwrap(), (2, 2));
}

#[tokio::test]
async fn changes_that_kine_has_compacted_are_told_from_none() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = with_table(&server, &tenancy).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    insert(&mut client, &created(1, "/registry/x", b"1")).await;
    let second = Row {
        id: 2,
        name: "/registry/x",
        deleted: false,
        previous: 1,
        value: b"2",
    };
    insert(&mut client, &second).await;
    insert(
        &mut client,
        &Row {
            previous: 2,
            ..created(3, "compact_rev_key", b"")
        },
    )
    .await;
    client
        .query_drop("DELETE FROM `cp-a`.kine WHERE id = 1")
        .await
        .unwrap();
    for (after, compacted) in [(0, true), (1, true), (2, false), (3, false)] {
        let found = reader.changes(after).await.unwrap();
        assert_eq!(
            found == Followed::Compacted,
            compacted,
            "{after}: {found:?}"
        );
    }
    let found = reader.page(None).await.unwrap();
    assert_eq!((found.records.len(), found.revision), (1, 3));
}

#[tokio::test]
async fn a_tenant_whose_kine_never_ran_has_no_record_and_the_revision_zero() {
    let (_server, store, tenancy) = with_tenant("cp-a").await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    assert_eq!(reader.revision().await.unwrap(), 0);
    assert!(all(reader.as_mut()).await.is_empty());
    assert_eq!(changes(reader.as_mut(), 0).await.revision, 0);
    assert_eq!(reader.get(&[b"x".to_vec()]).await.unwrap(), [None]);
}

#[tokio::test]
async fn a_table_that_is_not_kines_is_an_error_and_no_panic() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = with_table(&server, &tenancy).await;
    client
        .query_drop(
            "INSERT INTO `cp-a`.kine (id, name) VALUES (18446744073709551614, '/registry/x')",
        )
        .await
        .unwrap();
    let mut reader = store.reader(&tenancy).await.unwrap();
    for error in [
        reader.revision().await.unwrap_err(),
        reader.page(None).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("the table kine"), "{error}");
    }
}

#[tokio::test]
async fn a_stranger_gets_neither_reader_nor_writer() {
    let (_server, store, own) = with_tenant("cp-a").await;
    let stranger = Tenancy {
        owner: super::super::owner("cp-b"),
        ..own
    };
    assert!(store.reader(&stranger).await.err().unwrap().is_refusal());
    assert!(store.writer(&stranger).await.err().unwrap().is_refusal());
    assert!(
        store
            .fence(&fenced(&stranger), &attempt())
            .await
            .unwrap_err()
            .is_refusal()
    );
    let unclaimed = tenancy("cp-c");
    assert!(store.reader(&unclaimed).await.err().unwrap().is_refusal());
}
