//! Changes of the DataStores of a running tenant that admission refuses, since data would be hidden or replaced.

use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    admission::{create, start_with_webhooks_and},
    environment::{Environment, tenant},
};

/// Applies a DataStore of NATS, whose server need not run.
async fn nats(environment: &Environment, name: &str) {
    let text = |text: &str| json!({ "content": text });
    environment
        .apply(json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1",
            "kind": "DataStore",
            "metadata": {"name": name},
            "spec": {
                "driver": "NATS",
                "endpoints": ["127.0.0.1:1"],
                "basicAuth": {"username": text("a2FtYWpp"), "password": text("c2VjcmV0")},
            },
        }))
        .await;
}

/// Changes the spec of the tenant `name`; the message of a refusal.
async fn change(environment: &Environment, name: &str, spec: Value) -> Result<(), String> {
    let (params, patch) = (PatchParams::default(), json!({ "spec": spec }));
    let patched = environment
        .tenants()
        .patch(name, &params, &Patch::Merge(patch))
        .await;
    patched.map(drop).map_err(|error| error.to_string())
}

#[track_caller]
fn assert_refused(answer: Result<(), String>, words: &[&str]) {
    let refusal = answer.expect_err("it is refused");
    for words in words {
        assert!(refusal.contains(words), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overrides_that_cannot_move_and_a_move_onto_one_of_them_are_refused_once_the_tenant_is_set_up()
 {
    let (environment, _operator) = start_with_webhooks_and(Environment::settings()).await;
    for name in ["events", "spare"] {
        environment.data_store(name).await;
    }
    let overrides = json!([{"resource": "/events", "dataStore": "events"}]);
    let spec = json!({"dataStore": "default", "dataStoreOverrides": overrides});
    environment.tenant("t", spec).await;
    environment.wait_for_objects("t").await;
    let before = environment.tenants().get("t").await.unwrap();
    let at = |resource: &str, store: &str| json!({"resource": resource, "dataStore": store});
    let widgets = json!([overrides[0], at("example.com/widgets", "spare")]);
    let crossed = json!([at("/events", "spare"), at("/pods", "events")]);
    for (asked, words) in [
        (
            json!({ "dataStoreOverrides": widgets }),
            "no override for CRDs and their instances",
        ),
        (
            json!({ "dataStoreOverrides": crossed }),
            "change those of one pair first",
        ),
        (
            json!({"dataStore": "spare", "dataStoreOverrides": []}),
            "one of them at a time: set one back",
        ),
    ] {
        let answer = change(&environment, "t", asked).await;
        let which = "spec.dataStoreOverrides of a tenant that is set up (/events in events)";
        assert_refused(answer, &[which, words]);
    }
    let onto = change(&environment, "t", json!({"dataStore": "events"})).await;
    let words = [
        "holds /events of this tenant",
        "set spec.dataStore back to default",
    ];
    assert_refused(onto, &words);
    let now = environment.tenants().get("t").await.unwrap();
    assert_eq!(now.spec, before.spec, "nothing of it is stored");
    let slash = json!([{"resource": "events", "dataStore": "events"}]);
    let same = change(&environment, "t", json!({ "dataStoreOverrides": slash })).await;
    same.expect("the same in other words");
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_takes_one_tenant_by_admission() {
    let (environment, _operator) = start_with_webhooks_and(Environment::settings()).await;
    for name in ["nats", "spare"] {
        nats(&environment, name).await;
    }
    environment
        .tenant("t", json!({"dataStore": "default"}))
        .await;
    environment.wait_for_objects("t").await;

    let first = tenant("first", &json!({"dataStore": "nats"}));
    let (first, _) = create(&environment, &first, false).await.unwrap();
    let second = tenant("second", &json!({"dataStore": "nats"}));
    let refusal = create(&environment, &second, false).await.unwrap_err();
    for words in [
        "the DataStore \"nats\", which another TenantControlPlane uses",
        "such a DataStore takes one tenant; create another DataStore",
    ] {
        assert!(refusal.contains(words), "{refusal}");
    }
    assert!(!refusal.contains(&first.name_any()), "{refusal}");
    let answer = change(&environment, "t", json!({"dataStore": "nats"})).await;
    assert_refused(
        answer,
        &["the DataStore \"nats\", which another TenantControlPlane uses"],
    );
    let spare = tenant("second", &json!({"dataStore": "spare"}));
    create(&environment, &spare, false).await.unwrap();
}
