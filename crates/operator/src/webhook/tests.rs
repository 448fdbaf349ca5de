use std::sync::Arc;

use axum::{body::Body, http};
use base64::{Engine, engine::general_purpose::STANDARD};
use kamaji_api::datastore::Driver;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

struct TestKnowledge {
    settings: Settings,
    facts: Result<Facts, String>,
}

impl Knowledge for TestKnowledge {
    fn facts(&self) -> Result<Facts, String> {
        self.facts.clone()
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}

fn known() -> TestKnowledge {
    TestKnowledge {
        settings: Settings {
            default_data_store: Some("default".to_owned()),
            ..Settings::default()
        },
        facts: Ok(Facts {
            data_stores: [("default".to_owned(), Driver::Etcd)].into(),
            ..Facts::default()
        }),
    }
}

/// Posts a review as an API server does.
async fn answer(known: impl Knowledge, path: &str, body: String) -> Response {
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    router(Arc::new(known)).oneshot(request).await.unwrap()
}

/// Code that the metrics count a failed review under.
async fn counted_failure(known: impl Knowledge, review: Value) -> Option<u16> {
    let response = answer(known, VALIDATE_TENANT, review.to_string()).await;
    let failed = response.extensions().get::<ReviewFailed>();
    failed.map(|ReviewFailed(code)| *code)
}

/// Posts a review as an API server does, and returns the HTTP status and the body.
async fn post(known: impl Knowledge, path: &str, body: String) -> (u16, String) {
    let response = answer(known, path, body).await;
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn ask(path: &str, operation: &str, object: Value, old: Value) -> Value {
    ask_knowing(known(), path, review(operation, object, old)).await
}

/// An AdmissionReview as an API server sends it.
fn review(operation: &str, object: Value, old: Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "question",
            "kind": {"group": "kamaji.clastix.io", "version": "v1alpha1", "kind": "Any"},
            "operation": operation,
            "namespace": "apps",
            "name": "demo",
            "userInfo": {},
            "object": object,
            "oldObject": old,
            "dryRun": false,
        },
    })
}

async fn ask_knowing(known: impl Knowledge, path: &str, review: Value) -> Value {
    let (status, body) = post(known, path, review.to_string()).await;
    assert_eq!(status, 200, "{body}");
    let mut answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["response"]["uid"], "question");
    answer["response"].take()
}

fn tenant(version: &str) -> Value {
    json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1",
        "kind": "TenantControlPlane",
        "metadata": {"name": "demo", "namespace": "apps"},
        "spec": {
            "controlPlane": {"service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": version, "kubelet": {}},
            "fromTheFuture": true,
        },
    })
}

#[tokio::test]
async fn new_tenant_gets_defaults_and_keeps_unknown_fields() {
    let mut object = tenant("v1.35.0");
    let answer = ask(MUTATE_TENANT, "CREATE", object.clone(), Value::Null).await;
    assert_eq!(
        (&answer["allowed"], &answer["patchType"]),
        (&json!(true), &json!("JSONPatch"))
    );
    let patch = STANDARD.decode(answer["patch"].as_str().unwrap()).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    assert_eq!(object["spec"]["dataStore"], "default");
    assert_eq!(
        object["spec"]["networkProfile"]["dnsServiceIPs"],
        json!(["10.96.0.10"])
    );
    assert_eq!(object["spec"]["fromTheFuture"], true);
    let again = ask(MUTATE_TENANT, "CREATE", object.clone(), Value::Null).await;
    assert_eq!(again, json!({"uid": "question", "allowed": true}));
}

#[tokio::test]
async fn updates_are_not_defaulted() {
    let answer = ask(
        MUTATE_TENANT,
        "UPDATE",
        tenant("v1.35.0"),
        tenant("v1.35.0"),
    )
    .await;
    assert_eq!(answer, json!({"uid": "question", "allowed": true}));
}

