//! The fence: a tenant that reads and does not write.

use std::time::{Duration, Instant};

use kamaji_datastore::{Access, Error, connect};

use super::*;
use crate::attempt::attempt;
use crate::server::{Setup, USUAL};

const WRITE: &str = "INSERT INTO kine (name, created, deleted, prev_revision, lease, value)
    VALUES (gen_random_uuid()::text, 1, 0, 0, 0, 'value')";
const READ: &str = "SELECT max(id) FROM kine";

fn fenced(tenancy: &Tenancy) -> Tenancy {
    tenancy.with_access(Access::ReadOnly)
}

/// A tenant with a table of one row, and its open session with a prepared statement.
async fn with_session() -> (Server, Box<dyn DataStore>, Tenancy, Client) {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    store.writer(&tenancy).await.unwrap();
    let session = own_session(&server, &tenancy).await;
    session.batch_execute(WRITE).await.unwrap();
    (server, store, tenancy, session)
}

#[tokio::test]
async fn an_open_session_is_refused_and_reads_on_until_writes_are_demanded_again() {
    let (server, store, tenancy, session) = with_session().await;
    let prepared = session.prepare(WRITE).await.unwrap();
    for _ in 0..8 {
        session.execute(&prepared, &[]).await.unwrap();
    }
    let fenced = fenced(&tenancy);
    assert_eq!(store.fence(&fenced, &attempt()).await, Ok(9));
    for _ in 0..2 {
        let error = session.execute(&prepared, &[]).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{error}");
        assert!(session.batch_execute("TRUNCATE kine").await.is_err());
        assert!(
            session
                .batch_execute("UPDATE kine SET lease = 1")
                .await
                .is_err()
        );
        session.batch_execute(READ).await.unwrap();
        let new = own_session(&server, &tenancy).await;
        assert!(new.batch_execute(WRITE).await.is_err());
        assert!(store.ensure(&fenced).await.unwrap().is_empty());
    }
    assert_eq!(store.fence(&fenced, &attempt()).await, Ok(9));
    let lifted = store.lift(&tenancy, &attempt()).await.unwrap();
    let step = Step::AccessGranted("writes to table kine".to_owned());
    assert_eq!(lifted.steps, [step]);
    session.execute(&prepared, &[]).await.unwrap();
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    let error = store.fence(&tenancy, &attempt()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    session.execute(&prepared, &[]).await.unwrap();
}

#[tokio::test]
async fn rights_that_came_back_are_taken_again() {
    let (_server, store, tenancy, session) = with_session().await;
    let fenced = fenced(&tenancy);
    store.fence(&fenced, &attempt()).await.unwrap();
    for back in [
        "GRANT INSERT ON kine TO \"user-of-cp-a\"",
        "GRANT UPDATE (lease) ON kine TO \"user-of-cp-a\"",
        "GRANT ALL ON kine TO PUBLIC",
        "REVOKE ALL ON kine FROM \"user-of-cp-a\"",
    ] {
        session.batch_execute(back).await.unwrap();
        let change = store.ensure(&fenced).await.unwrap();
        let corrected = Step::Corrected(Item::new("table", "kine"));
        assert_eq!(change.steps, [corrected], "{back}");
        assert!(session.batch_execute(WRITE).await.is_err(), "{back}");
        session.batch_execute(READ).await.unwrap();
    }
}

#[tokio::test]
async fn a_write_under_way_is_part_of_the_fenced_revision() {
    let (server, store, tenancy, session) = with_session().await;
    let begun = format!("BEGIN; {WRITE}");
    session.batch_execute(&begun).await.unwrap();
    let (fenced, attempt) = (fenced(&tenancy), attempt());
    let commit = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        session.batch_execute("COMMIT").await.unwrap();
    };
    let (revision, ()) = tokio::join!(store.fence(&fenced, &attempt), commit);
    assert_eq!(revision, Ok(2));
    let ids = server.texts("cp-a", "SELECT id::text FROM kine").await;
    assert_eq!(ids, ["1", "2"]);
}

