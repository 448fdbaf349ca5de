//! Objects with a tenant's names or labels that the operator did not create: it leaves them unchanged.

use k8s_openapi::api::core::v1::{Secret, Service};
use kamaji_api::labels;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::environment::{Environment, NAMESPACE, wait_until};

/// Service of an application.
fn shop_service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": "shop"}, "ports": [{"name": "http", "port": 80}]},
    })
}

/// Sleeps until the DataStore's list of its users is written, a moment after a tenant.
async fn sleep_past_the_update_of_users() {
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
}

async fn service(environment: &Environment, name: &str) -> Service {
    let services: Api<Service> = Api::namespaced(environment.client.clone(), NAMESPACE);
    services.get(name).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_an_application_is_left_alone_until_it_is_annotated_for_adoption() {
    let environment = Environment::new().await;
    let foreign = environment.apply(shop_service("web")).await;
    let operator = environment.operator();
    environment.tenant("web", json!({})).await;
    let message = environment
        .wait_for_condition("web", "Reconciled", "ObjectForeign")
        .await;
    for part in ["Service tenants/web", "kamaji.clastix.io/adopt=web"] {
        assert!(message.contains(part), "{message}");
    }
    environment
        .wait_for_condition("web", "EndpointAssigned", "ServiceForeign")
        .await;
    let secrets = ApiResource::erase::<Secret>(&());
    assert!(environment.owned(&secrets, "web").await.len() >= 3);
    let now = service(&environment, "web").await;
    assert_eq!(now.resource_version(), foreign.resource_version());
    sleep_past_the_update_of_users().await;
    environment.assert_quiescent(5).await;

    drop(operator);
    let adoption = json!({"metadata": {"annotations": {labels::ADOPT: "web"}}});
    let services: Api<Service> = Api::namespaced(environment.client.clone(), NAMESPACE);
    let (params, patch) = (PatchParams::default(), Patch::Merge(adoption));
    services.patch("web", &params, &patch).await.unwrap();
    let _restarted = environment.operator();
    environment.wait_for_objects("web").await;
    sleep_past_the_update_of_users().await;
    let now = service(&environment, "web").await;
    let spec = now.spec.clone().unwrap();
    assert_eq!(spec.selector.unwrap()[labels::NAME], "web");
    assert_eq!(spec.ports.unwrap().len(), 1);
    assert_eq!(now.owner_references().len(), 1);
    environment.assert_quiescent(5).await;
}

/// A copy of an object has the labels of the original.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_tenants_service_and_deployment_changes_nothing() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    sleep_past_the_update_of_users().await;
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
    environment.assert_quiescent(5).await;
    drop(operator);
    let _restarted = environment.operator();
    environment.assert_quiescent(5).await;
    let after = environment
        .tenants()
        .get("t")
        .await
        .unwrap()
        .status
        .unwrap();
    assert_eq!(before.control_plane_endpoint, after.control_plane_endpoint);
}

/// The Secrets with copied labels are too large to be listed together.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_with_copied_labels_are_not_read() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
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
    // The drift of a Secret is observed and repaired in spite of them.
    let secrets = environment.secrets();
    let drift = json!({"metadata": {"annotations": {labels::CHECKSUM: "drifted"}}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(drift));
    secrets
        .patch("t-api-server-certificate", &params, &patch)
        .await
        .unwrap();
    wait_until("the drift to be repaired", async || {
        let secret = environment.secret("t-api-server-certificate").await?;
        (secret.annotations()[labels::CHECKSUM] != "drifted").then_some(())
    })
    .await;
    let requests = environment.api.audit().since(mark).unwrap();
    let reads: Vec<_> = requests
        .iter()
        .filter(|entry| entry.verb == "get")
        .collect();
    assert!(reads.iter().all(|entry| !entry.uri.contains("/secrets/a-")));
    let of_tenant = |entry: &&&kamaji_e2e::audit::Entry| entry.uri.contains("/secrets/t-");
    assert!(reads.iter().filter(of_tenant).count() >= 10, "one by one");
}
