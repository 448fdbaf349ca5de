use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::*;
use crate::{
    pki::{authority, key::KeyAlgorithm, leaves},
    rng::Seed,
};

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// The Secret `etcd` with an authority and a client certificate of it.
fn secrets() -> Secrets {
    let mut entropy = Seed::from_text("store").for_purpose("all");
    let ca = authority::issue("etcd-ca", KeyAlgorithm::EcdsaP256, now(), &mut entropy);
    let request = leaves::user("root", None, KeyAlgorithm::EcdsaP256);
    let client = ca.sign(&request, now(), &mut entropy);
    let data = [
        ("ca.crt", ca.certificate_pem().to_vec()),
        ("ca.key", ca.key_pem().to_vec()),
        ("tls.crt", client.certificate_pem.into_bytes()),
        ("tls.key", client.key_pem.into_bytes()),
    ];
    let secret = Secret {
        data: Some(
            data.map(|(key, bytes)| (key.to_owned(), ByteString(bytes)))
                .into(),
        ),
        ..Secret::default()
    };
    [(("ns".to_owned(), "etcd".to_owned()), secret)].into()
}

fn data_store(changes: Value) -> DataStore {
    let key =
        |key: &str| json!({"secretReference": {"namespace": "ns", "name": "etcd", "keyPath": key}});
    let mut object = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1",
        "kind": "DataStore",
        "metadata": {"name": "default"},
        "spec": {
            "driver": "etcd",
            "endpoints": ["10.0.0.5:2379"],
            "tlsConfig": {
                "certificateAuthority": {"certificate": key("ca.crt"), "privateKey": key("ca.key")},
                "clientCertificate": {"certificate": key("tls.crt"), "privateKey": key("tls.key")},
            },
        },
    });
    json_patch::merge(&mut object, &changes);
    serde_json::from_value(object).unwrap()
}

fn refusal(changes: Value, secrets: &Secrets) -> String {
    resolve(&data_store(changes), secrets, now())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_complete_store_resolves_and_names_its_one_secret() {
    let store = resolve(&data_store(json!({})), &secrets(), now()).unwrap();
    assert!(store.tls.unwrap().ca_key.is_some());
    assert_eq!(
        references(&data_store(json!({}))),
        [("ns".to_owned(), "etcd".to_owned())]
    );
}

#[test]
fn a_missing_secret_key_or_port_is_named() {
    assert!(refusal(json!({}), &Secrets::new()).contains("ns/etcd, which does not exist"));
    let other = json!({"spec": {"tlsConfig": {"certificateAuthority": {"privateKey": {"secretReference": {"keyPath": "x"}}}}}});
    let text = refusal(other, &secrets());
    assert!(
        text.contains("\"x\"") && text.contains("ca.crt, ca.key"),
        "{text}"
    );
    let text = refusal(json!({"spec": {"endpoints": ["https://a:1"]}}), &secrets());
    assert!(text.contains("without a scheme"), "{text}");
}

#[test]
fn halves_of_different_pairs_are_refused() {
    let swap = |from: &str, to: &str| {
        let mut secrets = secrets();
        let data = secrets.values_mut().next().unwrap().data.as_mut().unwrap();
        data.insert(to.to_owned(), data[from].clone());
        refusal(json!({}), &secrets)
    };
    assert!(swap("tls.key", "ca.key").contains("does not go with the CA certificate"));
    assert!(swap("ca.key", "tls.key").contains("is not the key of the client certificate"));
}

#[test]
fn an_expired_authority_is_refused() {
    let later = now() + std::time::Duration::from_hours(11 * 365 * 24);
    let text = resolve(&data_store(json!({})), &secrets(), later)
        .unwrap_err()
        .to_string();
    assert!(text.contains("ended at"), "{text}");
}

#[test]
fn a_store_does_not_show_its_keys() {
    let store = resolve(&data_store(json!({})), &secrets(), now()).unwrap();
    assert!(!format!("{store:?}").contains("PRIVATE"));
}

#[test]
fn credentials_that_kine_cannot_pass_to_nats_are_refused_without_being_shown() {
    let content =
        |text: &[u8]| json!({"content": ByteString(text.to_vec()), "secretReference": null});
    let changes = |driver: &str, user: &[u8], password: &[u8]| {
        json!({"spec": {"driver": driver, "tlsConfig": null, "basicAuth": {
            "username": content(user), "password": content(password)}}})
    };
    let text = refusal(changes("NATS", b"kamaji", b"se,cret"), &Secrets::new());
    assert!(
        text.starts_with("spec.basicAuth.password has a character"),
        "{text}"
    );
    assert!(!text.contains("cret"), "{text}");
    let text = refusal(changes("NATS", b"ka@maji", b"secret"), &Secrets::new());
    assert!(text.starts_with("spec.basicAuth.username has"), "{text}");
    for (driver, password) in [("NATS", b"s3cret-_."), ("MySQL", b"se,cr@t:/")] {
        let object = data_store(changes(driver, b"kamaji", password));
        let store = resolve(&object, &Secrets::new(), now()).unwrap();
        assert_eq!(store.basic_auth.unwrap().1.as_bytes(), password);
    }
}