#[tokio::test]
async fn a_transaction_without_end_is_ended_and_leaves_nothing() {
    let (_server, store, tenancy, session) = with_session().await;
    let begun = format!("BEGIN; {WRITE}");
    session.batch_execute(&begun).await.unwrap();
    let start = Instant::now();
    assert_eq!(store.fence(&fenced(&tenancy), &attempt()).await, Ok(1));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert!(session.batch_execute("COMMIT").await.is_err());
}

#[tokio::test]
async fn a_tenant_without_a_table_cannot_make_one_to_write() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let fenced = fenced(&tenancy);
    assert_eq!(store.fence(&fenced, &attempt()).await, Ok(1));
    let session = own_session(&server, &tenancy).await;
    let create = "CREATE TABLE IF NOT EXISTS kine (id BIGSERIAL PRIMARY KEY);
        CREATE INDEX IF NOT EXISTS kine_name_index ON kine (name)";
    session.batch_execute(create).await.unwrap();
    assert!(session.batch_execute(WRITE).await.is_err());
    assert!(store.ensure(&fenced).await.unwrap().is_empty());
    let new = Tenancy {
        access: Access::ReadOnly,
        ..super::tenancy("cp-b")
    };
    store.ensure(&new).await.unwrap();
    let session = own_session(&server, &new).await;
    assert!(session.batch_execute(WRITE).await.is_err());
}

#[tokio::test]
async fn an_administrator_without_superuser_fences_reads_and_writes() {
    let server = Server::start().await;
    let manager = "CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'x'";
    server.sql("postgres", manager).await;
    let store = connect(&server.connection_as("manager", "x"))
        .await
        .unwrap();
    let tenancy = tenancy("cp-a");
    store.ensure(&tenancy).await.unwrap();
    store
        .writer(&tenancy)
        .await
        .unwrap()
        .finish(40)
        .await
        .unwrap();
    let session = own_session(&server, &tenancy).await;
    session
        .batch_execute(&format!("BEGIN; {WRITE}"))
        .await
        .unwrap();
    assert_eq!(store.fence(&fenced(&tenancy), &attempt()).await, Ok(41));
    let session = own_session(&server, &tenancy).await;
    assert!(session.batch_execute(WRITE).await.is_err());
    let mut reader = store.reader(&fenced(&tenancy)).await.unwrap();
    assert_eq!(reader.revision().await, Ok(41));
    store.lift(&tenancy, &attempt()).await.unwrap();
    session.batch_execute(WRITE).await.unwrap();
}

/// The statement that takes the right to write waits for a lock when the fence is given up: it must not come true after
/// the fence is lifted.
#[tokio::test]
async fn a_fence_that_was_given_up_takes_no_right_after_it_is_lifted() {
    // A server that sends notices finds out by the way that nobody listens any more, and gives up, too.
    let server = Server::start_with(Setup {
        settings: &["client_min_messages=warning"],
        ..USUAL
    })
    .await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    store.ensure(&tenancy).await.unwrap();
    store.writer(&tenancy).await.unwrap();
    let session = own_session(&server, &tenancy).await;
    session
        .batch_execute("BEGIN; SELECT FROM kine")
        .await
        .unwrap();
    let store: std::sync::Arc<dyn DataStore> = store.into();
    let (fencing, fenced) = (store.clone(), fenced(&tenancy));
    let fence = tokio::spawn(async move { fencing.fence(&fenced, &attempt()).await });
    let waiting =
        "SELECT pid::text FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted";
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.texts("postgres", waiting).await.is_empty() {
        assert!(Instant::now() < deadline, "no statement waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fence.abort();
    assert!(fence.await.unwrap_err().is_cancelled());
    store.lift(&tenancy, &attempt()).await.unwrap();
    session.batch_execute("COMMIT").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    session.batch_execute(WRITE).await.unwrap();
}
