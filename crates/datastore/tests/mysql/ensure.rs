use kamaji_datastore::Error;
use mysql_async::prelude::Queryable;

use super::*;

#[tokio::test]
async fn a_new_tenant_gets_a_database_a_user_and_seven_privileges() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let change = store.remove(&tenancy).await.unwrap();
    assert_eq!(change.steps.len(), 3, "{change}");
    let change = store.ensure(&tenancy).await.unwrap();
    assert_eq!(change.steps, created("cp-a"));

    let grants = server.column("SHOW GRANTS FOR 'cp-a'@'%'").await;
    assert_eq!(grants.len(), 2, "{grants:?}");
    assert!(grants[0].starts_with("GRANT USAGE ON *.*"), "{grants:?}");
    let own =
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, INDEX, ALTER ON `cp-a`.* TO `cp-a`@`%`";
    assert_eq!(grants[1], own);
    let collation =
        "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'cp-a'";
    assert_eq!(server.column(collation).await, ["utf8mb4_bin"]);
}

/// Statements by which users and grants are written, as the server counts them.
async fn writes(server: &Server) -> Vec<String> {
    server
        .column(
            "SELECT CONCAT(VARIABLE_NAME, '=', VARIABLE_VALUE) FROM information_schema.GLOBAL_STATUS \
             WHERE VARIABLE_NAME IN ('COM_ALTER_USER', 'COM_CREATE_USER', 'COM_GRANT', 'COM_REVOKE', \
             'COM_REVOKE_ALL', 'COM_CREATE_DB', 'COM_CREATE_TABLE', 'COM_INSERT', 'COM_UPDATE')",
        )
        .await
}

