//! Tests of [`Writer`]: writes are idempotent, and go only to the object that was planned.

use kamaji_core::object::{Intent, Kind, Version, holds};
use kamaji_shell::{
    apply::{WriteError, Writer},
    index::Answer,
    lease::Leadership,
    telemetry::Counters,
};
use serde_json::json;

use crate::support::{
    api, change_as_rival, config_map, eventually, leading_writer, planned, server, start_index,
    tenant,
};

#[tokio::test]
async fn a_written_object_is_as_planned_until_another_manager_changes_it() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = leading_writer(&client);
    let kinds = [
        Kind::ConfigMap,
        Kind::Secret,
        Kind::Service,
        Kind::Deployment,
    ];
    let (index, _) = start_index(&client, &kinds).await;
    let objects = [
        config_map("t-kubeadmconfig", "1"),
        planned("v1", "Secret", "t-ca", &json!({"data": {"k": "dg=="}})),
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
        let (live, since) = (&live, index.since());
        index.remember(&tenant(), object, Answer { live, since });
        assert!(index.as_planned(object), "{}", object.key);
        let again = writer.write(object).await.unwrap();
        assert_eq!(again.fingerprint, live.fingerprint, "{}", object.key);
    }
    // The watch reports the own writes, which are no changes.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for object in &objects {
        assert!(index.as_planned(object), "{} after the echo", object.key);
        let labels = json!({"metadata": {"annotations": {"somebody": "else"}}});
        change_as_rival(&client, &object.key, labels).await;
        let what = format!("{} is seen to have changed", object.key);
        eventually(&what, || !index.as_planned(object)).await;
        writer.delete(&object.key, None).await.unwrap();
        let what = format!("{} is seen to be gone", object.key);
        eventually(&what, || index.entry(&object.key).is_none()).await;
    }
    assert!(index.children(&tenant()).is_empty());
}

/// The watch of Secrets delivers metadata only.
#[tokio::test]
async fn drift_of_the_data_of_a_secret_is_observed_and_a_second_write_changes_nothing() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = leading_writer(&client);
    let (index, _) = start_index(&client, &[Kind::Secret]).await;
    let secret = planned("v1", "Secret", "t-ca", &json!({"data": {"k": "dg=="}}));
    let write = async || {
        let since = index.since();
        let live = writer.write(&secret).await.unwrap();
        index.remember(&tenant(), &secret, Answer { live: &live, since });
        live
    };
    let first = write().await;
    assert!(index.as_planned(&secret));
    assert_eq!(write().await.version, first.version, "nothing was written");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(index.as_planned(&secret), "after the event");
    let entry = index.entry(&secret.key).unwrap();
    assert_eq!(entry.fingerprint, first.fingerprint);

    change_as_rival(&client, &secret.key, json!({"data": {"k": "eA=="}})).await;
    eventually("the drift is observed", || !index.as_planned(&secret)).await;
    let repaired = write().await;
    assert_eq!(repaired.body["data"]["k"], "dg==");
    assert!(index.as_planned(&secret));
}

#[tokio::test]
async fn only_the_object_with_the_expected_uid_and_version_is_written_or_deleted() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = leading_writer(&client);
    let mut object = config_map("t-kubeadmconfig", "1");
    let live = writer.write(&object).await.unwrap();

    let twice = config_map("t-kubeadmconfig", "2").with(Intent::Create);
    let twice = writer.write(&twice).await;
    assert!(
        matches!(twice, Err(WriteError::AlreadyExists(_))),
        "{twice:?}"
    );

    let another = Version {
        uid: "00000000-0000-0000-0000-000000000000".into(),
        ..live.version.clone()
    };
    let older = Version {
        revision: live.version.revision - 1,
        ..live.version.clone()
    };
    for stale in [another, older] {
        let deleted = writer.delete(&object.key, Some(&stale)).await;
        assert!(
            matches!(deleted, Err(WriteError::Conflict { .. })),
            "{deleted:?}"
        );
        for intent in [Intent::Update(stale.clone()), Intent::Adopt(stale.clone())] {
            let applied = writer.write(&object.clone().with(intent)).await;
            assert!(
                matches!(applied, Err(WriteError::Conflict { .. })),
                "{applied:?}"
            );
        }
    }
    let now = writer.read(&object.key).await.unwrap().unwrap();
    assert_eq!(now.version, live.version, "nothing was written");

    object.intent = Intent::Update(live.version.clone());
    writer.write(&object).await.unwrap();
    let version = Some(&live.version);
    writer.delete(&object.key, version).await.unwrap();
    writer.delete(&object.key, version).await.unwrap();
    let anew = writer.write(&object).await;
    assert!(matches!(anew, Err(WriteError::Conflict { .. })), "{anew:?}");
    assert!(
        writer.read(&object.key).await.unwrap().is_none(),
        "the object is not created again"
    );
}

/// A late request of a former leader: of two creations the later one is refused, and later applies can remove the
/// fields of the creation.
#[tokio::test]
async fn one_of_many_creations_succeeds_and_owns_its_fields_as_an_apply_does() {
    let server = server().await;
    let writer = leading_writer(&server.client().await.unwrap());
    let create = |number: u32| {
        let writer = writer.clone();
        async move {
            let object = config_map("t-kubeadmconfig", &number.to_string()).with(Intent::Create);
            writer.write(&object).await
        }
    };
    let answers = futures::future::join_all((0..8).map(create)).await;
    let made: Vec<_> = answers.iter().filter_map(|a| a.as_ref().ok()).collect();
    let refused = answers
        .iter()
        .filter(|a| matches!(a, Err(WriteError::AlreadyExists(_))));
    assert_eq!((made.len(), refused.count()), (1, 7), "{answers:?}");
    let entries = made[0].body["metadata"]["managedFields"]
        .as_array()
        .unwrap();
    let operations: Vec<_> = entries.iter().map(|entry| &entry["operation"]).collect();
    assert_eq!(operations, ["Apply"]);

    let empty = planned("v1", "ConfigMap", "t-kubeadmconfig", &json!({}));
    let emptied = empty.with(Intent::Update(made[0].version.clone()));
    let live = writer.write(&emptied).await.unwrap();
    assert_eq!(
        live.body["data"],
        json!(null),
        "the key is removed with the plan"
    );
}

#[tokio::test]
async fn a_standby_writes_nothing() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let standby = Writer::new(client.clone(), Leadership::none(), Counters::default());
    let object = config_map("t-kubeadmconfig", "1");
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
    let found = api(&client, &object.key)
        .get_opt("t-kubeadmconfig")
        .await
        .unwrap();
    assert!(found.is_none());
}

#[tokio::test]
async fn an_error_of_the_api_server_is_returned_with_the_name_of_the_object() {
    let server = server().await;
    let writer = leading_writer(&server.client().await.unwrap());
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
