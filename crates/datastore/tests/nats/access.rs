//! Who may log in, and what the operator has to be allowed.

use kamaji_datastore::{AccessControl, Connection, Error, Identity, connect};

use crate::pki::Pki;
use crate::server::{JETSTREAM, LOGIN, Server, login};
use crate::tenancy;

const TLS: &str =
    "tls { cert_file: 'PKI/server.crt', key_file: 'PKI/server.key', ca_file: 'PKI/ca.crt' }";
const VERIFIED: &str = "tls { cert_file: 'PKI/server.crt', key_file: 'PKI/server.key', ca_file: 'PKI/ca.crt', verify: true }";

async fn error_of(connection: &Connection) -> Error {
    let store = connect(connection).await.unwrap();
    let error = store.check().await.unwrap_err();
    let ensured = store.ensure(&tenancy("cp-a")).await.unwrap_err();
    assert_eq!(
        std::mem::discriminant(&ensured),
        std::mem::discriminant(&error),
        "{ensured}"
    );
    error
}

async fn assert_serves(connection: &Connection) {
    let store = connect(connection).await.unwrap();
    assert_eq!(store.check().await, Ok(AccessControl::On));
    store.ensure(&tenancy("cp-a")).await.unwrap();
    assert!(!store.remove(&tenancy("cp-a")).await.unwrap().is_empty());
}

#[track_caller]
fn assert_tls_refused(error: &Error, words: &str) {
    assert!(matches!(error, Error::TlsRefused { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_one_are_not_authorised() {
    let server = Server::start().await;
    for basic_auth in [
        Some(login("kamaji", "wrong")),
        Some(login("other", "secret")),
        None,
    ] {
        let connection = Connection {
            basic_auth,
            ..server.connection()
        };
        let error = error_of(&connection).await;
        assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_access_control_takes_a_tenant_only_if_that_is_accepted() {
    let server = Server::with(&[JETSTREAM]).await;
    for basic_auth in [Some(login("kamaji", "secret")), None] {
        let connection = Connection {
            basic_auth,
            ..server.connection()
        };
        let error = error_of(&connection).await;
        assert!(matches!(error, Error::AccessControlOff { .. }), "{error}");
        let accepted = Connection {
            without_access_control: true,
            ..connection
        };
        let store = connect(&accepted).await.unwrap();
        let access = store.check().await.unwrap();
        assert!(matches!(access, AccessControl::Off { .. }), "{access:?}");
        store.ensure(&tenancy("cp-a")).await.unwrap();
    }
}

#[tokio::test]
async fn tls_serves_with_a_password_with_a_client_certificate_and_with_both() {
    let server = Server::with(&[LOGIN, TLS, JETSTREAM]).await;
    assert_serves(&server.connection_with_tls(None)).await;
    let server = Server::with(&[LOGIN, VERIFIED, JETSTREAM]).await;
    let client = server.pki.client("kamaji");
    assert_serves(&server.connection_with_tls(Some(client))).await;
    let server = Server::with(&[VERIFIED, JETSTREAM]).await;
    let client = server.pki.client("kamaji");
    let anonymous = Connection {
        basic_auth: None,
        ..server.connection_with_tls(Some(client))
    };
    assert_serves(&anonymous).await;
}

#[tokio::test]
async fn certificates_that_one_side_refuses_are_named() {
    let server = Server::with(&[LOGIN, VERIFIED, JETSTREAM]).await;
    let client = || Some(server.pki.client("kamaji"));
    let mut connection = server.connection_with_tls(client());
    connection.tls.as_mut().unwrap().ca_pem = Pki::new().ca_pem();
    let error = error_of(&connection).await;
    assert_tls_refused(&error, "is not signed by the certificate authority");

    let foreign = Some(Pki::new().client("kamaji"));
    let error = error_of(&server.connection_with_tls(foreign)).await;
    assert_tls_refused(&error, "refused our client certificate");
    let error = error_of(&server.connection_with_tls(None)).await;
    assert_tls_refused(&error, "refused our client certificate");

    let mut connection = server.connection_with_tls(client());
    connection.endpoints = vec![format!("localhost:{}", server.port).parse().unwrap()];
    let error = error_of(&connection).await;
    assert_tls_refused(&error, "is not valid for the name localhost");
}

#[tokio::test]
async fn tls_on_one_side_alone_is_refused_before_a_password_is_sent() {
    let server = Server::with(&[LOGIN, TLS, JETSTREAM]).await;
    let error = error_of(&server.connection()).await;
    assert_tls_refused(&error, "demands TLS, and the DataStore has no tlsConfig");
    let server = Server::start().await;
    let error = error_of(&server.connection_with_tls(None)).await;
    assert_tls_refused(
        &error,
        "does not offer TLS, and the DataStore has a tlsConfig",
    );
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused_before_dialling() {
    let pki = Pki::new();
    let server = Server::start().await;
    let client = Identity {
        key_pem: pki.client("kamaji").key_pem,
        ..pki.client("kamaji")
    };
    let error = connect(&server.connection_with_tls(Some(client))).await;
    let error = error.err().unwrap();
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
async fn a_user_without_rights_to_streams_is_not_authorised_at_once() {
    let denied = r#"authorization { users: [{
        user: kamaji, password: secret, permissions: { publish: { deny: ["RIGHT"] } }
    }] }"#;
    for right in [
        "$JS.API.STREAM.CREATE.>",
        "$JS.API.STREAM.DELETE.>",
        "$JS.API.>",
    ] {
        let server = Server::with(&[&denied.replace("RIGHT", right), JETSTREAM]).await;
        let since = std::time::Instant::now();
        let store = connect(&server.connection()).await.unwrap();
        let error = store.check().await.unwrap_err();
        assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
        assert!(error.to_string().contains("$JS.API."), "{error}");
        assert!(since.elapsed().as_secs() < 2, "took {:?}", since.elapsed());
    }
}
