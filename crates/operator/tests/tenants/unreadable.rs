//! Objects that this build cannot parse, because newer definitions allow values that it does not know.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::environment::Environment;

/// Applies definitions that allow one more type of Service.
pub async fn newer_definitions(environment: &Environment) {
    for (_, mut definition) in kamaji_api::crd::all() {
        let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/controlPlane/properties/service/properties/serviceType/enum";
        let kind = definition["spec"]["names"]["kind"]
            .as_str()
            .map(str::to_owned);
        if kind.as_deref() != Some("TenantControlPlane") {
            continue;
        }
        let values = definition.pointer_mut(schema).and_then(Value::as_array_mut);
        values.unwrap().push(json!("FromTheFuture"));
        environment.apply(definition).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_object_gets_a_condition_and_can_be_deleted() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    newer_definitions(&environment).await;
    let patch = json!({"spec": {"controlPlane": {"service": {"serviceType": "FromTheFuture"}}}});
    let api = environment.untyped();
    let params = PatchParams::default();
    crate::environment::wait_until("the new definition to be served", async || {
        api.patch("t", &params, &Patch::Merge(&patch)).await.ok()
    })
    .await;
    let message = crate::environment::wait_until("a condition", async || {
        let live = api.get_opt("t").await.ok()??;
        let conditions = live.data["status"]["conditions"].as_array()?.clone();
        let mut conditions = conditions.into_iter();
        let found = conditions.find(|c| c["reason"] == "ObjectUnreadable")?;
        found["message"].as_str().map(str::to_owned)
    })
    .await;
    assert!(message.contains("FromTheFuture"), "{message}");
    let live = api.get("t").await.unwrap();
    assert!(
        live.data["status"]["storage"]["setup"]["schema"].is_string(),
        "the other fields of the status stay"
    );
    environment.assert_quiescent(4).await;

    drop(operator);
    let _operator = environment.operator();
    api.delete("t", &DeleteParams::default()).await.unwrap();
    crate::environment::wait_until("the tenant to be gone", async || {
        let found = api.get_opt("t").await.ok()?;
        found.is_none().then_some(())
    })
    .await;
}
