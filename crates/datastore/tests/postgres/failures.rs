//! Servers and credentials with which the driver cannot work: each is named, quickly.

use std::time::{Duration, Instant, SystemTime};

use kamaji_datastore::{AccessControl, Connection, Error, Tls, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::pki::Pki;
use crate::ports::free_ports;
use crate::server::{ADMIN, PASSWORD, Setup, USUAL, credentials, local};
use crate::stranger::stranger;

/// The error of a check, which has to come quickly.
async fn error_of(connection: &Connection) -> Error {
    let since = Instant::now();
    let store = connect(connection).await.unwrap();
    let error = store.check().await.unwrap_err();
    let took = since.elapsed();
    assert!(took < Duration::from_secs(5), "{error} took {took:?}");
    let words = error.to_string();
    for endpoint in &connection.endpoints {
        assert!(words.contains(&endpoint.to_string()), "{words}");
    }
    error
}

#[track_caller]
fn assert_tls_refused(error: &Error, words: &str) {
    assert!(matches!(error, Error::TlsRefused { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[track_caller]
fn assert_unsuitable(error: &Error, words: &str) {
    assert!(matches!(error, Error::Unsuitable { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

fn without_tls(connection: Connection) -> Connection {
    Connection {
        tls: None,
        ..connection
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_named() {
    let server = Server::start().await;
    for (user, password) in [(ADMIN, "wrong"), ("nobody", PASSWORD)] {
        let error = error_of(&server.connection_as(user, password)).await;
        assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
        let words = error.to_string();
        assert!(words.contains("password authentication failed"), "{words}");
        assert!(words.contains("spec.basicAuth"), "{words}");
    }
}

#[tokio::test]
async fn credentials_that_are_missing_are_named_before_dialling() {
    let connection = Connection {
        driver: Driver::PostgreSql,
        endpoints: vec!["192.0.2.1:5432".parse().unwrap()],
        tls: None,
        basic_auth: None,
        without_access_control: false,
    };
    let error = connect(&connection).await.err().unwrap();
    assert!(matches!(error, Error::InvalidMaterial { .. }), "{error}");
}

#[tokio::test]
async fn a_wrong_authority_and_a_wrong_name_are_named() {
    let server = Server::start().await;
    let stranger = Connection {
        tls: Some(Tls {
            ca_pem: Pki::new().ca_pem(),
            client: None,
        }),
        ..server.connection()
    };
    let error = error_of(&stranger).await;
    assert_tls_refused(&error, "is not signed by the certificate authority");
    let other_name = Connection {
        endpoints: vec![format!("localhost:{}", server.port).parse().unwrap()],
        ..server.connection()
    };
    let error = error_of(&other_name).await;
    assert_tls_refused(&error, "is not valid for the name localhost");
}

#[tokio::test]
async fn a_client_certificate_of_another_authority_is_named() {
    let server = Server::start().await;
    let connection = Connection {
        tls: Some(Tls {
            ca_pem: server.pki.ca_pem(),
            client: Some(Pki::new().client(ADMIN)),
        }),
        ..server.connection()
    };
    let error = error_of(&connection).await;
    assert_tls_refused(&error, "refused our client certificate");
}

#[tokio::test]
async fn a_server_without_tls_is_named() {
    let plain = Setup {
        settings: &["ssl=off"],
        ..USUAL
    };
    let server = Server::start_with(plain).await;
    let error = error_of(&server.connection()).await;
    assert_tls_refused(&error, "does not offer TLS");
    let store = connect(&without_tls(server.connection())).await.unwrap();
    assert_eq!(store.check().await, Ok(AccessControl::On));
}

#[tokio::test]
async fn a_server_that_does_not_speak_postgresql_is_named() {
    let server = Server::start().await;
    for words in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(),
        b"\x4a\0\0\0\x0a8.0.36\0".as_slice(),
    ] {
        let (port, _tasks) = stranger(words).await;
        let connection = server.connection_through(&[port]);
        for connection in [connection.clone(), without_tls(connection)] {
            let error = error_of(&connection).await;
            assert_unsuitable(&error, "does not speak PostgreSQL");
        }
    }
}

/// A port at which a PostgreSQL 12 lets everybody in and answers the first query.
async fn old_server() -> (u16, JoinSet<()>) {
    const LET_IN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    const ANSWER: &[u8] = b"T\0\0\0\x42\0\x03\
        a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0\
        b\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0\
        c\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0\
        D\0\0\0\x1c\0\x03\0\0\0\x06120005\0\0\0\x01f\0\0\0\x03off\
        C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(LET_IN).await;
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(ANSWER).await;
            let _ = stream.read(&mut request).await;
        }
    });
    (port, tasks)
}

#[tokio::test]
async fn a_version_that_is_too_old_is_named() {
    let (port, _tasks) = old_server().await;
    let connection = Connection {
        driver: Driver::PostgreSql,
        endpoints: vec![local(port)],
        tls: None,
        basic_auth: Some(credentials(ADMIN, PASSWORD)),
        without_access_control: false,
    };
    let error = error_of(&connection).await;
    assert_unsuitable(
        &error,
        "it is PostgreSQL 12, which is too old; use PostgreSQL 13",
    );
}

#[tokio::test]
async fn a_dead_endpoint_is_unreachable_at_once_and_a_silent_one_after_seconds() {
    let server = Server::start().await;
    let dead: [u16; 2] = free_ports();
    let error = error_of(&server.connection_through(&dead)).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");

    let (silent, _tasks) = stranger(b"").await;
    let since = Instant::now();
    let alone = connect(&server.connection_through(&[silent]))
        .await
        .unwrap();
    let error = alone.check().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let took = since.elapsed();
    assert!(took < Duration::from_secs(5), "{error} took {took:?}");
}

#[tokio::test]
async fn a_standby_is_named_and_passed_over_for_a_primary() {
    let standby = Server::start_with(Setup {
        standby: true,
        ..USUAL
    })
    .await;
    let alone = without_tls(standby.connection());
    assert_unsuitable(&error_of(&alone).await, "it is a standby, not the primary");

    let primary = Server::start().await;
    for ports in [[standby.port, primary.port], [primary.port, standby.port]] {
        let both = without_tls(primary.connection_through(&ports));
        let store = connect(&both).await.unwrap();
        assert_eq!(store.check().await, Ok(AccessControl::On));
        let tenancy = tenancy(&format!("cp-{}", ports[0]));
        let change = store.ensure(&tenancy).await.unwrap();
        assert_eq!(change.steps, created(&tenancy));
    }
}

#[tokio::test]
async fn a_read_only_server_is_named() {
    let server = Server::start_with(Setup {
        settings: &["default_transaction_read_only=on"],
        ..USUAL
    })
    .await;
    assert_unsuitable(&error_of(&server.connection()).await, "it is read-only");
    let error = server.store().await.ensure(&tenancy("cp-a")).await;
    assert_unsuitable(&error.unwrap_err(), "it is read-only");
}

#[tokio::test]
async fn a_full_disk_is_named_and_the_call_goes_on_once_there_is_space() {
    let (server, store, _) = with_tenant("cp-a").await;
    let full = "CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON public.owners
            EXECUTE FUNCTION public.full_disk()";
    server.sql("kamaji_clastix_io", full).await;
    let late = tenancy("cp-b");
    let error = store.ensure(&late).await.unwrap_err();
    assert_unsuitable(&error, "could not extend file; free space");
    assert!(!databases(&server).await.contains(&"cp-b".to_owned()));

    let space = "DROP TRIGGER full_disk ON public.owners";
    server.sql("kamaji_clastix_io", space).await;
    assert_eq!(store.ensure(&late).await.unwrap().steps, created(&late));
}

#[tokio::test]
async fn a_disk_without_space_is_named_and_the_call_goes_on_once_there_is_some() {
    let server = Server::start_with(Setup {
        disk: Some("64m"),
        ..USUAL
    })
    .await;
    let disk = server.disk.as_ref().unwrap();
    let (store, late) = (server.store().await, tenancy("cp-b"));
    store.ensure(&tenancy("cp-a")).await.unwrap();
    disk.fill();
    let error = store.ensure(&late).await.unwrap_err();
    assert_unsuitable(&error, "No space left on device; free space on the server");

    disk.free();
    assert!(!databases(&server).await.contains(&"cp-b".to_owned()));
    assert!(!store.ensure(&late).await.unwrap().is_empty());
    assert!(store.ensure(&late).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_client_certificate_that_ends_while_the_operator_runs_is_named() {
    let server = Server::start().await;
    let end = SystemTime::now() + Duration::from_secs(2);
    let connection = Connection {
        tls: Some(Tls {
            ca_pem: server.pki.ca_pem(),
            client: Some(server.pki.client_until(ADMIN, Some(end))),
        }),
        ..server.connection()
    };
    let store = connect(&connection).await.unwrap();
    assert_eq!(store.check().await, Ok(AccessControl::On));
    tokio::time::sleep(Duration::from_secs(3)).await;
    // A new connection, as after a minute without work.
    let error = store.ensure(&tenancy("cp-a")).await.unwrap_err();
    assert_tls_refused(&error, "refused our client certificate");
    assert_tls_refused(&error, "CertificateExpired");
    assert_tls_refused(&error, "check the certificate authority");
    let error = connect(&connection).await.err().unwrap();
    assert!(matches!(error, Error::InvalidMaterial { .. }), "{error}");
    let words = error.to_string();
    assert!(words.contains("client certificate expired on"), "{words}");
}

#[tokio::test]
async fn a_server_that_checks_no_passwords_takes_no_tenant_unless_that_is_accepted() {
    let server = Server::start_with(Setup {
        rules: "host all all all trust\n",
        ..USUAL
    })
    .await;
    let error = error_of(&server.connection()).await;
    assert!(matches!(error, Error::AccessControlOff { .. }), "{error}");
    let before = (databases(&server).await, roles(&server).await);
    let error = server.store().await.ensure(&tenancy("cp-a")).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::AccessControlOff { .. }), "{error}");
    assert_eq!((databases(&server).await, roles(&server).await), before);

    let accepted = Connection {
        without_access_control: true,
        ..server.connection()
    };
    let store = connect(&accepted).await.unwrap();
    let found = store.check().await.unwrap();
    assert!(matches!(found, AccessControl::Off { .. }), "{found:?}");
    store.ensure(&tenancy("cp-a")).await.unwrap();
}

#[tokio::test]
async fn what_the_operators_role_lacks_is_named() {
    let server = Server::start().await;
    for (options, lack) in [
        ("CREATEDB", "lacks CREATEROLE"),
        ("CREATEROLE", "lacks CREATEDB"),
        ("CREATEROLE CREATEDB NOINHERIT", "has NOINHERIT"),
    ] {
        let role = format!("CREATE ROLE manager LOGIN PASSWORD 'x' {options}");
        server.sql("postgres", &role).await;
        let error = error_of(&server.connection_as("manager", "x")).await;
        assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
        assert!(error.to_string().contains(lack), "{error}");
        server.sql("postgres", "DROP ROLE manager").await;
    }
}
