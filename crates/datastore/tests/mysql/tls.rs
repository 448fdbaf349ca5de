use std::time::{Duration, SystemTime};

use kamaji_datastore::{Connection, Error, Identity, Tls, connect};

use super::*;
use crate::pki::Pki;

/// Connection data with this client certificate.
fn with_client(server: &Server, client: Option<Identity>) -> Connection {
    Connection {
        tls: Some(Tls {
            ca_pem: server.pki.ca_pem(),
            client,
        }),
        ..server.connection()
    }
}

async fn outcome(connection: &Connection) -> Result<(), Error> {
    connect(connection).await?.check().await.map(drop)
}

#[tokio::test]
async fn a_client_certificate_is_presented_where_the_server_asks_for_one() {
    let server = Server::start().await;
    server.execute("ALTER USER kamaji@'%' REQUIRE X509").await;
    let own = Some(server.pki.client("kamaji"));
    outcome(&with_client(&server, own)).await.unwrap();
    let error = outcome(&with_client(&server, None)).await.unwrap_err();
    assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
    let foreign = Some(Pki::new().client("kamaji"));
    let error = outcome(&with_client(&server, foreign)).await.unwrap_err();
    assert!(matches!(error, Error::TlsRefused { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_is_encrypted_exactly_where_the_data_store_has_tls() {
    let server = Server::start().await;
    let plain = Connection {
        tls: None,
        ..server.connection()
    };
    outcome(&plain).await.unwrap();
    server.execute("ALTER USER kamaji@'%' REQUIRE SSL").await;
    outcome(&server.connection()).await.unwrap();
    let error = outcome(&plain).await.unwrap_err();
    assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_the_data_store_has_tls() {
    let server = Server::start_with(&["--skip-ssl"]).await;
    let error = outcome(&server.connection()).await.unwrap_err();
    assert!(matches!(error, Error::TlsRefused { .. }), "{error}");
    assert!(error.to_string().contains("does not offer TLS"), "{error}");
}

#[tokio::test]
async fn an_authority_or_a_name_that_is_not_the_servers_is_named() {
    let server = Server::start().await;
    let ca_pem = Pki::new().ca_pem();
    let foreign = Connection {
        tls: Some(Tls {
            ca_pem,
            client: None,
        }),
        ..server.connection()
    };
    let error = outcome(&foreign).await.unwrap_err();
    assert!(matches!(error, Error::TlsRefused { .. }), "{error}");
    let words = "is not signed by the certificate authority";
    assert!(error.to_string().contains(words), "{error}");
    let endpoints = vec![format!("localhost:{}", server.port).parse().unwrap()];
    let other_name = Connection {
        endpoints,
        ..server.connection()
    };
    let error = outcome(&other_name).await.unwrap_err();
    assert!(matches!(error, Error::TlsRefused { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("is not valid for the name localhost"),
        "{error}"
    );
}

#[tokio::test]
async fn two_data_stores_with_authorities_of_their_own_do_not_disturb_each_other() {
    let (one, other) = (Server::start().await, Server::start().await);
    let stores = [one.store().await, other.store().await];
    for _ in 0..3 {
        for store in &stores {
            store.check().await.unwrap();
        }
    }
    let crossed = Connection {
        tls: one.connection().tls,
        ..other.connection()
    };
    outcome(&crossed).await.unwrap_err();
}

#[tokio::test]
async fn a_client_certificate_that_ends_while_the_operator_runs_is_named() {
    let server = Server::start().await;
    server.execute("ALTER USER kamaji@'%' REQUIRE X509").await;
    let end = SystemTime::now() + Duration::from_secs(3);
    let connection = with_client(&server, Some(server.pki.client_until("kamaji", Some(end))));
    let store = connect(&connection).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let error = store.check().await.unwrap_err();
    assert!(matches!(error, Error::TlsRefused { .. }), "{error}");
    for words in ["CertificateExpired", "check the certificate authority"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = connect(&connection).await.err().unwrap();
    assert!(matches!(error, Error::InvalidMaterial { .. }), "{error}");
    let words = error.to_string();
    assert!(words.contains("client certificate expired on"), "{words}");
}
