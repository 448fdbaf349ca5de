//! Does the one door keep its word?

use kamaji_core::object::{Kind, holds};
use kamaji_operator::shell::{
    apply::{WriteError, Writer},
    lease::Leadership,
    telemetry::Counters,
};
use serde_json::json;

use crate::support::{api, door, eventually, followed, map, meddle, planned, server, tenant};

#[tokio::test]
async fn what_was_written_is_as_planned_until_somebody_changes_it() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = door(&client);
    let kinds = [
        Kind::ConfigMap,
        Kind::Secret,
        Kind::Service,
        Kind::Deployment,
    ];
    let (index, _) = followed(&client, &kinds).await;
    let objects = [
        map("t-map", "1"),
        planned("v1", "Secret", "t-secret", &json!({"data": {"k": "dg=="}})),
        planned(
            "v1",
            "Service",
            "t",
            &json!({"spec": {
                "ports": [{"name": "kube-apiserver", "port": 6443}], "selector": {"a": "b"},
            }}),
        ),
        planned(
            "apps/v1",
            "Deployment",
            "t",
            &json!({"spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": "c", "image": "example.com/c"}]},
                },
            }}),
        ),
    ];
    for object in &objects {
        let live = writer.write(object).await.unwrap();
        assert!(holds(&object.body, &live.body), "{}", object.key);
        index.remember(&tenant(), object, &live);
        assert!(index.as_planned(object), "{}", object.key);
        let again = writer.write(object).await.unwrap();
        assert_eq!(again.fingerprint, live.fingerprint, "{}", object.key);
    }
    // The watch tells of all that now; an echo is no change.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for object in &objects {
        assert!(index.as_planned(object), "{} after the echo", object.key);
        let labels = json!({"metadata": {"annotations": {"somebody": "else"}}});
        meddle(&client, &object.key, labels).await;
        let what = format!("{} is seen to have changed", object.key);
        eventually(&what, || !index.as_planned(object)).await;
        writer.delete(&object.key, None).await.unwrap();
        let what = format!("{} is seen to be gone", object.key);
        eventually(&what, || index.entry(&object.key).is_none()).await;
    }
    assert!(index.children(&tenant()).is_empty());
}

#[tokio::test]
async fn only_the_object_that_is_meant_is_written_or_deleted() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = door(&client);
    let mut object = map("t-map", "1");
    let live = writer.write(&object).await.unwrap();

    let twice = writer.write(&map("t-map", "2").create_only()).await;
    assert!(
        matches!(twice, Err(WriteError::AlreadyExists(_))),
        "{twice:?}"
    );

    let wrong = "00000000-0000-0000-0000-000000000000";
    let deleted = writer.delete(&object.key, Some(wrong)).await;
    assert!(
        matches!(deleted, Err(WriteError::Conflict { .. })),
        "{deleted:?}"
    );
    object.uid = Some(wrong.to_owned());
    let applied = writer.write(&object).await;
    assert!(
        matches!(applied, Err(WriteError::Conflict { .. })),
        "{applied:?}"
    );

    object.uid = Some(live.uid.clone());
    writer.write(&object).await.unwrap();
    writer.delete(&object.key, Some(&live.uid)).await.unwrap();
    writer.delete(&object.key, Some(&live.uid)).await.unwrap();
    let anew = writer.write(&object).await;
    assert!(matches!(anew, Err(WriteError::Conflict { .. })), "{anew:?}");
    assert!(
        writer.read(&object.key).await.unwrap().is_none(),
        "it stays gone"
    );
}

#[tokio::test]
async fn a_standby_writes_nothing() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let standby = Writer::new(client.clone(), Leadership::none(), Counters::default());
    let object = map("t-map", "1");
    let written = standby.write(&object).await;
    assert!(
        matches!(written, Err(WriteError::NotLeading(_))),
        "{written:?}"
    );
    let deleted = standby.delete(&object.key, None).await;
    assert!(
        matches!(deleted, Err(WriteError::NotLeading(_))),
        "{deleted:?}"
    );
    let found = api(&client, &object.key).get_opt("t-map").await.unwrap();
    assert!(found.is_none());
}

#[tokio::test]
async fn what_the_api_server_says_comes_back_with_the_name_of_the_object() {
    let server = server().await;
    let writer = door(&server.client().await.unwrap());
    let service = planned(
        "v1",
        "Service",
        "t",
        &json!({"spec": {"ports": [{"port": 700_000}]}}),
    );
    let error = writer.write(&service).await.unwrap_err();
    assert!(matches!(error, WriteError::Invalid { .. }), "{error:?}");
    assert!(error.to_string().contains("default/t"), "{error}");
    assert!(error.to_string().contains("spec.ports[0].port"), "{error}");
}
