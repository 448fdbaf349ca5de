//! Operators that follow one that was stopped or killed: no request about a tenant that is as planned, and whatever was
//! changed meanwhile is repaired.

use std::time::Duration;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kamaji_operator::settings::Settings;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::environment::{Environment, wait_until};

/// Name of the Secret that an operator leaves.
const NAME: &str = "kamaji-handover";
/// A Secret of the tenant `changed` that the test damages, and its key.
const DAMAGED: (&str, &str) = ("changed-api-server-certificate", "apiserver.crt");

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_operator_asks_only_for_tenants_that_changed_meanwhile() {
    let environment = Environment::new().await;
    let operator = environment.stoppable();
    for name in ["kept", "changed"] {
        let spec = json!({"addons": {"konnectivity": {"server": {"port": 8132}}}});
        environment.tenant(name, spec).await;
        environment.wait_for_objects(name).await;
    }
    environment.assert_quiescent(3).await;
    operator.stop().await;
    damage(&environment).await;
    let mark = environment.api.audit().mark().unwrap();
    let restarted = environment.stoppable();
    wait_repaired(&environment).await;
    environment.assert_quiescent(3).await;
    assert_eq!(
        requests_about(&environment, mark, "kept"),
        Vec::<String>::new()
    );
    assert!(!requests_about(&environment, mark, "changed").is_empty());
    let former = handover(&environment).await.unwrap();
    restarted.stop().await;
    let left = handover(&environment).await.unwrap();
    assert_ne!(
        left.data, former.data,
        "it has the tenant that was repaired"
    );
    // What another operator would render is another plan.
    let mark = environment.api.audit().mark().unwrap();
    let other = kamaji_core::settings::Settings {
        expiration_deadline: Duration::from_hours(25),
        ..Environment::settings().core
    };
    let _other = environment.run(Settings {
        core: other,
        ..Environment::settings()
    });
    wait_until("kept to be planned", async || {
        let requests = requests_about(&environment, mark, "kept");
        (!requests.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handover_of_another_type_is_left_alone_and_every_tenant_is_planned() {
    let environment = Environment::new().await;
    let foreign = environment
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": NAME, "namespace": "kamaji-system"},
            "stringData": {"tenants": "somebody else's"},
        }))
        .await;
    let operator = environment.run(recording());
    environment.tenant("lonely", json!({})).await;
    environment.wait_for_objects("lonely").await;
    environment.assert_quiescent(3).await;
    drop(operator);
    environment.stoppable().stop().await;
    let left = handover(&environment).await.unwrap();
    assert_eq!(left.resource_version(), foreign.resource_version());
    let mark = environment.api.audit().mark().unwrap();
    let _operator = environment.operator();
    wait_until("the tenant to be planned", async || {
        let requests = requests_about(&environment, mark, "lonely");
        (!requests.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_operator_leaves_a_handover_and_the_next_one_writes_nothing() {
    let environment = Environment::new().await;
    let operator = environment.run(recording());
    environment.tenant("kept", json!({})).await;
    environment.wait_for_objects("kept").await;
    wait_until("the handover", async || handover(&environment).await).await;
    environment.assert_quiescent(3).await;
    // It is aborted, as by a kill.
    drop(operator);
    let left = handover(&environment).await.unwrap();
    let mark = environment.api.audit().mark().unwrap();
    let _operator = environment.run(recording());
    environment.assert_quiescent(3).await;
    assert_eq!(
        requests_about(&environment, mark, "kept"),
        Vec::<String>::new()
    );
    assert!(environment.writes(mark).is_empty());
    let same = handover(&environment).await.unwrap();
    assert_eq!(same.resource_version(), left.resource_version());
    // A Secret that somebody deleted is not missed before something changes.
    let params = DeleteParams::default();
    secrets(&environment).delete(NAME, &params).await.unwrap();
    environment.tenant("later", json!({})).await;
    let made = wait_until("a handover of both", async || handover(&environment).await).await;
    assert_ne!(made.uid(), left.uid());
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_a_tenant_that_was_handed_over_is_measured_by_the_next_process() {
    let environment = Environment::new().await;
    let operator = environment.stoppable();
    environment
        .tenant("kept", json!({"dataStoreSchema": "kept"}))
        .await;
    environment.wait_for_objects("kept").await;
    environment.assert_quiescent(3).await;
    operator.stop().await;
    assert!(handover(&environment).await.is_some());
    let mut client = environment.etcd_client().await;
    let key = "/kept/registry/configmaps/one";
    client.put(key, "x", None).await.unwrap();
    let _operator = environment.run(Settings {
        tenant_usage: Duration::from_secs(4),
        ..Environment::settings()
    });
    wait_until("the size of the tenant that was handed over", async || {
        let tenant = environment.tenants().get("kept").await.ok()?;
        let usage = tenant.status?.storage?.usage?;
        (usage.keys == 1).then_some(())
    })
    .await;
}

/// Settings of an operator that keeps its handover up to date.
fn recording() -> Settings {
    Settings {
        handover: Duration::from_secs(1),
        ..Environment::settings()
    }
}

/// Secrets of the operator's namespace.
fn secrets(environment: &Environment) -> Api<Secret> {
    Api::namespaced(environment.client.clone(), "kamaji-system")
}

/// The Secret that an operator leaves.
async fn handover(environment: &Environment) -> Option<Secret> {
    secrets(environment).get_opt(NAME).await.unwrap()
}

/// Replaces a certificate, and leaves every annotation of its Secret as it is.
async fn damage(environment: &Environment) {
    let (name, key) = DAMAGED;
    let patch = json!({"data": {key: ByteString(b"damaged".to_vec())}});
    let patch = Patch::Merge(patch);
    let params = PatchParams::default();
    environment
        .secrets()
        .patch(name, &params, &patch)
        .await
        .unwrap();
}

async fn wait_repaired(environment: &Environment) {
    let (name, key) = DAMAGED;
    wait_until("the certificate to be issued again", async || {
        let data = environment.secret(name).await?.data?;
        (data.get(key)?.0 != b"damaged").then_some(())
    })
    .await;
}

/// Requests of operators since `mark` that name the tenant.
fn requests_about(environment: &Environment, mark: u64, tenant: &str) -> Vec<String> {
    let entries = environment.api.audit().since(mark).unwrap();
    entries
        .into_iter()
        .filter(|entry| entry.user.username.starts_with("system:serviceaccount:"))
        .filter(|entry| entry.uri.contains(tenant))
        .map(|entry| format!("{} {}", entry.verb, entry.uri))
        .collect()
}