async fn log_ins(server: &Server) -> u64 {
    let query =
        "SELECT TOTAL_CONNECTIONS FROM information_schema.USER_STATISTICS WHERE USER = 'cp-a'";
    let found = server.column(query).await;
    found.first().map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn an_ensured_tenant_costs_one_log_in_per_process_and_no_write() {
    let server = Server::start_with(&["--userstat=1"]).await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    store.ensure(&tenancy).await.unwrap();
    let (before, none) = (writes(&server).await, log_ins(&server).await);
    for _ in 0..5 {
        assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    }
    assert_eq!(log_ins(&server).await, none + 1);
    assert!(
        server
            .store()
            .await
            .ensure(&tenancy)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(log_ins(&server).await, none + 2);
    assert_eq!(writes(&server).await, before);
}

#[tokio::test]
async fn a_password_that_changed_on_either_side_is_set_once() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    let set = [Step::AccessGranted("log-in of user cp-a".to_owned())];
    let renewed = tenancy
        .clone()
        .with_password(Secret::new("quo'te\\ and `tick`"));
    assert_eq!(store.ensure(&renewed).await.unwrap().steps, set);
    assert!(store.ensure(&renewed).await.unwrap().is_empty());
    client_of(&server, &renewed).await.unwrap();
    client_of(&server, &tenancy).await.unwrap_err();

    server
        .execute("ALTER USER 'cp-a'@'%' IDENTIFIED BY 'by hand'")
        .await;
    assert_eq!(store.ensure(&renewed).await.unwrap().steps, set);
    client_of(&server, &renewed).await.unwrap();
}

#[tokio::test]
async fn revoked_access_ends_with_the_connections_that_had_it() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    for statement in [
        "CREATE DATABASE other",
        "CREATE TABLE other.t (n INT)",
        "CREATE ROLE wide",
        "GRANT SELECT ON other.* TO wide",
        "GRANT wide TO 'cp-a'@'%'",
        "GRANT SELECT ON *.* TO 'cp-a'@'%'",
    ] {
        server.execute(statement).await;
    }
    let mut open = client_of(&server, &tenancy).await.unwrap();
    open.query_drop("SELECT * FROM other.t").await.unwrap();

    let change = store.ensure(&tenancy).await.unwrap();
    let revoked = |text: &str| Step::AccessRevoked(text.to_owned());
    let steps = [
        revoked("SELECT on *.*"),
        revoked("role wide"),
        granted("cp-a"),
    ];
    assert_eq!(change.steps, steps);
    open.query_drop("SELECT * FROM other.t").await.unwrap_err();
    let mut again = client_of(&server, &tenancy).await.unwrap();
    again.query_drop("SELECT * FROM other.t").await.unwrap_err();
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_installation_of_upstream_is_adopted_and_its_wildcard_grant_narrowed() {
    let server = Server::start().await;
    for statement in [
        "CREATE DATABASE kine_my",
        "CREATE DATABASE kinexmy",
        "CREATE USER kine_my@'%' IDENTIFIED BY 'password-of-kine_my'",
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `kine_my`.* TO kine_my@'%'",
    ] {
        server.execute(statement).await;
    }
    let tenancy = recorded("kine_my");
    let mut tenant = client_of(&server, &tenancy).await.unwrap();
    tenant
        .query_drop("CREATE TABLE kine_my.kine (n INT)")
        .await
        .unwrap();
    tenant
        .query_drop("CREATE TABLE kinexmy.kine (n INT)")
        .await
        .unwrap();

    let store = server.store().await;
    let change = store.ensure(&tenancy).await.unwrap();
    assert_eq!(change.steps[0], Step::OwnerRecorded);
    assert!(change.revoked_access(), "{change}");
    assert_eq!(change.steps.last(), Some(&granted("kine\\_my")));
    let mut tenant = client_of(&server, &tenancy).await.unwrap();
    tenant
        .query_drop("SELECT * FROM kine_my.kine")
        .await
        .unwrap();
    tenant
        .query_drop("SELECT * FROM kinexmy.kine")
        .await
        .unwrap_err();
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
}

#[tokio::test]
async fn databases_users_and_roles_of_others_are_refused_and_left() {
    let server = Server::start().await;
    let store = server.store().await;
    for (statement, tenancy) in [
        ("CREATE DATABASE `one`", tenancy("one")),
        ("CREATE USER two@'%' IDENTIFIED BY 'x'", tenancy("two")),
        (
            "CREATE USER three@'10.0.0.1' IDENTIFIED BY 'x'",
            recorded("three"),
        ),
        ("CREATE ROLE four", recorded("four")),
        (
            "GRANT SELECT ON mysql.* TO five@'%' IDENTIFIED BY 'x'",
            recorded("five"),
        ),
        ("GRANT ALL ON `si%`.* TO PUBLIC", tenancy("six")),
    ] {
        server.execute(statement).await;
        let error = store.ensure(&tenancy).await.unwrap_err();
        assert!(error.is_refusal(), "{error}");
    }
    let databases = server.column("SHOW DATABASES").await;
    assert!(
        !databases
            .iter()
            .any(|name| name.starts_with("kamaji") || name == "two"),
        "{databases:?}"
    );
    let own = tenancy(server::ADMINISTRATOR);
    for error in [
        store.ensure(&own).await.unwrap_err(),
        store.remove(&own).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    }
    store.check().await.unwrap();
}

/// Takes the lock of a name in a session of its own.
async fn hold(server: &Server, name: &str) -> mysql_async::Conn {
    let mut holder = server.root().await;
    let take = format!(
        "SELECT GET_LOCK(CONCAT(name, '-', LEFT(SHA2('{name}', 256), 16)), 0) FROM kamaji_clastix_io.claim_lock"
    );
    assert_eq!(holder.query_first(take).await.unwrap(), Some(1));
    holder
}

#[tokio::test]
async fn work_on_a_tenant_waits_for_the_locks_of_its_names_and_for_no_others() {
    let (server, store, ensured) = with_tenant("cp-a").await;
    let half = std::time::Duration::from_millis(500);
    let (new, limited) = (tenancy("cp-b"), |doing| tokio::time::timeout(half, doing));
    let holder = hold(&server, "schema cp-b").await;
    limited(store.ensure(&new)).await.unwrap_err();
    // A neighbour is repaired meanwhile.
    server.execute("GRANT DROP ON `cp-a`.* TO 'cp-a'@'%'").await;
    assert!(!store.ensure(&ensured).await.unwrap().is_empty());
    holder.disconnect().await.unwrap();
    assert_eq!(store.ensure(&new).await.unwrap().steps, created("cp-b"));

    let holder = hold(&server, "user cp-a").await;
    limited(store.remove(&ensured)).await.unwrap_err();
    assert!(store.ensure(&ensured).await.unwrap().is_empty());
    store.remove(&new).await.unwrap();
    holder.disconnect().await.unwrap();
    store.remove(&ensured).await.unwrap();
}
