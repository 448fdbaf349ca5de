use mysql_async::prelude::Queryable;

use super::*;

#[tokio::test]
async fn open_connections_of_a_tenant_end_and_do_not_hold_up_its_removal() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut open = client_of(&server, &tenancy).await.unwrap();
    for statement in [
        "USE `cp-a`",
        "CREATE TABLE kine (n INT)",
        "BEGIN",
        "INSERT INTO kine VALUES (1)",
    ] {
        open.query_drop(statement).await.unwrap();
    }
    let since = std::time::Instant::now();
    let change = store.remove(&tenancy).await.unwrap();
    assert!(since.elapsed().as_secs() < 3, "took {:?}", since.elapsed());
    let steps = [
        Step::Removed(Item::new("user", "cp-a")),
        Step::Removed(Item::new("database", "cp-a")),
        Step::OwnerRemoved,
    ];
    assert_eq!(change.steps, steps);
    open.query_drop("COMMIT").await.unwrap_err();
}

#[tokio::test]
async fn a_user_of_the_same_name_for_another_host_and_its_connections_stay() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    for statement in [
        "CREATE DATABASE other",
        "CREATE USER 'cp-a'@'127.0.0.1' IDENTIFIED BY 'other'",
        "GRANT SELECT ON other.* TO 'cp-a'@'127.0.0.1'",
    ] {
        server.execute(statement).await;
    }
    let mut other = server.client("cp-a", "other").await.unwrap();
    store.remove(&tenancy).await.unwrap();
    other.query_drop("USE other").await.unwrap();
    let users = server
        .column("SELECT Host FROM mysql.user WHERE User = 'cp-a'")
        .await;
    assert_eq!(users, ["127.0.0.1"]);
}

#[tokio::test]
async fn a_tenant_that_holds_a_lock_of_any_name_that_it_may_know_holds_up_no_one() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut tenant = client_of(&server, &tenancy).await.unwrap();
    for name in ["kamaji", "kamaji_clastix_io", "claim_lock", "cp-b"] {
        let query = format!("SELECT GET_LOCK('{name}', 0)");
        let taken: Option<u8> = tenant.query_first(query).await.unwrap();
        assert_eq!(taken, Some(1));
    }
    let since = std::time::Instant::now();
    store.ensure(&super::tenancy("cp-b")).await.unwrap();
    assert!(since.elapsed().as_secs() < 2, "took {:?}", since.elapsed());
    tenant
        .query_drop("SELECT name FROM kamaji_clastix_io.claim_lock")
        .await
        .unwrap_err();
}
