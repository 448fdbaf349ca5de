//! DataStores with mistakes: conditions and events name each mistake, and tenants converge once it is corrected,
//! without a restart.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Event;
use kamaji_api::{condition, datastore::DataStore};
use kamaji_e2e::pki::Authority;
use kube::{Api, api::ListParams};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use serde_json::json;

use crate::environment::{Environment, NAMESPACE, wait_until};

/// Data of a Secret: certificates and keys as PEM, by key.
pub type Material = BTreeMap<&'static str, String>;

/// Applies a DataStore that refers to the Secret of its own name for its certificates.
pub async fn data_store_with_secret(environment: &Environment, name: &str) {
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

/// Applies a Secret in `kamaji-system`.
pub async fn apply_secret(environment: &Environment, name: &str, material: &Material) {
    environment
        .apply(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": "kamaji-system"},
            "stringData": material,
        }))
        .await;
}

/// Certificates and keys that the environment's etcd accepts.
pub fn valid_material(environment: &Environment) -> Material {
    let ids = &environment.etcd.identities;
    BTreeMap::from([
        ("ca.crt", ids.authority.cert.clone()),
        ("ca.key", ids.authority.key.clone()),
        ("tls.crt", ids.root.cert.clone()),
        ("tls.key", ids.root.key.clone()),
    ])
}

/// A CA certificate for the key of etcd's authority that expired in 2020.
fn expired_authority(key: &str) -> String {
    let key = KeyPair::from_pem(key).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2019, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 1);
    params.self_signed(&key).unwrap().pem()
}

/// Mistakes: name of the DataStore, data of its Secret (none: no Secret), expected reason, and words of the message.
fn mistakes(
    environment: &Environment,
) -> Vec<(&'static str, Option<Material>, &'static str, [String; 2])> {
    let with = |key, text: String| {
        let mut material = valid_material(environment);
        material.insert(key, text);
        Some(material)
    };
    let without_key = {
        let mut material = valid_material(environment);
        material.remove("tls.key");
        Some(material)
    };
    let other = Authority::new("another").unwrap();
    let other_ca = {
        let mut material = valid_material(environment);
        material.insert("ca.crt", other.pair().cert.clone());
        material.insert("ca.key", other.pair().key.clone());
        Some(material)
    };
    let not_ready = "DataStoreNotReady";
    let words = |what: &str, instead: &str| [what.to_owned(), instead.to_owned()];
    let expired = expired_authority(&environment.etcd.identities.authority.key);
    vec![
        (
            "no-secret",
            None,
            not_ready,
            words(
                "Secret kamaji-system/no-secret, which does not exist",
                "create it",
            ),
        ),
        (
            "no-key",
            without_key,
            not_ready,
            words(
                "\"tls.key\" of Secret kamaji-system/no-key",
                "correct keyPath",
            ),
        ),
        (
            "unreadable",
            with("ca.crt", "garbage".to_owned()),
            not_ready,
            words(
                "certificateAuthority.certificate",
                "is not a PEM certificate",
            ),
        ),
        (
            "wrong-pair",
            with("tls.key", other.pair().key.clone()),
            not_ready,
            words(
                "clientCertificate.privateKey",
                "give the pair that belongs together",
            ),
        ),
        (
            "wrong-ca-key",
            with("ca.key", other.pair().key.clone()),
            not_ready,
            words(
                "certificateAuthority.privateKey",
                "does not go with the CA certificate",
            ),
        ),
        (
            "expired-ca",
            with("ca.crt", expired),
            not_ready,
            words("ended at 2020-01-01", "renew the datastore's CA"),
        ),
        (
            "wrong-ca",
            other_ca,
            "DataStoreFailed",
            words("the DataStore wrong-ca", "check the certificate authority"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_datastore_reports_its_cause_and_its_tenant_converges_once_it_is_repaired() {
    let environment = Environment::without_data_store().await;
    let _operator = environment.operator();
    let mistakes = mistakes(&environment);
    for (name, material, ..) in &mistakes {
        if let Some(material) = material {
            apply_secret(&environment, name, material).await;
        }
        data_store_with_secret(&environment, name).await;
        environment.tenant(name, json!({"dataStore": name})).await;
    }
    for (name, _, reason, words) in &mistakes {
        let message = environment
            .wait_for_condition(name, "DataStoreReady", reason)
            .await;
        assert!(message.contains(name), "{message}");
        assert!(
            words.iter().all(|word| message.contains(word)),
            "{name}: {message}"
        );
        wait_for_event(&environment, name, reason).await;
        if *reason == "DataStoreNotReady" {
            assert!(!is_valid(&environment, name).await, "{name}");
        }
    }
    for (name, ..) in &mistakes {
        apply_secret(&environment, name, &valid_material(&environment)).await;
    }
    for (name, ..) in &mistakes {
        environment.wait_for_objects(name).await;
        assert!(is_valid(&environment, name).await, "{name}");
    }
}

/// Waits until a tenant has an event with `reason`.
async fn wait_for_event(environment: &Environment, tenant: &str, reason: &str) {
    let events: Api<Event> = Api::namespaced(environment.client.clone(), NAMESPACE);
    wait_until(&format!("an event of {tenant}"), async || {
        let fields = format!("involvedObject.name={tenant},reason={reason}");
        let list = events.list(&ListParams::default().fields(&fields)).await;
        (!list.ok()?.items.is_empty()).then_some(())
    })
    .await;
}

/// Whether the DataStore has a true condition for its validity.
async fn is_valid(environment: &Environment, name: &str) -> bool {
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    let status = stores.get(name).await.unwrap().status.unwrap_or_default();
    let valid = condition::find(&status.conditions, condition::DATA_STORE_VALID);
    valid.is_some_and(|valid| valid.status == "True")
}
