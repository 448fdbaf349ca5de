//! DataStores that cannot be used, and are mended: nobody restarts anything.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Event;
use kamaji_api::{condition, datastore::DataStore};
use kamaji_e2e::pki::Authority;
use kube::{Api, api::ListParams};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use serde_json::json;

use crate::environment::{Environment, NAMESPACE, until};

/// Keys of a Secret.
pub type Material = BTreeMap<&'static str, String>;

/// A DataStore whose material is in the Secret of its own name.
pub async fn referring(environment: &Environment, name: &str) {
    let key = |key: &str| json!({"secretReference": {"name": name, "namespace": "kamaji-system", "keyPath": key}});
    environment
        .apply(json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1",
            "kind": "DataStore",
            "metadata": {"name": name},
            "spec": {
                "driver": "etcd",
                "endpoints": [environment.etcd.endpoint],
                "tlsConfig": {
                    "certificateAuthority": {
                        "certificate": key("ca.crt"), "privateKey": key("ca.key"),
                    },
                    "clientCertificate": {
                        "certificate": key("tls.crt"), "privateKey": key("tls.key"),
                    },
                },
            },
        }))
        .await;
}

pub async fn secret(environment: &Environment, name: &str, material: &Material) {
    environment
        .apply(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": "kamaji-system"},
            "stringData": material,
        }))
        .await;
}

pub fn right(environment: &Environment) -> Material {
    let ids = &environment.etcd.identities;
    BTreeMap::from([
        ("ca.crt", ids.authority.cert.clone()),
        ("ca.key", ids.authority.key.clone()),
        ("tls.crt", ids.root.cert.clone()),
        ("tls.key", ids.root.key.clone()),
    ])
}

/// The authority of etcd, had it ended long ago.
fn ended(key: &str) -> String {
    let key = KeyPair::from_pem(key).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2019, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 1);
    params.self_signed(&key).unwrap().pem()
}

/// Name, what is in the Secret (nothing: there is none), reason, and words of the message.
fn mistakes(
    environment: &Environment,
) -> Vec<(&'static str, Option<Material>, &'static str, [String; 2])> {
    let with = |key, text: String| {
        let mut material = right(environment);
        material.insert(key, text);
        Some(material)
    };
    let without_key = {
        let mut material = right(environment);
        material.remove("tls.key");
        Some(material)
    };
    let other = Authority::new("another").unwrap();
    let wrong_ca = {
        let mut material = right(environment);
        material.insert("ca.crt", other.pair().cert.clone());
        material.insert("ca.key", other.pair().key.clone());
        Some(material)
    };
    let invalid = "DataStoreNotReady";
    let words = |what: &str, instead: &str| [what.to_owned(), instead.to_owned()];
    let old = ended(&environment.etcd.identities.authority.key);
    vec![
        (
            "no-secret",
            None,
            invalid,
            words(
                "Secret kamaji-system/no-secret, which does not exist",
                "create it",
            ),
        ),
        (
            "no-key",
            without_key,
            invalid,
            words(
                "\"tls.key\" of Secret kamaji-system/no-key",
                "correct keyPath",
            ),
        ),
        (
            "unreadable",
            with("ca.crt", "garbage".to_owned()),
            invalid,
            words(
                "certificateAuthority.certificate",
                "is not a PEM certificate",
            ),
        ),
        (
            "wrong-pair",
            with("tls.key", other.pair().key.clone()),
            invalid,
            words(
                "clientCertificate.privateKey",
                "give the pair that belongs together",
            ),
        ),
        (
            "wrong-ca-key",
            with("ca.key", other.pair().key.clone()),
            invalid,
            words(
                "certificateAuthority.privateKey",
                "does not go with the CA certificate",
            ),
        ),
        (
            "expired-ca",
            with("ca.crt", old),
            invalid,
            words("ended at 2020-01-01", "renew the datastore's CA"),
        ),
        (
            "wrong-ca",
            wrong_ca,
            "DataStoreFailed",
            words("the DataStore wrong-ca", "check the certificate authority"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_datastore_says_why_and_its_tenant_goes_on_once_it_is_mended() {
    let environment = Environment::bare().await;
    let _operator = environment.operator();
    let mistakes = mistakes(&environment);
    for (name, material, ..) in &mistakes {
        if let Some(material) = material {
            secret(&environment, name, material).await;
        }
        referring(&environment, name).await;
        environment.tenant(name, json!({"dataStore": name})).await;
    }
    for (name, _, reason, words) in &mistakes {
        let why = environment.reason(name, "DataStoreReady", reason).await;
        assert!(why.contains(name), "{why}");
        assert!(words.iter().all(|word| why.contains(word)), "{name}: {why}");
        told(&environment, name, reason).await;
        if *reason == "DataStoreNotReady" {
            assert!(!valid(&environment, name).await, "{name}");
        }
    }
    for (name, ..) in &mistakes {
        secret(&environment, name, &right(&environment)).await;
    }
    for (name, ..) in &mistakes {
        environment.written(name).await;
        assert!(valid(&environment, name).await, "{name}");
    }
}

/// That an event of the tenant says so.
async fn told(environment: &Environment, tenant: &str, reason: &str) {
    let events: Api<Event> = Api::namespaced(environment.client.clone(), NAMESPACE);
    until(&format!("an event of {tenant}"), async || {
        let fields = format!("involvedObject.name={tenant},reason={reason}");
        let list = events.list(&ListParams::default().fields(&fields)).await;
        (!list.ok()?.items.is_empty()).then_some(())
    })
    .await;
}

async fn valid(environment: &Environment, name: &str) -> bool {
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    let status = stores.get(name).await.unwrap().status.unwrap_or_default();
    let valid = condition::find(&status.conditions, condition::DATA_STORE_VALID);
    valid.is_some_and(|valid| valid.status == "True")
}
