//! Secrets whose TenantControlPlane was deleted by force: the operator removes their finalizers.

use std::time::Duration;

use kube::{
    Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    client::Body,
};
use serde_json::json;
use tokio::{sync::watch as channel, time::timeout};

use crate::environment::{Environment, wait_until};

const SECRET: &str = "t-datastore-config";

/// Deletes the tenant `t` together with its finalizers, and then its Secret as the garbage collector does.
async fn force_delete_tenant(environment: &Environment) {
    let tenants = environment.tenants();
    tenants.delete("t", &DeleteParams::default()).await.unwrap();
    let no_finalizers = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let _ = tenants
        .patch("t", &PatchParams::default(), &no_finalizers)
        .await;
    environment.wait_deleted("t").await;
    let secrets = environment.secrets();
    secrets
        .delete(SECRET, &DeleteParams::default())
        .await
        .unwrap();
    let secret = environment.secret(SECRET).await.unwrap();
    assert!(secret.metadata.deletion_timestamp.is_some());
}

/// Waits until the Secret is deleted.
async fn wait_released(environment: &Environment) {
    wait_until("the Secret to be released", async || {
        environment.secret(SECRET).await.is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_whose_tenant_was_deleted_by_force_is_released() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    drop(operator);
    force_delete_tenant(&environment).await;
    let _operator = environment.operator();
    wait_released(&environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_a_live_tenant_is_not_released_and_its_predecessors_is() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    let secrets = environment.secrets();
    secrets
        .delete(SECRET, &DeleteParams::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(
        environment.secret(SECRET).await.is_some(),
        "its tenant exists"
    );
    drop(operator);
    let no_finalizers = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let tenants = environment.tenants();
    tenants
        .patch("t", &PatchParams::default(), &no_finalizers)
        .await
        .unwrap();
    tenants.delete("t", &DeleteParams::default()).await.unwrap();
    environment.wait_deleted("t").await;
    let former = environment.secret(SECRET).await.unwrap().metadata.uid;
    environment
        .tenant(
            "t",
            json!({"dataStoreSchema": "other", "dataStoreUsername": "other"}),
        )
        .await;
    let _operator = environment.operator();
    wait_until("the predecessor's Secret to be released", async || {
        let live = environment.secret(SECRET).await;
        live.is_none_or(|live| live.metadata.uid != former)
            .then_some(())
    })
    .await;
}

/// A backup brings the Secret back with its labels and its finalizer, and without an owner.
async fn restore_secret(environment: &Environment, schema: &str) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": SECRET,
            "labels": {"kamaji.clastix.io/project": "kamaji", "kamaji.clastix.io/name": "t"},
            "finalizers": ["finalizer.kamaji.clastix.io/datastore-secret"],
        },
        "stringData": {"DB_SCHEMA": schema, "DB_USER": schema},
    });
    let secret = serde_json::from_value(secret).unwrap();
    let secrets = environment.secrets();
    secrets
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_secret_keeps_its_tenant_waiting_until_it_is_deleted_and_no_namespace_for_ever()
{
    let environment = Environment::new().await;
    let _operator = environment.operator();
    let delete = async || {
        let secrets = environment.secrets();
        let deleted = secrets.delete(SECRET, &DeleteParams::default()).await;
        deleted.unwrap();
    };
    restore_secret(&environment, "former").await;
    delete().await;
    wait_released(&environment).await;

    restore_secret(&environment, "former").await;
    environment.tenant("t", json!({})).await;
    environment
        .wait_for_condition("t", "DataStoreReady", "DataStoreUnrecorded")
        .await;
    delete().await;
    environment
        .wait_for_condition("t", "DataStoreReady", "AsPlanned")
        .await;
    let tenant = environment.tenants().get("t").await.unwrap();
    let setup = tenant.status.unwrap().storage.unwrap().setup.unwrap();
    assert_eq!(setup.schema, tenant.metadata.uid);
}

/// The list of tenants that the operator gets is empty and no event follows, as from a watch that lags.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_kept_while_the_watch_lacks_its_live_tenant() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    drop(operator);
    environment
        .secrets()
        .delete(SECRET, &DeleteParams::default())
        .await
        .unwrap();
    let (read, mut was_read) = channel::channel(false);
    let wrap = move |request: http::Request<Body>, client: Client| {
        let read = read.clone();
        async move {
            let path = request.uri().path().to_owned();
            if path.ends_with("/tenantcontrolplanes") {
                let query = request.uri().query().unwrap_or_default();
                if query.contains("watch=") {
                    return std::future::pending().await;
                }
                let none = json!({
                    "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlaneList",
                    "metadata": {"resourceVersion": "1"}, "items": [],
                });
                return Ok(http::Response::new(Body::from(
                    none.to_string().into_bytes(),
                )));
            }
            let answer = client.send(request).await;
            if path.ends_with("/tenantcontrolplanes/t") {
                read.send_replace(true);
            }
            answer
        }
    };
    let _operator = environment.run_through(Environment::settings(), wrap);
    let limit = Duration::from_mins(1);
    let asked = timeout(limit, was_read.wait_for(|read| *read)).await;
    assert!(asked.is_ok(), "the operator did not read the tenant");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(
        environment.secret(SECRET).await.is_some(),
        "its tenant exists"
    );
}
