//! Bad input of users: each mistake gets a condition, and other tenants are not slowed down.

use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::environment::Environment;

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_datastore_is_named_and_the_tenant_converges_when_it_appears() {
    let environment = Environment::without_data_store().await;
    let _operator = environment.operator();
    environment.tenant("t", json!({"dataStore": "gold"})).await;
    let message = environment
        .wait_for_condition("t", "DataStoreReady", "DataStoreMissing")
        .await;
    assert!(
        message.contains("gold") && message.contains("create it"),
        "{message}"
    );
    environment.data_store("gold").await;
    environment.wait_for_objects("t").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_authority_is_reported_and_left_unchanged_until_it_is_restored() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    let whole = environment.secret("t-ca").await.unwrap().data.unwrap()["ca.crt"].clone();
    let put = async |text: &k8s_openapi::ByteString| {
        let patch = json!({"data": {"ca.crt": text}});
        let patched = environment
            .secrets()
            .patch("t-ca", &PatchParams::default(), &Patch::Merge(patch))
            .await;
        patched.unwrap().metadata.resource_version
    };
    let version = put(&k8s_openapi::ByteString(b"garbage".to_vec())).await;
    let message = environment
        .wait_for_condition("t", "CertificatesValid", "AuthorityDamaged")
        .await;
    assert!(
        message.contains("t-ca") && message.contains("restore"),
        "{message}"
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    let now = environment.secret("t-ca").await.unwrap();
    assert_eq!(
        now.metadata.resource_version, version,
        "the Secret is not written"
    );
    put(&whole).await;
    environment
        .wait_for_condition("t", "CertificatesValid", "AsPlanned")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_tenant_does_not_slow_its_neighbours() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment
        .tenant("poisoned", json!({"kubernetes": {"version": "latest"}}))
        .await;
    environment
        .wait_for_condition("poisoned", "Reconciled", "SpecInvalid")
        .await;
    let started = Instant::now();
    for index in 0..9 {
        environment.tenant(&format!("t{index}"), json!({})).await;
    }
    for index in 0..9 {
        environment.wait_for_objects(&format!("t{index}")).await;
    }
    assert!(
        started.elapsed() < Duration::from_secs(40),
        "{:?}",
        started.elapsed()
    );
}
