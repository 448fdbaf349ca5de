//! Secrets whose TenantControlPlane was deleted by force.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::environment::{Environment, until};

const SECRET: &str = "t-datastore-config";

/// Deletes the tenant `t` as a person does who has lost patience, and its Secret as the garbage
/// collector then does.
async fn force_deleted(environment: &Environment) {
    let tenants = environment.tenants();
    tenants.delete("t", &DeleteParams::default()).await.unwrap();
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let _ = tenants.patch("t", &PatchParams::default(), &none).await;
    environment.gone("t").await;
    let secrets = environment.secrets();
    secrets
        .delete(SECRET, &DeleteParams::default())
        .await
        .unwrap();
    let waits = environment.secret(SECRET).await.unwrap();
    assert!(waits.metadata.deletion_timestamp.is_some());
}

async fn released(environment: &Environment) {
    until("the Secret to be released", async || {
        environment.secret(SECRET).await.is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_whose_tenant_was_deleted_by_force_is_released() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.written("t").await;
    drop(operator);
    force_deleted(&environment).await;
    let _operator = environment.operator();
    released(&environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_a_tenant_that_is_there_is_not_released_and_a_predecessors_is() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.written("t").await;
    let secrets = environment.secrets();
    secrets
        .delete(SECRET, &DeleteParams::default())
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(
        environment.secret(SECRET).await.is_some(),
        "its tenant is there"
    );
    drop(operator);
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let tenants = environment.tenants();
    tenants
        .patch("t", &PatchParams::default(), &none)
        .await
        .unwrap();
    tenants.delete("t", &DeleteParams::default()).await.unwrap();
    environment.gone("t").await;
    let old = environment.secret(SECRET).await.unwrap().metadata.uid;
    environment
        .tenant(
            "t",
            json!({"dataStoreSchema": "other", "dataStoreUsername": "other"}),
        )
        .await;
    let _operator = environment.operator();
    until("the predecessor's Secret to be released", async || {
        let live = environment.secret(SECRET).await;
        live.is_none_or(|live| live.metadata.uid != old)
            .then_some(())
    })
    .await;
}
