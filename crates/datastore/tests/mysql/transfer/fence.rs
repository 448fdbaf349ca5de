use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

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

    assert_eq!(store.fence(&fenced(&tenancy), &attempt()).await.unwrap(), 1);
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
    assert_eq!(store.fence(&fenced(&tenancy), &attempt()).await.unwrap(), 0);
    assert!(store.ensure(&fenced(&tenancy)).await.unwrap().is_empty());
    cannot_log_in(&server, &tenancy).await;
    drop(client);
    client = fenced_client(&server, &tenancy).await;
    cannot_write(&mut client).await;
    client.query_drop("USE `cp-a`").await.unwrap();
    cannot_write(&mut client).await;

    let change = store.lift(&tenancy, &attempt()).await.unwrap();
    let login = Step::AccessGranted("log-in of user cp-a".to_owned());
    assert_eq!(change.steps, [granted("cp-a"), login]);
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
    let error = store.fence(&tenancy, &attempt()).await.unwrap_err();
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
    assert_eq!(store.fence(&fenced(&tenancy), &attempt()).await.unwrap(), 1);
    open.query_drop(cached).await.unwrap_err();
}

/// Creates a key as kine does.
const CREATE: &str = "INSERT INTO kine (name, created, deleted, create_revision, prev_revision, lease, value) \
     VALUES ('/registry/new', 1, 0, 0, 0, 0, 'value')";
/// Searches for the key, as kine does once it was not created: an empty answer has it acknowledge the creation.
const SEARCH: &str = "SELECT id FROM kine WHERE name = '/registry/new'";

/// Waits until a connection is listed for which `condition` holds.
async fn until_listed(server: &Server, condition: &str) {
    let listed = format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE {condition}");
    for _ in 0..1000 {
        if number(server, &listed).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no connection with {condition}");
}

/// Starts the search on each connection.
fn search(clients: Vec<Conn>) -> JoinSet<mysql_async::Result<Vec<u64>>> {
    let searches = clients
        .into_iter()
        .map(|mut client| async move { client.query::<u64, _>(SEARCH).await });
    searches.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_search_is_answered_once_a_fence_has_ended_an_insert() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut inserting = with_table(&server, &tenancy).await;
    inserting.query_drop("USE `cp-a`").await.unwrap();
    let mut searching = Vec::new();
    for _ in 0..20 {
        let mut client = client_of(&server, &tenancy).await.unwrap();
        client.query_drop("USE `cp-a`").await.unwrap();
        client.query_drop(SEARCH).await.unwrap();
        searching.push(client);
    }
    // The insert waits for the outcome of another one of the same key, which is undone later.
    let mut other = server.root().await;
    other.query_drop("USE `cp-a`").await.unwrap();
    other.query_drop("START TRANSACTION").await.unwrap();
    other.query_drop(CREATE).await.unwrap();
    let inserted = tokio::spawn(async move { inserting.query_drop(CREATE).await });
    until_listed(&server, "USER = 'cp-a' AND INFO LIKE 'INSERT INTO kine%'").await;

    let read_only = fenced(&tenancy);
    let fence = tokio::spawn(async move { store.fence(&read_only, &attempt()).await });
    let holds = "INFO LIKE 'ALTER TABLE%' AND STATE = 'Waiting for table metadata lock'";
    until_listed(&server, holds).await;
    // The barrier after a fence waits in the same way, once the insert is ended.
    let ended = inserted.is_finished();
    assert!(!ended, "the insert was ended before the table was held");
    // Before the insert is ended and after it: what kine may ask is not answered until its connections are gone.
    let later = searching.split_off(10);
    let before = search(searching);
    assert!(inserted.await.unwrap().is_err());
    let after = search(later);
    let before = before.join_all().await.into_iter();
    for found in before.chain(after.join_all().await) {
        assert!(found.is_err(), "{found:?}");
    }
    other.query_drop("ROLLBACK").await.unwrap();
    assert_eq!(fence.await.unwrap().unwrap(), 0);
    cannot_log_in(&server, &tenancy).await;
    let rows = "SELECT COUNT(*) FROM `cp-a`.kine";
    assert_eq!(number(&server, rows).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_logs_in_while_the_fence_begins_is_ended_and_a_stranger_is_not() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    drop(with_table(&server, &tenancy).await);
    let neighbour = super::super::tenancy("cp-b");
    store.ensure(&neighbour).await.unwrap();
    let mut theirs = client_of(&server, &neighbour).await.unwrap();
    // Connections that have not logged in.
    let mut silent = Vec::new();
    for _ in 0..3 {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await;
        silent.push(stream.unwrap());
    }
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let options = (server.port, password(&tenancy).to_owned());
        tasks.spawn(async move {
            let (port, password) = options;
            let mut open = Vec::new();
            loop {
                let options = mysql_async::OptsBuilder::default()
                    .ip_or_hostname("127.0.0.1")
                    .tcp_port(port)
                    .prefer_socket(false)
                    .user(Some("cp-a"))
                    .pass(Some(&password));
                match Conn::new(options).await {
                    Ok(client) if open.len() < 4 => open.push(client),
                    Ok(client) => drop(client),
                    Err(mysql_async::Error::Server(answer)) if answer.code == 1045 => return open,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    store.fence(&fenced(&tenancy), &attempt()).await.unwrap();
    let open: Vec<Conn> = tasks.join_all().await.into_iter().flatten().collect();
    assert!(open.len() > 8, "{}", open.len());
    for mut client in open {
        client.query_drop("SELECT 1").await.unwrap_err();
    }
    theirs.query_drop("SELECT 1").await.unwrap();
    drop(silent);
}
