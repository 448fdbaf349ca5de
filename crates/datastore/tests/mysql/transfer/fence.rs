use sha2::{Digest, Sha256};

use super::super::{Step, granted, with_tenant};
use super::*;

/// The user that a fence has left, with the password that only the driver makes.
async fn fenced_client(server: &Server, tenancy: &Tenancy) -> Conn {
    let hash = Sha256::new()
        .chain_update(b"fence of kamaji.clastix.io\0")
        .chain_update(password(tenancy))
        .finalize();
    let password = format!("Fence-{hash:x}");
    let client = server.client(tenancy.user.as_str(), &password).await;
    client.unwrap()
}

/// Asserts that the tenant cannot log in.
async fn cannot_log_in(server: &Server, tenancy: &Tenancy) {
    let error = client_of(server, tenancy).await.unwrap_err();
    assert!(
        matches!(&error, mysql_async::Error::Server(answer) if answer.code == 1045),
        "{error}"
    );
}

/// Attempts of a connection at writing, each of which has to be refused.
async fn cannot_write(client: &mut Conn) {
    for statement in [
        "INSERT INTO `cp-a`.kine (id, name) VALUES (99, 'x')",
        "UPDATE `cp-a`.kine SET value = 'x'",
        "DELETE FROM `cp-a`.kine",
        "CREATE TABLE `cp-a`.other (n INT)",
        "ALTER TABLE `cp-a`.kine ADD COLUMN n INT",
    ] {
        let error = client.query_drop(statement).await.unwrap_err();
        let mysql_async::Error::Server(answer) = &error else {
            panic!("{statement}: {error}");
        };
        assert_eq!(answer.state, "42000", "{statement}: {error}");
    }
}

#[tokio::test]
async fn a_fence_ends_open_connections_and_their_transactions_and_the_log_in() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut idle = with_table(&server, &tenancy).await;
    insert(&mut idle, &created(1, "/registry/x", b"1")).await;
    // The server reads the grants on the database of a connection once, as it does for kine.
    idle.query_drop("USE `cp-a`").await.unwrap();
    let mut busy = client_of(&server, &tenancy).await.unwrap();
    busy.query_drop("USE `cp-a`").await.unwrap();
    busy.query_drop("START TRANSACTION").await.unwrap();
    insert(&mut busy, &created(2, "/registry/undone", b"2")).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    assert_eq!(reader.page(None).await.unwrap().revision, 1);

    assert_eq!(store.fence(&fenced(&tenancy)).await.unwrap(), Some(1));
    for client in [&mut idle, &mut busy] {
        let error = client.query_drop("DELETE FROM kine").await.unwrap_err();
        assert!(
            !matches!(&error, mysql_async::Error::Server(answer) if answer.code == 1142),
            "{error}"
        );
    }
    cannot_log_in(&server, &tenancy).await;
    let mut again = fenced_client(&server, &tenancy).await;
    cannot_write(&mut again).await;
    let read: Vec<String> = again.query("SELECT name FROM `cp-a`.kine").await.unwrap();
    assert_eq!(read, ["/registry/x"]);
    // The reader's own connection was ended, too.
    assert_eq!(reader.revision().await.unwrap(), 1);
    assert_eq!(all(reader.as_mut()).await.len(), 1);
}

#[tokio::test]
async fn ensure_keeps_a_fence_and_lifts_it_with_the_right_to_write() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = with_table(&server, &tenancy).await;
    assert_eq!(store.fence(&fenced(&tenancy)).await.unwrap(), Some(0));
    assert!(store.ensure(&fenced(&tenancy)).await.unwrap().is_empty());
    cannot_log_in(&server, &tenancy).await;
    drop(client);
    client = fenced_client(&server, &tenancy).await;
    cannot_write(&mut client).await;
    client.query_drop("USE `cp-a`").await.unwrap();
    cannot_write(&mut client).await;

    let change = store.ensure(&tenancy).await.unwrap();
    let login = Step::AccessGranted("log-in of user cp-a".to_owned());
    assert_eq!(change.steps, [login, granted("cp-a")]);
    assert!(
        !change
            .steps
            .iter()
            .any(|step| matches!(step, Step::AccessRevoked(_)))
    );
    client.query_drop("SELECT 1").await.unwrap_err();
    let mut client = client_of(&server, &tenancy).await.unwrap();
    insert(&mut client, &created(1, "/registry/x", b"1")).await;
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_fence_that_the_next_pass_would_lift_is_refused() {
    let (_server, store, tenancy) = with_tenant("cp-a").await;
    let error = store.fence(&tenancy).await.unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
}

#[tokio::test]
async fn a_fence_that_was_interrupted_is_finished_by_the_next_call() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    with_table(&server, &tenancy).await;
    let mut open = client_of(&server, &tenancy).await.unwrap();
    open.query_drop("USE `cp-a`").await.unwrap();
    // As far as a call comes that ends between the grants and the connections.
    server
        .execute("REVOKE INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `cp-a`.* FROM 'cp-a'@'%'")
        .await;
    let cached = "INSERT INTO kine (id, name) VALUES (1, 'x')";
    open.query_drop(cached).await.unwrap();
    assert_eq!(store.fence(&fenced(&tenancy)).await.unwrap(), Some(1));
    open.query_drop(cached).await.unwrap_err();
}