#[tokio::test]
async fn refusals_list_every_reason_and_warnings_are_returned() {
    let mut bad = tenant("v1.99.0");
    bad["spec"]["dataStore"] = json!("nowhere");
    let answer = ask(VALIDATE_TENANT, "CREATE", bad, Value::Null).await;
    assert_eq!(
        (&answer["allowed"], &answer["status"]["code"]),
        (&json!(false), &json!(403))
    );
    let message = answer["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("2 reasons:\n- "), "{message}");
    assert!(
        message.contains("v1.99.0") && message.contains("nowhere"),
        "{message}"
    );

    let answer = ask(VALIDATE_TENANT, "CREATE", tenant("1.35.0"), Value::Null).await;
    assert_eq!(answer["allowed"], true);
    assert!(answer["warnings"][0].as_str().unwrap().contains("has no v"));

    let answer = ask(
        VALIDATE_TENANT,
        "UPDATE",
        tenant("v1.34.0"),
        tenant("v1.35.0"),
    )
    .await;
    assert!(
        answer["status"]["message"]
            .as_str()
            .unwrap()
            .contains("downgrade")
    );
}

#[tokio::test]
async fn unreadable_object_is_refused_except_on_deletion() {
    let mut odd = tenant("v1.35.0");
    odd["spec"]["kubernetes"] = json!("latest");
    let answer = ask(VALIDATE_TENANT, "CREATE", odd.clone(), Value::Null).await;
    assert_eq!(
        (&answer["allowed"], &answer["status"]["code"]),
        (&json!(false), &json!(400))
    );
    let answer = ask(MUTATE_TENANT, "CREATE", odd.clone(), Value::Null).await;
    assert_eq!(answer["allowed"], true, "the definition refuses it");

    let mut freed = odd.clone();
    freed["metadata"]["finalizers"] = json!([]);
    assert_eq!(
        ask(VALIDATE_TENANT, "UPDATE", freed, odd.clone()).await["allowed"],
        true
    );
    let mut going = tenant("v1.99.0");
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(
        ask(VALIDATE_TENANT, "UPDATE", going, odd.clone()).await["allowed"],
        true
    );
    assert_eq!(
        ask(VALIDATE_TENANT, "UPDATE", tenant("v1.35.0"), odd.clone()).await["allowed"],
        true
    );
    assert_eq!(
        ask(VALIDATE_TENANT, "DELETE", Value::Null, odd).await["allowed"],
        true
    );
}

#[tokio::test]
async fn reviews_are_refused_until_the_caches_are_complete() {
    let unknown = || TestKnowledge {
        facts: Err("the DataStores are not listed yet".to_owned()),
        ..known()
    };
    let create = review("CREATE", tenant("v1.35.0"), Value::Null);
    let answer = ask_knowing(unknown(), VALIDATE_TENANT, create).await;
    assert_eq!(
        (&answer["allowed"], &answer["status"]["code"]),
        (&json!(false), &json!(503))
    );
    let create = || review("CREATE", tenant("v1.35.0"), Value::Null);
    assert_eq!(counted_failure(unknown(), create()).await, Some(503));
    let invalid = review("CREATE", tenant("latest"), Value::Null);
    assert_eq!(counted_failure(known(), invalid).await, None);
    assert_eq!(counted_failure(known(), create()).await, None);
    let same = review("UPDATE", tenant("v1.35.0"), tenant("v1.35.0"));
    assert_eq!(
        ask_knowing(unknown(), VALIDATE_TENANT, same).await["allowed"],
        true
    );
}

#[tokio::test]
async fn panic_is_answered_with_an_error() {
    struct Mistaken(Settings);
    impl Knowledge for Mistaken {
        fn facts(&self) -> Result<Facts, String> {
            panic!("a mistake")
        }
        fn settings(&self) -> &Settings {
            &self.0
        }
    }
    let create = review("CREATE", tenant("v1.35.0"), Value::Null);
    let answer = ask_knowing(Mistaken(Settings::default()), VALIDATE_TENANT, create).await;
    assert_eq!(
        (&answer["allowed"], &answer["status"]["code"]),
        (&json!(false), &json!(500))
    );
}

#[tokio::test]
async fn data_stores_are_validated() {
    let store = |endpoint: &str| json!({"metadata": {"name": "default"}, "spec": {"driver": "etcd", "endpoints": [endpoint]}});
    let answer = ask(
        VALIDATE_DATA_STORE,
        "CREATE",
        store("etcd:2379"),
        Value::Null,
    )
    .await;
    assert_eq!(answer["allowed"], true);
    let answer = ask(
        VALIDATE_DATA_STORE,
        "UPDATE",
        store("https://etcd"),
        store("etcd:2379"),
    )
    .await;
    assert!(
        answer["status"]["message"]
            .as_str()
            .unwrap()
            .contains("host:port")
    );
    assert_eq!(
        ask(VALIDATE_DATA_STORE, "DELETE", Value::Null, store("x")).await["allowed"],
        true
    );
}

#[tokio::test]
async fn tenant_writes_are_denied_with_a_reason() {
    for (path, code, words) in [
        (WRITE_PERMISSION, 403, "spec.writePermissions"),
        (MIGRATE, 429, "being moved"),
    ] {
        for operation in ["CREATE", "UPDATE", "DELETE"] {
            let answer = ask(path, operation, json!({"kind": "Pod"}), Value::Null).await;
            assert_eq!(
                (&answer["allowed"], &answer["status"]["code"]),
                (&json!(false), &json!(code))
            );
            let retry = answer["status"]["details"]["retryAfterSeconds"].as_u64();
            assert_eq!(retry.is_some(), code == 429);
            assert!(
                answer["status"]["message"]
                    .as_str()
                    .unwrap()
                    .contains(words)
            );
        }
        assert_eq!(
            ask(path, "CONNECT", Value::Null, Value::Null).await["allowed"],
            true
        );
    }
}

#[tokio::test]
async fn body_that_is_no_review_is_a_bad_request() {
    for body in [
        "",
        "{}",
        r#"{"request": {"uid": "a", "operation": "PATCH"}}"#,
    ] {
        let (status, text) = post(known(), VALIDATE_TENANT, body.to_owned()).await;
        assert_eq!(status, 400);
        assert!(text.contains("AdmissionReview"), "{text}");
    }
}

#[tokio::test]
async fn kubelet_patches_that_grow_the_document_are_refused() {
    let mut object = tenant("v1.35.0");
    let copies: Vec<Value> = (0..20)
        .map(|n| json!({"op": "copy", "from": "", "path": format!("/x{n}")}))
        .collect();
    object["spec"]["kubernetes"]["kubelet"] = json!({"configurationJSONPatches": copies});
    let answer = ask(VALIDATE_TENANT, "CREATE", object, Value::Null).await;
    assert_eq!(answer["allowed"], false);
    let text = answer["status"]["message"].as_str().unwrap();
    assert!(text.contains("the copies add up to"), "{text}");
}

#[tokio::test]
async fn review_that_grows_when_it_is_parsed_is_refused_before() {
    let dense = format!("[{}0]", r#"{"":0},"#.repeat(20_000));
    let body = format!(
        r#"{{"request":{{"uid":"u","operation":"CREATE","namespace":"n","name":"x","object":{dense}}}}}"#
    );
    for path in [VALIDATE_TENANT, MUTATE_TENANT, VALIDATE_DATA_STORE] {
        let (status, text) = post(known(), path, body.clone()).await;
        assert_eq!(status, 413, "{text}");
        assert!(text.contains("make it smaller"), "{text}");
    }
}

#[tokio::test]
async fn refusal_lists_a_bounded_number_of_reasons() {
    let mut object = tenant("v1.35.0");
    let sans: Vec<String> = (0..1000)
        .map(|n| format!("{n} {}", "x".repeat(1200)))
        .collect();
    object["spec"]["networkProfile"] = json!({"certSANs": sans});
    let answer = ask(VALIDATE_TENANT, "CREATE", object, Value::Null).await;
    let text = answer["status"]["message"].as_str().unwrap();
    assert!(text.starts_with("1000 reasons:"), "{}", &text[..100]);
    assert!(
        text.ends_with("and 968 more"),
        "{}",
        &text[text.len() - 100..]
    );
    assert!(text.len() <= 33_000, "{}", text.len());
}

#[tokio::test]
async fn answer_names_no_object_that_the_review_does_not_name() {
    let mut known = known();
    let facts = known.facts.as_mut().unwrap();
    facts.claims.push(kamaji_core::admission::Claim {
        namespace: "secret-namespace".to_owned(),
        name: "secret-tenant".to_owned(),
        schema: "taken".to_owned(),
        user: "taken".to_owned(),
        data_store: None,
    });
    facts
        .data_stores
        .insert("secret-store".to_owned(), Driver::Etcd);
    let mut object = tenant("v1.35.0");
    object["spec"]["dataStore"] = json!("none");
    object["spec"]["dataStoreSchema"] = json!("taken");
    object["spec"]["dataStoreUsername"] = json!("taken");
    let create = review("CREATE", object, Value::Null);
    let answer = ask_knowing(known, VALIDATE_TENANT, create).await;
    assert_eq!(answer["allowed"], false);
    let text = answer.to_string();
    assert!(text.contains("none") && text.contains("taken"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn tenant_writes_are_reviewed_without_parsing_the_object() {
    // Nested deeper than any object that can be parsed: only the operation and the user count.
    let nested = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let body = format!(
        r#"{{"request":{{"uid":"u","operation":"CREATE","object":{nested},"oldObject":7}}}}"#
    );
    let (status, answer) = post(known(), WRITE_PERMISSION, body).await;
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (&answer["response"]["uid"], &answer["response"]["allowed"]),
        (&json!("u"), &json!(false))
    );
}
