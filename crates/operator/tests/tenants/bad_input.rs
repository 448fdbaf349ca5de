use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::environment::Environment;

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_datastore_is_named_and_the_tenant_goes_on_when_it_appears() {
    let environment = Environment::bare().await;
    let _operator = environment.operator();
    environment.tenant("t", json!({"dataStore": "gold"})).await;
    let why = environment
        .reason("t", "DataStoreReady", "DataStoreMissing")
        .await;
    assert!(why.contains("gold") && why.contains("create it"), "{why}");
    environment.data_store("gold").await;
    environment.written("t").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_authority_is_reported_and_left_as_it_is_until_a_person_restores_it() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.written("t").await;
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
    let why = environment
        .reason("t", "CertificatesValid", "AuthorityDamaged")
        .await;
    assert!(why.contains("t-ca") && why.contains("restore"), "{why}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let now = environment.secret("t-ca").await.unwrap();
    assert_eq!(now.metadata.resource_version, version, "nobody wrote it");
    put(&whole).await;
    environment
        .reason("t", "CertificatesValid", "AsPlanned")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_poisoned_tenant_does_not_slow_its_neighbours() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment
        .tenant("poisoned", json!({"kubernetes": {"version": "latest"}}))
        .await;
    environment
        .reason("poisoned", "Reconciled", "SpecInvalid")
        .await;
    let started = Instant::now();
    for index in 0..9 {
        environment.tenant(&format!("t{index}"), json!({})).await;
    }
    for index in 0..9 {
        environment.written(&format!("t{index}")).await;
    }
    assert!(
        started.elapsed() < Duration::from_secs(40),
        "{:?}",
        started.elapsed()
    );
}
