//! Servers that cannot serve, each with an error that says so.

use std::time::{Duration, Instant};

use kamaji_datastore::{Connection, Error, connect};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::server::{JETSTREAM, LOGIN, Server, login};
use crate::tenancy;

async fn error_of(connection: &Connection) -> Error {
    let since = Instant::now();
    let store = connect(connection).await.unwrap();
    let error = store.check().await.unwrap_err();
    let took = since.elapsed();
    assert!(took < Duration::from_secs(2), "{error} took {took:?}");
    let words = error.to_string();
    for endpoint in &connection.endpoints {
        assert!(words.contains(&endpoint.to_string()), "{words}");
    }
    error
}

#[track_caller]
fn assert_unsuitable(error: &Error, words: &str) {
    assert!(matches!(error, Error::Unsuitable { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

/// A port that sends `greeting` to whoever connects, and then nothing.
async fn greets_with(greeting: &'static [u8]) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut streams = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(greeting).await;
            streams.push(stream);
        }
    });
    (port, tasks)
}

#[tokio::test]
async fn a_server_without_jetstream_is_unsuitable() {
    let server = Server::with(&[LOGIN]).await;
    let error = error_of(&server.connection()).await;
    assert_unsuitable(&error, "enable JetStream");
    let store = server.store().await;
    let error = store.ensure(&tenancy("cp-a")).await.unwrap_err();
    assert_unsuitable(&error, "enable JetStream");
}

#[tokio::test]
async fn an_account_without_jetstream_is_unsuitable() {
    let accounts = "accounts {
        A { jetstream: enabled, users: [{user: a, password: secret}] }
        B { users: [{user: b, password: secret}] }
    }";
    let server = Server::with(&[accounts, JETSTREAM]).await;
    let connection = |user| Connection {
        basic_auth: Some(login(user, "secret")),
        ..server.connection()
    };
    assert_unsuitable(&error_of(&connection("b")).await, "enable JetStream");
    let store = connect(&connection("a")).await.unwrap();
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_full_storage_and_a_limit_of_streams_are_named() {
    let limits = [
        "jetstream: { max_streams: 1 }",
        "jetstream: { max_file: 100 }",
        "jetstream: { max_bytes_required: true }",
    ];
    for limit in limits {
        let accounts =
            format!("accounts {{ A {{ {limit}, users: [{{user: kamaji, password: secret}}] }} }}");
        let server = Server::with(&[&accounts, JETSTREAM]).await;
        let store = server.store().await;
        let error = store.ensure(&tenancy("cp-a")).await.unwrap_err();
        assert_unsuitable(&error, "raise the limits of JetStream");
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_nats_is_shown_by_its_greeting() {
    for greeting in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(),
        b"J\0\0\0\x0a11.8.6-MariaDB\0",
        b"INFO nothing\r\n",
    ] {
        let (port, _tasks) = greets_with(greeting).await;
        let server = Server::start().await;
        let error = error_of(&server.connection_through(&[port])).await;
        assert_unsuitable(&error, "is no NATS server");
        assert_unsuitable(&error, "check the endpoints and the driver");
    }
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_with_its_version() {
    let greeting = br#"INFO {"version":"2.9.25","auth_required":true,"max_payload":1048576}
"#;
    let (port, _tasks) = greets_with(greeting).await;
    let server = Server::start().await;
    let error = error_of(&server.connection_through(&[port])).await;
    assert_unsuitable(&error, "its version is \"2.9.25\", below 2.10.0");
    assert_unsuitable(&error, "upgrade nats-server");
}

#[tokio::test]
async fn a_dead_endpoint_is_unreachable_at_once() {
    let mut server = Server::start().await;
    server.stop();
    let error = error_of(&server.connection()).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_silent_endpoint_costs_seconds_and_no_more() {
    let (port, _tasks) = greets_with(b"").await;
    let server = Server::start().await;
    let since = Instant::now();
    let alone = connect(&server.connection_through(&[port])).await.unwrap();
    let error = alone.check().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "{:?}",
        since.elapsed()
    );

    let both = server.connection_through(&[port, server.port]);
    let both = connect(&both).await.unwrap();
    both.check().await.unwrap();
    let since = Instant::now();
    both.ensure(&tenancy("cp-a")).await.unwrap();
    assert!(
        since.elapsed() < Duration::from_secs(3),
        "the one that answers is kept"
    );
}
