use std::time::{Duration, Instant, SystemTime};

use etcd_client::{AlarmAction, AlarmOptions, AlarmType, Client, CompactionOptions, DeleteOptions};
use kamaji_datastore::{Connection, Driver, Error, Identity, Tls, connect};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::pki::Pki;
use crate::ports::free_ports;
use crate::relay::{pass_on, relay};

/// The error of a check, which has to come quickly.
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

#[track_caller]
fn assert_refused(error: &Error, words: &str) {
    assert!(matches!(error, Error::TlsRefused { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn a_wrong_authority_is_named() {
    let server = Server::start().await;
    let tls = Tls {
        ca_pem: Pki::new().ca_pem(),
        ..server.connection().tls.unwrap()
    };
    let connection = Connection {
        tls: Some(tls),
        ..server.connection()
    };
    let error = error_of(&connection).await;
    assert_refused(&error, "is not signed by the certificate authority");
}

#[tokio::test]
async fn a_client_certificate_of_another_authority_is_named() {
    let server = Server::start().await;
    let error = error_of(&server.connection_as(Pki::new().client("root"))).await;
    assert_refused(&error, "refused our client certificate");
}

#[tokio::test]
async fn a_server_of_another_name_is_named() {
    let server = Server::start().await;
    let endpoints = vec![format!("localhost:{}", server.port).parse().unwrap()];
    let error = error_of(&Connection {
        endpoints,
        ..server.connection()
    })
    .await;
    assert_refused(&error, "is not valid for the name localhost");
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused_before_dialling() {
    let pki = Pki::new();
    let client = Identity {
        key_pem: pki.client("root").key_pem,
        ..pki.client("root")
    };
    let connection = Connection {
        driver: Driver::Etcd,
        endpoints: vec!["192.0.2.1:2379".parse().unwrap()],
        tls: Some(Tls {
            ca_pem: pki.ca_pem(),
            client: Some(client),
        }),
        basic_auth: None,
        without_access_control: false,
    };
    let error = connect(&connection).await.err().unwrap();
    assert!(
        matches!(
            error,
            Error::InvalidMaterial {
                what: "client key",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn certificates_without_administrators_rights_are_not_authorised() {
    let (server, _, tenancy) = with_tenant("cp-a").await;
    for name in [tenancy.user.as_str(), "stranger"] {
        let connection = server.connection_as(server.pki.client(name));
        let error = error_of(&connection).await;
        assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
        let store = connect(&connection).await.unwrap();
        let error = store.remove(&super::tenancy("cp-b")).await.unwrap_err();
        assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_store_without_access_control_takes_no_tenant() {
    let server = Server::start_open().await;
    let error = error_of(&server.connection()).await;
    assert!(matches!(error, Error::AccessControlOff { .. }), "{error}");
    let error = server
        .store()
        .await
        .ensure(&tenancy("cp-a"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::AccessControlOff { .. }), "{error}");
    assert!(roles(&mut server.client("root").await).await.is_empty());
}

#[tokio::test]
async fn a_dead_endpoint_is_unreachable_at_once() {
    let server = Server::start().await;
    let dead: [u16; 2] = free_ports();
    let error = error_of(&server.connection_through(&dead)).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls_is_named() {
    let server = Server::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = error_of(&server.connection_through(&[port])).await;
    assert_refused(&error, "does not speak TLS");
}

#[tokio::test]
async fn a_silent_endpoint_costs_a_call_seconds_and_no_more() {
    let (server, _, tenancy) = with_tenant("cp-a").await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let since = Instant::now();
    let alone = connect(&server.connection_through(&[port])).await.unwrap();
    let error = alone.check().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(
        since.elapsed() < Duration::from_secs(6),
        "{error} took {:?}",
        since.elapsed()
    );

    let both = connect(&server.connection_through(&[port, server.port]))
        .await
        .unwrap();
    both.check().await.unwrap();
    let since = Instant::now();
    assert!(both.ensure(&tenancy).await.unwrap().is_empty());
    assert!(
        since.elapsed() < Duration::from_secs(3),
        "the one that answers is asked first"
    );
}

#[tokio::test]
async fn a_call_succeeds_if_one_endpoint_of_three_can_serve_it() {
    let server = Server::start().await;
    let [one, other] = free_ports();
    for ports in [
        [one, server.port, other],
        [server.port, one, other],
        [one, other, server.port],
    ] {
        let store = connect(&server.connection_through(&ports)).await.unwrap();
        let tenancy = tenancy("cp-a");
        store.check().await.unwrap();
        assert_eq!(
            store.ensure(&tenancy).await.unwrap().steps,
            created(&tenancy)
        );
        assert_eq!(store.remove(&tenancy).await.unwrap().steps.len(), 3);
    }
}

#[tokio::test]
async fn an_endpoint_that_dies_between_two_calls_is_replaced_by_another() {
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
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "took {:?}",
        since.elapsed()
    );
}

#[tokio::test]
async fn a_store_that_comes_back_is_served_again() {
    let server = Server::start().await;
    let (port, tasks) = relay(server.port).await;
    let store = connect(&server.connection_through(&[port])).await.unwrap();
    store.check().await.unwrap();
    drop(tasks);
    let error = store.check().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let listener = loop {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let _tasks = pass_on(listener, server.port);
    store.check().await.unwrap();
}

/// Writes keys of nobody until the server is full.
async fn fill(server: &Server) -> Client {
    let mut client = server.client("root").await;
    let value = vec![0; 64 << 10];
    for n in 0..1000 {
        if client
            .put(format!("/filler/{n}"), value.clone(), None)
            .await
            .is_err()
        {
            return client;
        }
    }
    panic!("it takes every write");
}

/// Ends every alarm of space, as `etcdctl alarm disarm` does.
async fn disarm(client: &mut Client) {
    let get = (AlarmAction::Get, AlarmType::None);
    let raised = client.alarm(get.0, get.1, None).await.unwrap();
    for alarm in raised.alarms() {
        let mut of = AlarmOptions::new();
        of.with_member(alarm.member_id());
        let end = client.alarm(AlarmAction::Deactivate, AlarmType::Nospace, Some(of));
        end.await.unwrap();
    }
}

#[tokio::test]
async fn a_full_etcd_is_named_and_the_call_goes_on_once_there_is_space() {
    let server = Server::start_with(&["--quota-backend-bytes=1048576"]).await;
    let store = server.store().await;
    let (early, late) = (tenancy("cp-a"), tenancy("cp-b"));
    store.ensure(&early).await.unwrap();
    let mut client = fill(&server).await;
    let error = error_of(&server.connection()).await;
    let next = "raise its --quota-backend-bytes, and then run `etcdctl alarm disarm`";
    for (error, cause) in [
        (error, "it is full and takes no writes (alarm NOSPACE)"),
        (
            store.ensure(&late).await.unwrap_err(),
            "database space exceeded",
        ),
    ] {
        assert!(matches!(error, Error::Unsuitable { .. }), "{error}");
        let words = error.to_string();
        assert!(words.contains(cause) && words.contains(next), "{words}");
    }
    assert!(!roles(&mut client).await.contains(&"cp-b".to_owned()));
    // What frees space goes on.
    assert_eq!(store.remove(&early).await.unwrap().steps.len(), 3);

    let all = DeleteOptions::new().with_prefix();
    let answer = client.delete("/filler/", Some(all)).await.unwrap();
    let revision = answer.header().unwrap().revision();
    let physical = CompactionOptions::new().with_physical();
    client.compact(revision, Some(physical)).await.unwrap();
    client.defragment().await.unwrap();
    disarm(&mut client).await;
    store.check().await.unwrap();
    assert_eq!(store.ensure(&late).await.unwrap().steps, created(&late));
}

#[tokio::test]
async fn a_client_certificate_that_ends_while_the_operator_runs_is_named() {
    let server = Server::start().await;
    let (port, tasks) = relay(server.port).await;
    let end = SystemTime::now() + Duration::from_secs(2);
    let identity = server.pki.client_until("root", Some(end));
    let connection = Connection {
        endpoints: server.connection_through(&[port]).endpoints,
        ..server.connection_as(identity)
    };
    let store = connect(&connection).await.unwrap();
    store.check().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    // A connection that is lost, and has to be made again.
    drop(tasks);
    let listener = loop {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let _tasks = pass_on(listener, server.port);
    let error = store.check().await.unwrap_err();
    assert_refused(&error, "refused our client certificate");
    assert_refused(
        &error,
        "check the certificate authority and the client certificate",
    );
    let error = connect(&connection).await.err().unwrap();
    assert!(matches!(error, Error::InvalidMaterial { .. }), "{error}");
    let words = error.to_string();
    assert!(words.contains("client certificate expired on"), "{words}");
}

#[tokio::test]
async fn a_learner_is_named_and_passed_over_for_a_voter() {
    let voter = Server::start().await;
    let learner = voter.learner().await;
    let error = error_of(&voter.connection_through(&[learner.port])).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("learner"), "{error}");
    let both = voter.connection_through(&[learner.port, voter.port]);
    let store = connect(&both).await.unwrap();
    store.check().await.unwrap();
    let tenancy = tenancy("cp-a");
    assert_eq!(
        store.ensure(&tenancy).await.unwrap().steps,
        created(&tenancy)
    );
}
