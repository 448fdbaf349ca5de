//! What a removal deletes, and what it leaves.

use kamaji_datastore::Error;

use super::*;

#[tokio::test]
async fn a_removal_ends_sessions_and_deletes_database_role_and_records() {
    let server = Server::start().await;
    let store = server.store().await;
    store.ensure(&tenancy("stays")).await.unwrap();
    let before = (databases(&server).await, roles(&server).await);
    let tenancy = tenancy("cp-a");
    store.ensure(&tenancy).await.unwrap();
    let session = own_session(&server, &tenancy).await;
    session.batch_execute("CREATE TABLE kine ()").await.unwrap();
    let change = store.remove(&tenancy).await.unwrap();
    let expected = [
        Step::Removed(Item::new("database", "cp-a")),
        Step::Removed(Item::new("role", "user-of-cp-a")),
        Step::OwnerRemoved,
    ];
    assert_eq!(change.steps, expected);
    assert!(session.batch_execute("SELECT 1").await.is_err());
    assert_eq!((databases(&server).await, roles(&server).await), before);
}

#[tokio::test]
async fn a_removal_goes_on_after_each_of_its_own_steps() {
    let server = Server::start().await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    store.ensure(&super::tenancy("stays")).await.unwrap();
    let before = (databases(&server).await, roles(&server).await);
    let steps = [
        "ALTER ROLE \"user-of-cp-a\" NOLOGIN",
        "DROP DATABASE \"cp-a\" WITH (FORCE)",
        "DROP ROLE \"user-of-cp-a\"",
    ];
    for done in 1..=steps.len() {
        for again in [false, true] {
            store.ensure(&tenancy).await.unwrap();
            for step in &steps[..done] {
                server.sql("postgres", step).await;
            }
            if again {
                store.ensure(&tenancy).await.unwrap();
                own_session(&server, &tenancy).await;
            }
            let change = store.remove(&tenancy).await.unwrap();
            assert_eq!(change.steps.last(), Some(&Step::OwnerRemoved));
            assert_eq!((databases(&server).await, roles(&server).await), before);
        }
    }
}

#[tokio::test]
async fn what_a_tenant_left_in_other_databases_goes_with_it() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let session = session_of(&server, &tenancy, "postgres").await.unwrap();
    session.batch_execute("SELECT lo_create(0)").await.unwrap();
    drop(session);
    let grant = "CREATE TABLE public.shared (); GRANT SELECT ON public.shared TO \"user-of-cp-a\"";
    server.sql("template1", grant).await;
    store.remove(&tenancy).await.unwrap();
    assert!(!roles(&server).await.contains(&"user-of-cp-a".to_owned()));
    let tables = "SELECT relname::text FROM pg_class WHERE relname = 'shared'";
    assert_eq!(server.texts("template1", tables).await, ["shared"]);
}

#[tokio::test]
async fn a_role_that_owns_another_database_is_kept_and_named() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    server
        .sql("postgres", "CREATE DATABASE shop OWNER \"user-of-cp-a\"")
        .await;
    let error = store.remove(&tenancy).await.unwrap_err();
    assert!(
        error.to_string().contains("it owns the database shop"),
        "{error}"
    );
    own_session(&server, &tenancy).await;
    server
        .sql("postgres", "ALTER DATABASE shop OWNER TO postgres")
        .await;
    store.remove(&tenancy).await.unwrap();
    assert!(databases(&server).await.contains(&"shop".to_owned()));
}

#[tokio::test]
async fn a_tenant_of_upstream_is_removed_from_a_server_that_was_never_prepared() {
    let server = Server::start().await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    let before = databases(&server).await;
    assert!(store.remove(&tenancy).await.unwrap().is_empty());
    assert_eq!(databases(&server).await, before);
    server
        .sql("postgres", "CREATE ROLE \"user-of-cp-a\" LOGIN")
        .await;
    server
        .sql(
            "postgres",
            "CREATE DATABASE \"cp-a\" OWNER \"user-of-cp-a\"",
        )
        .await;
    let error = store.remove(&tenancy).await.unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    store.remove(&recorded(&tenancy)).await.unwrap();
    assert!(!databases(&server).await.contains(&"cp-a".to_owned()));
    assert!(!roles(&server).await.contains(&"user-of-cp-a".to_owned()));
}

/// From the operator's address tenants cannot log in, so that the driver relies on the passwords that it has set.
#[tokio::test]
async fn the_password_of_a_removed_tenant_is_forgotten() {
    let server = Server::start().await;
    let rules = "host all postgres,kamaji-asks-whether-auth-is-on all scram-sha-256\n";
    server.set_rules(rules).await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    store.ensure(&tenancy).await.unwrap();
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    store.remove(&tenancy).await.unwrap();
    // Another process creates the tenant again with another password.
    let renewed = tenancy.clone().with_password(Secret::new("another"));
    server.store().await.ensure(&renewed).await.unwrap();
    let change = store.ensure(&tenancy).await.unwrap();
    let access = "the password of user user-of-cp-a".to_owned();
    assert_eq!(change.steps, [Step::AccessGranted(access)]);
}
