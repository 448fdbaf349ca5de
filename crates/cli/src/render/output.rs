//! Prints planned objects, and the rest of a plan, as YAML documents.

use kamaji_core::{
    object::{Kind, Object},
    pki::summary,
    plan::{Plan, Step},
};
use serde_json::{Map, Value, json};

/// Prints `objects` in their order, each as one document. With `summarise`, Secrets have a field
/// `data_decoded` with decoded certificates and without keys in place of `data`.
pub fn objects(objects: &[Object], summarise: bool) -> anyhow::Result<()> {
    for object in objects {
        let mut body = object.body.clone();
        if summarise && object.key.kind == Kind::Secret {
            summarised(&mut body)?;
        }
        println!("---\n{}", serde_saphyr::to_string(&body)?);
    }
    Ok(())
}

/// Prints everything of a plan that is no object, as one document with the only field `plan`. Its parts are
/// left out where they are empty. No credential is printed.
pub fn rest(plan: &Plan) -> anyhow::Result<()> {
    let document = json!({"plan": parts(plan)?});
    println!("---\n{}", serde_saphyr::to_string(&document)?);
    Ok(())
}

fn parts(plan: &Plan) -> anyhow::Result<Map<String, Value>> {
    let bindings: Vec<Value> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Bind(store, binding) => Some(json!({
                "dataStore": store.name,
                "driver": store.driver,
                "schema": binding.schema,
                "user": binding.user,
                "recorded": binding.recorded,
            })),
            Step::Write(_) => None,
        })
        .collect();
    let waits: Vec<Value> = plan
        .waits
        .iter()
        .map(|wait| {
            json!({
                "condition": wait.condition.as_str(),
                "reason": wait.reason.as_str(),
                "message": wait.message,
            })
        })
        .collect();
    let prunes: Vec<String> = plan.prunes.iter().map(ToString::to_string).collect();
    let parts = [
        ("bindings", json!(bindings)),
        ("deletes", json!(prunes)),
        ("finalizers", json!(plan.finalizers)),
        ("reconcileAt", json!(plan.requeue_at)),
        ("status", serde_json::to_value(&plan.status)?),
        ("waits", json!(waits)),
    ];
    let filled = parts.into_iter().filter(|(_, part)| match part {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        _ => true,
    });
    Ok(filled.map(|(name, part)| (name.to_owned(), part)).collect())
}

fn summarised(body: &mut Value) -> anyhow::Result<()> {
    let secret: k8s_openapi::api::core::v1::Secret = serde_json::from_value(body.clone())?;
    let data = secret.data.unwrap_or_default();
    let decoded: Map<String, Value> = data
        .iter()
        .map(|(key, bytes)| (key.clone(), summary::value(key, &bytes.0)))
        .collect();
    if let Some(map) = body.as_object_mut() {
        map.remove("data");
        map.insert("data_decoded".to_owned(), decoded.into());
    }
    Ok(())
}
