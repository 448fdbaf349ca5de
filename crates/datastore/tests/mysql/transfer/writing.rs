use super::super::with_tenant;
use super::*;

#[tokio::test]
async fn records_come_back_as_they_were_written_whatever_their_bytes() {
    let (_server, store, tenancy) = with_tenant("cp-a").await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let mut ops: Vec<Op> = [
        "a",
        "A",
        "a ",
        "a  ",
        "ä",
        "\u{1f600}",
        "'; DROP TABLE kine; --\\",
    ]
    .iter()
    .enumerate()
    .map(|(n, key)| Op::Put(record(key, i64::try_from(n).unwrap() + 1, key.as_bytes())))
    .collect();
    let every: Vec<u8> = (1..=255).collect();
    ops.push(Op::Put(Record {
        key: every.clone(),
        value: (0..=255).collect(),
        created: 3,
        modified: 100,
        ttl: Some(3600),
    }));
    ops.push(Op::Put(record("large", 101, &vec![0; 6 << 20])));
    ops.push(Op::Put(record("empty", 102, b"")));
    for n in 0..600 {
        ops.push(Op::Put(record(&format!("many/{n}"), 200 + n, b"many")));
    }
    writer.apply(&ops).await.unwrap();
    assert_eq!(
        writer.count().await.unwrap(),
        u64::try_from(ops.len()).unwrap()
    );
    writer.apply(&ops).await.unwrap();
    assert_eq!(
        writer.count().await.unwrap(),
        u64::try_from(ops.len()).unwrap()
    );

    let found = content(store.as_ref(), &tenancy).await;
    assert_eq!(found.len(), ops.len());
    for op in &ops {
        let Op::Put(written) = op else { unreachable!() };
        assert_eq!(found.get(&written.key), Some(written));
    }
}

#[tokio::test]
async fn a_new_version_takes_the_place_of_the_old_and_a_deletion_leaves_nothing() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let put = |key, revision| Op::Put(record(key, revision, b"x"));
    writer
        .apply(&[put("a", 1), put("b", 2), put("c", 3)])
        .await
        .unwrap();
    let later = [
        put("a", 4),
        deletion("b", 5),
        put("c", 6),
        deletion("c", 7),
        put("c", 8),
    ];
    writer.apply(&later).await.unwrap();
    let rows = "SELECT CONCAT(id, name) FROM `cp-a`.kine ORDER BY id";
    assert_eq!(server.column(rows).await, ["4/registry/a", "8/registry/c"]);
    writer.clear().await.unwrap();
    assert_eq!(writer.count().await.unwrap(), 0);
    assert_eq!(number(&server, "SELECT COUNT(*) FROM `cp-a`.kine").await, 0);
}

#[tokio::test]
async fn a_table_that_kine_made_gets_exact_names_and_its_old_versions_go() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = with_table(&server, &tenancy).await;
    insert(&mut client, &created(7, "/registry/a", b"old")).await;
    let newer = Row {
        id: 90,
        name: "/registry/a",
        deleted: false,
        previous: 7,
        value: b"newer",
    };
    insert(&mut client, &newer).await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    assert_eq!(writer.count().await.unwrap(), 1);
    let ops = [
        Op::Put(record("a", 3, b"copied")),
        Op::Put(record("A", 4, b"another")),
    ];
    writer.apply(&ops).await.unwrap();
    let rows = "SELECT CONCAT(id, name) FROM `cp-a`.kine ORDER BY id";
    assert_eq!(server.column(rows).await, ["3/registry/a", "4/registry/A"]);
}

#[tokio::test]
async fn the_end_of_a_transfer_sets_the_revision_whatever_the_table_had_before() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = with_table(&server, &tenancy).await;
    insert(&mut client, &created(50_000, "/registry/older", b"")).await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    writer.clear().await.unwrap();
    writer
        .apply(&[Op::Put(record("a", 3, b"x"))])
        .await
        .unwrap();
    assert_eq!(writer.revisions_missing(3000).await.unwrap(), 0);
    for _ in 0..2 {
        writer.finish(3000).await.unwrap();
    }
    let rows = "SELECT CONCAT(id, name, prev_revision) FROM `cp-a`.kine ORDER BY id";
    assert_eq!(
        server.column(rows).await,
        ["3/registry/a0", "3001compact_rev_key3000"]
    );
    // The writer has ended the connections that were open before.
    let mut client = client_of(&server, &tenancy).await.unwrap();
    client
        .query_drop("INSERT INTO `cp-a`.kine (name) VALUES ('next')")
        .await
        .unwrap();
    assert_eq!(client.last_insert_id(), Some(3002));
}

#[tokio::test]
async fn a_key_or_value_that_the_server_does_not_take_is_named_and_nothing_is_written() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    server
        .execute("SET GLOBAL max_allowed_packet = 2097152")
        .await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let fits = || Op::Put(record("fits", 1, &vec![1; 1 << 20]));
    for (flaw, words) in [
        (record("big", 2, &vec![1; 2 << 20]), "max_allowed_packet"),
        (record(&"n".repeat(630), 2, b""), "a name of 640 bytes"),
    ] {
        let error = writer.apply(&[fits(), Op::Put(flaw)]).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(writer.count().await.unwrap(), 0);
    }
    writer
        .apply(&[fits(), Op::Put(record("too", 2, &vec![1; 1 << 20]))])
        .await
        .unwrap();
    assert_eq!(writer.count().await.unwrap(), 2);
}

#[tokio::test]
async fn a_schema_that_got_another_owner_meanwhile_is_not_written_any_more() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    let put = [Op::Put(record("a", 1, b"x"))];
    writer.apply(&put).await.unwrap();
    let record = String::from_utf8(super::super::owner("cp-b").record()).unwrap();
    server
        .execute(&format!(
            "UPDATE kamaji_clastix_io.owners SET record = '{record}' WHERE kind = 'schema'"
        ))
        .await;
    assert!(writer.clear().await.unwrap_err().is_refusal());
    assert!(writer.apply(&put).await.unwrap_err().is_refusal());
    assert!(writer.finish(9).await.unwrap_err().is_refusal());
    assert_eq!(number(&server, "SELECT COUNT(*) FROM `cp-a`.kine").await, 1);
    server
        .execute("DELETE FROM kamaji_clastix_io.owners WHERE kind = 'schema'")
        .await;
    assert!(writer.clear().await.unwrap_err().is_refusal());
}
