//! DataStores with mistakes: conditions and events name each mistake, and tenants converge once it is corrected,
//! without a restart.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Event;
use kamaji_api::{condition, datastore::DataStore};
use kamaji_e2e::pki::Authority;
use kube::{Api, Client, api::ListParams, client::Body, core::Status};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use serde_json::json;
use tokio::sync::watch as channel;

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

/// At first, the API server fails to answer for the Secret of one DataStore, and never answers for that of another.
#[tokio::test(flavor = "multi_thread")]
async fn datastores_whose_secrets_cannot_be_read_at_start_are_not_ready_and_recover_by_themselves()
{
    let environment = Environment::new().await;
    for name in ["failing", "silent"] {
        apply_secret(&environment, name, &valid_material(&environment)).await;
        data_store_with_secret(&environment, name).await;
        environment.tenant(name, json!({"dataStore": name})).await;
    }
    environment.tenant("neighbour", json!({})).await;
    let (repair, repaired) = channel::channel(false);
    let wrap = move |request: http::Request<Body>, client: Client| {
        let mut repaired = repaired.clone();
        async move {
            let path = request.uri().path();
            let failing = path.ends_with("/kamaji-system/secrets/failing") && !*repaired.borrow();
            if path.ends_with("/kamaji-system/secrets/silent") {
                let _ = repaired.wait_for(|repaired| *repaired).await;
            }
            if failing {
                let status = Status::failure("etcdserver: request timed out", "InternalError");
                return Err(kube::Error::Api(Box::new(status.with_code(500))));
            }
            client.send(request).await
        }
    };
    let started = Instant::now();
    let _operator = environment.run_through(Environment::settings(), wrap);
    environment.wait_for_objects("neighbour").await;
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_secs(30), "{elapsed:?}");
    for (name, words) in [
        ("failing", "request timed out"),
        ("silent", "no answer within"),
    ] {
        let message = environment
            .wait_for_condition(name, "DataStoreReady", "DataStoreNotReady")
            .await;
        assert!(
            message.contains(name) && message.contains(words),
            "{message}"
        );
        assert!(message.contains("tried again by itself"), "{message}");
    }
    repair.send(true).unwrap();
    for name in ["failing", "silent"] {
        environment.wait_for_objects(name).await;
        assert!(is_valid(&environment, name).await, "{name}");
    }
}

/// The tenant's Deployment cannot be written, so that no reconcile completes.
#[tokio::test(flavor = "multi_thread")]
async fn the_condition_of_the_datastore_is_updated_while_another_write_fails() {
    let environment = Environment::new().await;
    let client = environment.etcd_client().await;
    client.auth_client().auth_disable().await.unwrap();
    environment
        .apply(json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "down"},
            "webhooks": [{
                "name": "down.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "clientConfig": {"url": "https://127.0.0.1:1/"}, "failurePolicy": "Fail",
                "rules": [{"apiGroups": ["apps"], "apiVersions": ["*"], "operations": ["*"],
                    "resources": ["deployments"]}],
            }],
        }))
        .await;
    let _operator = environment.operator();
    environment.tenant("t", json!({})).await;
    let message = environment
        .wait_for_condition("t", "DataStoreReady", "AccessControlOff")
        .await;
    assert!(message.contains("auth enable"), "{message}");
    client.auth_client().auth_enable().await.unwrap();
    environment
        .wait_for_condition("t", "DataStoreReady", "AsPlanned")
        .await;
    let message = environment
        .wait_for_condition("t", "Ready", "WriteFailed")
        .await;
    assert!(message.contains("down.example.com"), "{message}");
    let conditions = environment.tenants().get("t").await.unwrap();
    let conditions = conditions.status.unwrap().conditions;
    let ready = condition::find(&conditions, "DataStoreReady").unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.message.as_str()),
        ("True", "")
    );
}

/// Waits until a tenant has an event with `reason`.
pub async fn wait_for_event(environment: &Environment, tenant: &str, reason: &str) {
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
