use std::time::{Duration, Instant};

use kamaji_datastore::{Connection, Error, connect};

use super::*;
use crate::disk::Disk;
use crate::ports::free_ports;
use crate::relay::relay;
use crate::stranger::stranger;

/// The error of a check, which has to come in time and to name every endpoint.
async fn error_of(connection: &Connection) -> Error {
    let since = Instant::now();
    let store = connect(connection).await.unwrap();
    let error = store.check().await.unwrap_err();
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "{error} took {:?}",
        since.elapsed()
    );
    let words = error.to_string();
    for endpoint in &connection.endpoints {
        assert!(words.contains(&endpoint.to_string()), "{words}");
    }
    error
}

#[tokio::test]
async fn a_wrong_password_and_a_user_without_privileges_are_not_authorised() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let error = error_of(&server.connection_as("kamaji", "wrong")).await;
    assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
    assert!(error.to_string().contains("spec.basicAuth"), "{error}");
    let error = error_of(&server.connection_as("cp-a", password(&tenancy))).await;
    assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
    server
        .execute("REVOKE CREATE USER ON *.* FROM kamaji@'%'")
        .await;
    server
        .execute("REVOKE GRANT OPTION ON *.* FROM kamaji@'%'")
        .await;
    drop(store);
    let error = error_of(&server.connection()).await;
    let words = error.to_string();
    assert!(
        words.contains("lacks CREATE USER, SELECT with grant option"),
        "{words}"
    );
}

#[tokio::test]
async fn a_read_only_server_is_passed_over_for_one_that_takes_writes() {
    let (replica, primary) = (Server::start().await, Server::start().await);
    replica.execute("SET GLOBAL read_only = ON").await;
    let error = error_of(&replica.connection()).await;
    assert!(matches!(error, Error::Unsuitable { .. }), "{error}");
    assert!(error.to_string().contains("read_only is on"), "{error}");

    // Both take a password without TLS, so that one connection's data serves for both.
    let both = Connection {
        tls: None,
        ..primary.connection_through(&[replica.port, primary.port])
    };
    let (store, tenancy) = (connect(&both).await.unwrap(), tenancy("cp-a"));
    assert_eq!(store.ensure(&tenancy).await.unwrap().steps, created("cp-a"));
    primary.execute("SET GLOBAL read_only = ON").await;
    replica.execute("SET GLOBAL read_only = OFF").await;
    assert_eq!(store.ensure(&tenancy).await.unwrap().steps, created("cp-a"));
}

#[tokio::test]
async fn a_server_that_is_too_old_or_has_no_grant_tables_takes_no_tenant() {
    let old = Server::start_with(&["--version=5.7.44-log"]).await;
    let error = error_of(&old.connection()).await;
    assert!(matches!(error, Error::Unsuitable { .. }), "{error}");
    assert!(error.to_string().contains("5.7.44"), "{error}");
    drop(old);
    let open = Server::start_with(&["--skip-grant-tables"]).await;
    let error = error_of(&open.connection()).await;
    assert!(matches!(error, Error::AccessControlOff { .. }), "{error}");
}

#[tokio::test]
async fn privileges_of_everybody_are_access_control_that_is_off() {
    let server = Server::start().await;
    server.execute("CREATE USER ''@'10.0.0.1'").await;
    server.execute("GRANT SELECT ON *.* TO ''@'10.0.0.1'").await;
    let error = error_of(&server.connection()).await;
    assert!(matches!(error, Error::AccessControlOff { .. }), "{error}");
}

#[tokio::test]
async fn a_dead_endpoint_is_unreachable_at_once_and_one_that_lives_serves() {
    let server = Server::start().await;
    let [dead] = free_ports();
    let error = error_of(&server.connection_through(&[dead])).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    for ports in [[dead, server.port], [server.port, dead]] {
        let store = connect(&server.connection_through(&ports)).await.unwrap();
        store.check().await.unwrap();
    }
    let none = server.connection_through(&[]);
    let error = connect(&none).await.err().unwrap();
    assert!(matches!(error, Error::InvalidMaterial { .. }), "{error}");
}

#[tokio::test]
async fn what_does_not_speak_mysql_is_told_within_seconds() {
    let server = Server::start().await;
    let banners: [&[u8]; 3] = [
        b"",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ];
    for banner in banners {
        let (port, _tasks) = stranger(banner).await;
        let error = error_of(&server.connection_through(&[port])).await;
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    }
    let (port, _tasks) = stranger(b"").await;
    let error = error_of(&server.connection_through(&[port])).await;
    assert!(
        error.to_string().contains("does not answer as MySQL does"),
        "{error}"
    );
}

#[tokio::test]
async fn lost_connections_are_opened_again_where_an_endpoint_serves() {
    let server = Server::start().await;
    let (port, tasks) = relay(server.port).await;
    let store = connect(&server.connection_through(&[port, server.port]))
        .await
        .unwrap();
    let tenancy = tenancy("cp-a");
    store.ensure(&tenancy).await.unwrap();
    drop(tasks);
    let since = Instant::now();
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    let all =
        "SELECT CONCAT('KILL ', ID) FROM information_schema.PROCESSLIST WHERE USER = 'kamaji'";
    for kill in server.column(all).await {
        server.execute(&kill).await;
    }
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "took {:?}",
        since.elapsed()
    );
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_costs_a_call_seconds_and_no_more() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    server.execute("CREATE DATABASE holder").await;
    let mut root = server.root().await;
    mysql_async::prelude::Queryable::query_drop(&mut root, "FLUSH TABLES WITH READ LOCK")
        .await
        .unwrap();
    let since = Instant::now();
    let error = store.ensure(&super::tenancy("cp-b")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(
        since.elapsed() < Duration::from_secs(8),
        "took {:?}",
        since.elapsed()
    );
    drop(root);
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    tokio::time::sleep(Duration::from_millis(200)).await;
    store.ensure(&super::tenancy("cp-b")).await.unwrap();
}

#[tokio::test]
async fn an_ipv6_endpoint_is_dialled() {
    let server = Server::start_with(&["--bind-address=*"]).await;
    let endpoints = vec![format!("[::1]:{}", server.port).parse().unwrap()];
    let plain = Connection {
        endpoints,
        tls: None,
        ..server.connection()
    };
    connect(&plain).await.unwrap().check().await.unwrap();
}

#[tokio::test]
async fn a_disk_without_space_is_named_and_the_call_goes_on_once_there_is_some() {
    let server = Server::start().await;
    let create = "CREATE DATABASE kamaji_clastix_io CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
    server.execute(create).await;
    let folder = server.folder("kamaji_clastix_io");
    let options = std::fs::read(folder.join("db.opt")).unwrap();
    let disk = Disk::mount(&folder, "1m");
    std::fs::write(folder.join("db.opt"), options).unwrap();
    disk.fill();
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    let error = store.ensure(&tenancy).await.unwrap_err();
    assert!(matches!(error, Error::Unsuitable { .. }), "{error}");
    for words in ["No space left on device", "free space on the server's disk"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    disk.free();
    assert!(!store.ensure(&tenancy).await.unwrap().is_empty());
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
}
