//! Owners of namespaces who try to gain by a generator, generators that cannot work, and deletions.

use kamaji_api::labels;
use serde_json::json;

use super::generators::{
    account, controller, counted, delete, elected, errors, generator, generators, patch_metadata,
    requests, text,
};
use crate::environment::{Environment, NAMESPACE, wait_until};

/// Waits until a Secret does not exist.
async fn gone(environment: &Environment, name: &str) {
    wait_until(&format!("{name} to be deleted"), async || {
        environment.secret(name).await.is_none().then_some(())
    })
    .await;
}

/// Asserts that a Secret exists, and returns its uid.
async fn uid(environment: &Environment, name: &str) -> String {
    let secret = environment.secret(name).await;
    secret
        .unwrap_or_else(|| panic!("{name}"))
        .metadata
        .uid
        .unwrap()
}

/// Applies a Secret as a person, with the value `theirs`.
async fn theirs(environment: &Environment, metadata: serde_json::Value) {
    environment
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": metadata,
            "stringData": {"value": "theirs"},
        }))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_tenants_and_names_gain_nothing_and_hold_nobody_up() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    for name in ["one", "two"] {
        environment.tenant(name, json!({})).await;
        environment.wait_for_objects(name).await;
    }
    let climb = json!({"annotations": {"group": "system:masters"}});
    patch_metadata(&environment.tenants(), "two", climb).await;
    let modest = json!({"annotations": {"group": "team-one"}});
    patch_metadata(&environment.tenants(), "one", modest).await;
    // The name is taken by a Secret with all labels, but no owner.
    let labels = json!({labels::MANAGED_BY: "taken", labels::MANAGED_FOR: "one"});
    theirs(
        &environment,
        json!({"name": "one-taken", "namespace": NAMESPACE, "labels": labels}),
    )
    .await;
    let ca = uid(&environment, "one-ca").await;
    let client = account(&environment).await;
    let _controller = elected(&client);
    let path = json!({"groups": [{"fromDefinition": "metadata.annotations.group"}]});
    generator(&environment, "climbers", path).await;
    generator(&environment, "taken", json!({})).await;
    generator(&environment, "ca", json!({})).await;
    let broken = json!({"matchExpressions": [{"key": "a", "operator": "Like"}]});
    generator(&environment, "broken", json!({"namespaceSelector": broken})).await;
    let elsewhere = json!({"matchLabels": {"stage": "live"}});
    generator(
        &environment,
        "elsewhere",
        json!({"namespaceSelector": elsewhere}),
    )
    .await;

    let status = counted(&environment, "climbers", (1, 2)).await;
    let message = &errors(&status)["tenants/two"];
    assert!(
        message.contains("system:masters") && message.contains("stringValue"),
        "{message}"
    );
    assert!(environment.secret("two-climbers").await.is_none());
    let status = counted(&environment, "taken", (1, 2)).await;
    assert!(errors(&status)["tenants/one"].contains("one-taken exists"));
    let secret = environment.secret("one-taken").await.unwrap();
    assert_eq!(text(&secret), "theirs");
    let status = counted(&environment, "ca", (0, 2)).await;
    assert!(errors(&status)["tenants/one"].contains("another name"));
    assert_eq!(uid(&environment, "one-ca").await, ca);
    let status = counted(&environment, "broken", (0, 0)).await;
    assert!(errors(&status)["broken"].contains("Like"));
    counted(&environment, "elsewhere", (0, 0)).await;
    environment.assert_quiescent(3).await;

    // Labels of the namespace decide, and only an administrator writes them.
    let namespaces =
        kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(environment.client.clone());
    patch_metadata(&namespaces, NAMESPACE, json!({"labels": {"stage": "live"}})).await;
    counted(&environment, "elsewhere", (2, 2)).await;
    patch_metadata(&namespaces, NAMESPACE, json!({"labels": {"stage": null}})).await;
    counted(&environment, "elsewhere", (0, 0)).await;
    gone(&environment, "one-elsewhere").await;
    gone(&environment, "two-elsewhere").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubeconfigs_that_nobody_requests_are_deleted_and_copies_are_not() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment.tenant("one", json!({})).await;
    environment.wait_for_objects("one").await;
    let client = account(&environment).await;
    let first = controller(&client);
    generator(&environment, "all", json!({})).await;
    let red = json!({"tenantControlPlaneSelector": {"matchLabels": {"team": "red"}}});
    generator(&environment, "reds", red).await;
    generator(&environment, "keeper", json!({})).await;
    generator(&environment, "earlier", json!({})).await;
    counted(&environment, "all", (1, 1)).await;
    counted(&environment, "keeper", (1, 1)).await;
    counted(&environment, "earlier", (1, 1)).await;
    let mark = environment.api.audit().mark().unwrap();
    patch_metadata(
        &environment.tenants(),
        "one",
        json!({"labels": {"team": "red"}}),
    )
    .await;
    counted(&environment, "reds", (1, 1)).await;
    // A copy of the whole Secret under another name, and one that a person keeps.
    let secret = environment.secret("one-all").await.unwrap();
    let mut copy = serde_json::to_value(&secret.metadata).unwrap();
    let metadata = json!({
        "name": "one-copy", "namespace": NAMESPACE, "labels": copy["labels"].take(),
        "annotations": copy["annotations"].take(), "ownerReferences": copy["ownerReferences"].take(),
    });
    theirs(&environment, metadata).await;
    let paused = json!({"annotations": {labels::PAUSED: ""}});
    patch_metadata(&environment.secrets(), "one-keeper", paused).await;
    // As upstream writes it: without the generator's uid.
    let unrecorded = json!({"annotations": {labels::GENERATOR_UID: null, labels::PAUSED: ""}});
    patch_metadata(&environment.secrets(), "one-earlier", unrecorded).await;

    patch_metadata(
        &environment.tenants(),
        "one",
        json!({"labels": {"team": null}}),
    )
    .await;
    gone(&environment, "one-reds").await;
    counted(&environment, "reds", (0, 0)).await;
    // While no controller runs a generator goes, and one is made again under its name.
    drop(first);
    for name in ["all", "keeper", "earlier"] {
        delete(&environment, name).await;
    }
    generator(&environment, "keeper", json!({})).await;
    let kept = uid(&environment, "one-keeper").await;
    let unpaused = json!({"annotations": {labels::PAUSED: null}});
    patch_metadata(&environment.secrets(), "one-earlier", unpaused).await;
    let _second = controller(&client);
    gone(&environment, "one-all").await;
    counted(&environment, "keeper", (1, 1)).await;
    uid(&environment, "one-copy").await;
    uid(&environment, "one-earlier").await;
    assert_eq!(uid(&environment, "one-keeper").await, kept);
    // Without the pause the uid of the new generator is recorded, and the Secret goes with it.
    patch_metadata(
        &environment.secrets(),
        "one-keeper",
        json!({"annotations": {labels::PAUSED: null}}),
    )
    .await;
    let live = generators(&environment).get("keeper").await.unwrap();
    wait_until("the uid of the new generator", async || {
        let secret = environment.secret("one-keeper").await?;
        let annotations = secret.metadata.annotations?;
        (annotations.get(labels::GENERATOR_UID) == live.metadata.uid.as_ref()).then_some(())
    })
    .await;
    delete(&environment, "keeper").await;
    gone(&environment, "one-keeper").await;
    let denied = requests(&environment, mark);
    assert!(
        denied.iter().all(|entry| entry.response_status.code != 403),
        "{denied:#?}"
    );
}
