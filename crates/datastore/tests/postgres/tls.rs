//! TLS with and without client certificates.

use kamaji_datastore::{AccessControl, Connection, Error, Tls, connect};

use super::*;
use crate::pki::Pki;
use crate::server::{ADMIN, Setup, USUAL};

fn with_tls(server: &Server, ca_pem: Vec<u8>, client: bool) -> Connection {
    let client = client.then(|| server.pki.client(ADMIN));
    Connection {
        tls: Some(Tls { ca_pem, client }),
        ..server.connection()
    }
}

#[tokio::test]
async fn a_server_that_demands_tls_is_served_with_it_and_refuses_without() {
    let server = Server::start_with(Setup {
        rules: "hostssl all all all scram-sha-256\n",
        ..USUAL
    })
    .await;
    let bundle = [Pki::new().ca_pem(), server.pki.ca_pem()].concat();
    for ca_pem in [server.pki.ca_pem(), bundle] {
        let store = connect(&with_tls(&server, ca_pem, false)).await.unwrap();
        assert_eq!(store.check().await, Ok(AccessControl::On));
        let tenancy = tenancy("cp-a");
        assert!(!store.ensure(&tenancy).await.unwrap().is_empty());
        assert!(!store.remove(&tenancy).await.unwrap().is_empty());
    }
    let plain = Connection {
        tls: None,
        ..server.connection()
    };
    let error = connect(&plain).await.unwrap().check().await.unwrap_err();
    assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
    assert!(error.to_string().contains("no encryption"), "{error}");
}

#[tokio::test]
async fn a_server_that_demands_client_certificates_is_served_with_one() {
    let server = Server::start_with(Setup {
        rules: "hostssl all all all scram-sha-256 clientcert=verify-ca\n",
        ..USUAL
    })
    .await;
    let ca_pem = server.pki.ca_pem();
    let store = connect(&with_tls(&server, ca_pem.clone(), true))
        .await
        .unwrap();
    assert_eq!(store.check().await, Ok(AccessControl::On));
    let tenancy = tenancy("cp-a");
    assert_eq!(
        store.ensure(&tenancy).await.unwrap().steps,
        created(&tenancy)
    );
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());

    let without = connect(&with_tls(&server, ca_pem, false)).await.unwrap();
    let error = without.check().await.unwrap_err();
    assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
    assert!(error.to_string().contains("client certificate"), "{error}");
}

#[tokio::test]
async fn tenants_that_the_server_admits_from_elsewhere_alone_are_ensured_without_a_write_each_time()
{
    let server = Server::start().await;
    // The operator's address logs in as the administrator only.
    let rules = "host all postgres,kamaji-asks-whether-auth-is-on all scram-sha-256\n";
    server.set_rules(rules).await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    assert_eq!(
        store.ensure(&tenancy).await.unwrap().steps,
        created(&tenancy)
    );
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    // A process that does not know the password sets it once.
    let later = server.store().await;
    let change = later.ensure(&tenancy).await.unwrap();
    assert_eq!(change.steps.len(), 1, "{change}");
    assert!(later.ensure(&tenancy).await.unwrap().is_empty());
}
