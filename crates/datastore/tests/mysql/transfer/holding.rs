//! Holds of a table that are not let go in order, while somebody else's transaction is open on it.

use std::time::Duration;

use kamaji_datastore::connect;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::super::server::ADMINISTRATOR;
use super::super::with_tenant;
use super::*;

/// Time within which a table that nobody holds is read.
const SOON: Duration = Duration::from_secs(4);
/// Fence that is under way.
type Fence<'a> = std::pin::Pin<Box<dyn Future<Output = Result<i64, Error>> + Send + 'a>>;

/// A transaction of a stranger that has read the tenant's table.
async fn transaction(server: &Server) -> Conn {
    let mut other = server.root().await;
    other.query_drop("START TRANSACTION").await.unwrap();
    other.query_drop("SELECT * FROM `cp-a`.kine").await.unwrap();
    other
}

/// A statement of the tenant that a fence waits for, two seconds at most.
async fn busy(server: &Server, tenancy: &Tenancy) {
    let mut client = client_of(server, tenancy).await.unwrap();
    tokio::spawn(async move { client.query_drop("SELECT SLEEP(60)").await });
    until(server, "USER = 'cp-a' AND INFO LIKE 'SELECT SLEEP%'").await;
}

/// Waits until a connection is listed for which `condition` holds.
async fn until(server: &Server, condition: &str) {
    let listed = format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE {condition}");
    for _ in 0..500 {
        if server.column(&listed).await != ["0"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no connection with {condition}");
}

/// Carries a fence on until it holds the table.
async fn until_held(server: &Server, fence: &mut Fence<'_>) {
    let holds = "INFO LIKE 'ALTER TABLE%' AND STATE = 'Waiting for table metadata lock'";
    tokio::select! {
        ended = fence => panic!("the fence ended: {ended:?}"),
        () = until(server, holds) => {}
    }
}

/// True if the table is read soon.
async fn is_read(server: &Server) -> bool {
    let mut reader = server.root().await;
    let read = reader.query_drop("SELECT * FROM `cp-a`.kine");
    timeout(SOON, read).await.is_ok_and(|read| read.is_ok())
}

/// A proxy that keeps its connections to the server open when their clients have closed them; returns its port.
async fn proxy(server: &Server) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, target) = (listener.local_addr().unwrap().port(), server.port);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
            let (mut requests, mut answers) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move {
                let _ = tokio::io::copy(&mut requests, &mut to_server).await;
                // What is dropped here would be closed.
                std::future::pending::<()>().await;
                drop(to_server);
            });
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut answers).await });
        }
    });
    port
}

#[tokio::test]
async fn a_fence_that_fails_lets_others_read_the_table_before_the_server_sees_its_connections_end()
{
    let (server, store, tenancy) = with_tenant("cp-a").await;
    drop(with_table(&server, &tenancy).await);
    let through = connect(&server.connection_through(&[proxy(&server).await])).await;
    let mut open = transaction(&server).await;
    busy(&server, &tenancy).await;
    let (read_only, id, through) = (fenced(&tenancy), attempt(), through.unwrap());
    let mut fence: Fence<'_> = Box::pin(through.fence(&read_only, &id));
    until_held(&server, &mut fence).await;
    // By number: the idle session of `store`, the session of the fence, and the connections of the hold.
    let session = format!(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{ADMINISTRATOR}' ORDER BY ID"
    );
    let numbers = server.column(&session).await;
    server
        .execute(&format!("KILL CONNECTION {}", numbers[1]))
        .await;
    fence.await.unwrap_err();
    assert!(is_read(&server).await);
    // The fence is finished by the next call, once no older transaction can write any more.
    open.query_drop("ROLLBACK").await.unwrap();
    assert_eq!(store.fence(&fenced(&tenancy), &attempt()).await, Ok(0));
}

#[tokio::test]
async fn a_fence_that_is_dropped_while_it_holds_the_table_is_lifted_and_lets_others_read_it() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    drop(with_table(&server, &tenancy).await);
    let _open = transaction(&server).await;
    busy(&server, &tenancy).await;
    let (read_only, id) = (fenced(&tenancy), attempt());
    let mut fence: Fence<'_> = Box::pin(store.fence(&read_only, &id));
    until_held(&server, &mut fence).await;
    drop(fence);
    store.lift(&tenancy, &attempt()).await.unwrap();
    assert!(is_read(&server).await);
    let mut client = client_of(&server, &tenancy).await.unwrap();
    insert(&mut client, &created(1, "/registry/x", b"1")).await;
}

#[tokio::test]
async fn a_fence_that_is_dropped_at_any_moment_leaves_nobody_who_reads_and_is_refused_to_write() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    drop(with_table(&server, &tenancy).await);
    let (read_only, id) = (fenced(&tenancy), attempt());
    for moment in 1..=25 {
        let mut client = client_of(&server, &tenancy).await.unwrap();
        let after = Duration::from_millis(3 * moment);
        let _ = timeout(after, store.fence(&read_only, &id)).await;
        let write = "DELETE FROM `cp-a`.kine WHERE id = 99";
        if client.query_drop(write).await.is_err() {
            let read = client.query_drop("SELECT 1 FROM `cp-a`.kine").await;
            assert!(read.is_err(), "dropped after {after:?}");
        }
        store.lift(&tenancy, &id).await.unwrap();
    }
}
