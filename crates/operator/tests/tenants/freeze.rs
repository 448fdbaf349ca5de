//! A tenant cluster that a failed migration of upstream has left frozen.

use std::time::Duration;

use k8s_openapi::api::{
    admissionregistration::v1::ValidatingWebhookConfiguration, core::v1::ConfigMap,
};
use kamaji_e2e::audit::Entry;
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};

use crate::{control_plane::ControlPlane, environment::wait_until, tenant_cluster::running_tenant};

/// Name of upstream's configuration.
const FREEZE: &str = "kamaji-freeze";
/// Two resyncs of a tenant cluster of [`running_tenant`], which come after 2 to 3 seconds.
const RESYNCS: Duration = Duration::from_secs(7);

/// Upstream's configuration, of an operator that is no more. Both webhooks call `host`.
fn freeze(host: &str) -> Value {
    let webhook = |name: &str, operations: Value, scope: &str, namespaces: Value| {
        json!({
            "name": format!("{name}.migrate.kamaji.clastix.io"),
            "clientConfig": {"url": format!("https://{host}/migrate")},
            "rules": [{
                "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"],
                "operations": operations, "scope": scope,
            }],
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "namespaceSelector": {"matchExpressions": [namespaces]},
            "sideEffects": "NoneOnDryRun",
            "admissionReviewVersions": ["v1"],
        })
    };
    let namespaces = |operator: &str, values: Value| json!({"key": "kubernetes.io/metadata.name", "operator": operator, "values": values});
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": FREEZE},
        "webhooks": [
            webhook("leases", json!(["CREATE", "DELETE"]), "Namespaced", namespaces("In", json!(["kube-node-lease"]))),
            webhook("catchall", json!(["*"]), "*", namespaces("NotIn", json!(["kube-system", "kube-node-lease"]))),
        ],
    })
}

/// Creates the configuration, unless there is one.
async fn create(client: &Client, object: Value) {
    let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let object = serde_json::from_value(object).unwrap();
    let created = api.create(&PostParams::default(), &object).await;
    assert!(
        matches!(&created, Ok(_) | Err(kube::Error::Api(_))),
        "{created:?}"
    );
}

/// True if the tenant can create a ConfigMap in `default`; none is left.
async fn writes(client: &Client) -> bool {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let map = serde_json::from_value(json!({"metadata": {"name": "probe"}})).unwrap();
    let parameters = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    api.create(&parameters, &map).await.is_ok()
}

/// Writes to the tenant's API server since `mark`, without its own.
fn written(control_plane: &ControlPlane, mark: u64) -> Vec<(String, String)> {
    let foreign = |entry: &Entry| entry.is_write() && entry.user.username != "system:apiserver";
    let entries = control_plane.audit().since(mark).unwrap();
    let entries = entries.into_iter().filter(foreign);
    entries.map(|entry| (entry.verb, entry.uri)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_upstream_left_frozen_writes_again_and_at_rest_nothing_is_written() {
    let (environment, operator, control_plane) = running_tenant().await;
    let tenant = environment.tenant_client("t").await;
    // Without the operator, so that the tenant is seen to be frozen.
    drop(operator);
    wait_until("the tenant to be frozen", async || {
        // A reconcile of the dropped operator that was under way may have removed the first one.
        create(&tenant, freeze("hook.upstream.svc:443")).await;
        (!writes(&tenant).await).then_some(())
    })
    .await;
    let _operator = crate::tenant_cluster::operator(&environment);
    wait_until("the tenant to write again", async || {
        writes(&tenant).await.then_some(())
    })
    .await;
    let found: Api<ValidatingWebhookConfiguration> = Api::all(tenant);
    assert!(found.get_opt(FREEZE).await.unwrap().is_none());
    environment
        .wait_for_condition("t", "TenantClusterConfigured", "AsPlanned")
        .await;
    tokio::time::sleep(RESYNCS).await;
    let mark = control_plane.audit().mark().unwrap();
    tokio::time::sleep(RESYNCS).await;
    assert_eq!(written(&control_plane, mark), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_of_the_tenants_own_by_the_name_of_upstreams_stays_untouched() {
    let (environment, _operator, control_plane) = running_tenant().await;
    let tenant = environment.tenant_client("t").await;
    let mut own = freeze("policies.example.com");
    own["webhooks"].as_array_mut().unwrap().truncate(1);
    own["metadata"]["labels"] = json!({"kamaji.clastix.io/project": "kamaji"});
    create(&tenant, own).await;
    let mark = control_plane.audit().mark().unwrap();
    tokio::time::sleep(RESYNCS).await;
    let found: Api<ValidatingWebhookConfiguration> = Api::all(tenant);
    assert!(found.get_opt(FREEZE).await.unwrap().is_some());
    assert_eq!(written(&control_plane, mark), []);
}
