//! Objects under a tenant's names that others made.

use k8s_openapi::api::core::v1::{Secret, Service};
use kamaji_api::labels;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::environment::{Environment, NAMESPACE, until};

fn shop(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": "shop"}, "ports": [{"name": "http", "port": 80}]},
    })
}

/// Who uses the DataStore is written down a moment later.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
}

async fn service(environment: &Environment, name: &str) -> Service {
    let services: Api<Service> = Api::namespaced(environment.client.clone(), NAMESPACE);
    services.get(name).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_an_application_is_left_alone_until_it_is_handed_over() {
    let environment = Environment::new().await;
    let theirs = environment.apply(shop("web")).await;
    let operator = environment.operator();
    environment.tenant("web", json!({})).await;
    let why = environment
        .reason("web", "Reconciled", "ObjectForeign")
        .await;
    for part in ["Service tenants/web", "kamaji.clastix.io/adopt=web"] {
        assert!(why.contains(part), "{why}");
    }
    environment
        .reason("web", "EndpointAssigned", "ServiceForeign")
        .await;
    let secrets = ApiResource::erase::<Secret>(&());
    assert!(environment.owned(&secrets, "web").await.len() >= 3);
    let now = service(&environment, "web").await;
    assert_eq!(now.resource_version(), theirs.resource_version());
    settle().await;
    environment.at_rest(5).await;

    drop(operator);
    let hand_over = json!({"metadata": {"annotations": {labels::ADOPT: "web"}}});
    let services: Api<Service> = Api::namespaced(environment.client.clone(), NAMESPACE);
    let (params, patch) = (PatchParams::default(), Patch::Merge(hand_over));
    services.patch("web", &params, &patch).await.unwrap();
    let _restarted = environment.operator();
    environment.written("web").await;
    settle().await;
    let now = service(&environment, "web").await;
    let spec = now.spec.clone().unwrap();
    assert_eq!(spec.selector.unwrap()[labels::NAME], "web");
    assert_eq!(spec.ports.unwrap().len(), 1);
    assert_eq!(now.owner_references().len(), 1);
    environment.at_rest(5).await;
}

/// Labels can be copied together with all else.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_tenants_service_and_deployment_changes_nothing() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.written("t").await;
    settle().await;
    let before = environment
        .tenants()
        .get("t")
        .await
        .unwrap()
        .status
        .unwrap();
    let mut copy = serde_json::to_value(service(&environment, "t").await).unwrap();
    let metadata = copy["metadata"].as_object_mut().unwrap();
    metadata.insert("name".to_owned(), json!("t-internal"));
    metadata.retain(|key, _| {
        matches!(
            key.as_str(),
            "name" | "namespace" | "labels" | "annotations" | "ownerReferences"
        )
    });
    copy["apiVersion"] = json!("v1");
    copy["kind"] = json!("Service");
    let spec = copy["spec"].as_object_mut().unwrap();
    spec.retain(|key, _| matches!(key.as_str(), "ports" | "selector" | "type"));
    environment.apply(copy).await;
    environment.at_rest(5).await;
    drop(operator);
    let _restarted = environment.operator();
    environment.at_rest(5).await;
    let after = environment
        .tenants()
        .get("t")
        .await
        .unwrap()
        .status
        .unwrap();
    assert_eq!(before.control_plane_endpoint, after.control_plane_endpoint);
}

/// More carries a tenant's labels than could ever be read.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_with_copied_labels_are_not_read() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.written("t").await;
    let ballast = "x".repeat(300 << 10);
    for number in 0..8 {
        let labels = json!({labels::PROJECT: "kamaji", labels::NAME: "t"});
        environment
            .apply(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": format!("a-{number}"), "namespace": NAMESPACE, "labels": labels},
                "stringData": {"ballast": ballast},
            }))
            .await;
    }
    drop(operator);
    let mark = environment.api.audit().mark().unwrap();
    let _restarted = environment.operator();
    // A drifted Secret is seen and put right in spite of them.
    let secrets = environment.secrets();
    let spoil = json!({"metadata": {"annotations": {labels::CHECKSUM: "drifted"}}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(spoil));
    secrets
        .patch("t-api-server-certificate", &params, &patch)
        .await
        .unwrap();
    until("the drift to be put right", async || {
        let secret = environment.secret("t-api-server-certificate").await?;
        (secret.annotations()[labels::CHECKSUM] != "drifted").then_some(())
    })
    .await;
    let asked = environment.api.audit().since(mark).unwrap();
    let read: Vec<_> = asked.iter().filter(|entry| entry.verb == "get").collect();
    assert!(read.iter().all(|entry| !entry.uri.contains("/secrets/a-")));
    let ours = |entry: &&&kamaji_e2e::audit::Entry| entry.uri.contains("/secrets/t-");
    assert!(read.iter().filter(ours).count() >= 10, "one by one");
}
