//! Rotated certificates of a DataStore reach every tenant that has data in it.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use kamaji_e2e::pki::Authority;
use kube::api::ApiResource;
use serde_json::{Value, json};

use crate::data_stores::{apply_secret, data_store_with_secret, valid_material};
use crate::environment::{Environment, wait_until};

/// Data of the Secret with a tenant's certificates for its DataStore, and the annotations of its pods. The Deployment is
/// read first: pods that have rolled find the new Secret.
async fn mounted(environment: &Environment, tenant: &str) -> Option<(String, Value)> {
    let resource = ApiResource::erase::<Deployment>(&());
    let deployment = environment.owned(&resource, tenant).await.pop()?;
    let name = format!("{tenant}-datastore-certificate");
    let authorities = environment.secret(&name).await?.data?.remove("ca.crt")?;
    let annotations = deployment.data["spec"]["template"]["metadata"]["annotations"].clone();
    Some((String::from_utf8(authorities.0).ok()?, annotations))
}

/// The authority is replaced by a bundle of the old one and a new one, as in a rotation that interrupts nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_authority_reaches_every_tenant_of_its_data_store_and_rolls_their_pods() {
    let environment = Environment::new().await;
    let mut material = valid_material(&environment);
    apply_secret(&environment, "own", &material).await;
    data_store_with_secret(&environment, "own").await;
    let _operator = environment.operator();
    let of_events = json!([{"resource": "/events", "dataStore": "own"}]);
    let tenants = [
        ("one", json!({"dataStore": "own"})),
        ("two", json!({"dataStore": "own"})),
        ("events", json!({"dataStoreOverrides": of_events})),
        ("neighbour", json!({})),
    ];
    for (name, spec) in &tenants {
        environment.tenant(name, spec.clone()).await;
    }
    let mut before = BTreeMap::new();
    for (name, _) in &tenants {
        environment.wait_for_objects(name).await;
        before.insert(*name, mounted(&environment, name).await.unwrap());
    }
    let next = Authority::new("next").unwrap().pair().cert.clone();
    let old = material.remove("ca.crt").unwrap();
    material.insert("ca.crt", format!("{old}{next}"));
    apply_secret(&environment, "own", &material).await;
    for name in ["one", "two", "events"] {
        let (authorities, annotations) = wait_until(name, async || {
            let now = mounted(&environment, name).await?;
            (now.1 != before[name].1).then_some(now)
        })
        .await;
        assert!(authorities.contains(next.trim()), "{name}: {authorities}");
        assert_ne!(annotations, before[name].1, "{name}");
    }
    let neighbour = mounted(&environment, "neighbour").await;
    assert_eq!(neighbour.as_ref(), before.get("neighbour"));
}
