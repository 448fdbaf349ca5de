//! Objects in the layout of upstream's dumps.

use std::path::Path;

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use kamaji_core::pki::summary;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Api, Client};
use serde_json::{Value, json};

/// Metadata that differs from run to run.
const VOLATILE: [&str; 4] = [
    "managedFields",
    "uid",
    "resourceVersion",
    "creationTimestamp",
];

/// Applies `objects`, so that the API server fills in its defaults, and writes its answers to `dir`.
pub async fn write(client: &Client, objects: &[Value], dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    for object in objects {
        let mut answer = apply(client, object).await?;
        clean(&mut answer);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &answer["metadata"];
        let mut words = vec![text(&answer["kind"])];
        words.extend(metadata.get("namespace").map(text));
        words.push(text(&metadata["name"]));
        let file = words.join("_").replace(':', "--").replace('/', "_");
        // JSON is YAML in which no text can be mistaken for a number.
        std::fs::write(
            dir.join(format!("{file}.yaml")),
            serde_json::to_string_pretty(&answer)?,
        )?;
    }
    Ok(())
}

async fn apply(client: &Client, object: &Value) -> Result<Value> {
    let name = object["metadata"]["name"]
        .as_str()
        .context("an object without a name")?;
    if let Some(namespace) = object["metadata"]["namespace"].as_str() {
        let given =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        patch(client, namespace, &given).await?;
    }
    let answer = patch(client, name, object).await;
    answer.with_context(|| format!("apply {} {name}", object["kind"]))
}

async fn patch(client: &Client, name: &str, object: &Value) -> Result<Value> {
    let types: TypeMeta = serde_json::from_value(object.clone())?;
    let kind = GroupVersionKind::try_from(&types)?;
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let params = PatchParams::apply("kamaji").force();
    Ok(serde_json::to_value(
        api.patch(name, &params, &Patch::Apply(object)).await?,
    )?)
}

fn clean(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|key, _| !VOLATILE.contains(&key.as_str()));
    }
    let owners = object
        .pointer_mut("/metadata/ownerReferences")
        .and_then(Value::as_array_mut);
    for owner in owners.into_iter().flatten() {
        owner.as_object_mut().map(|owner| owner.remove("uid"));
    }
    match object["kind"].as_str() {
        Some("Secret") => decode(object),
        Some("ConfigMap") => {
            let data = object.get_mut("data").and_then(Value::as_object_mut);
            for (key, value) in data.into_iter().flatten() {
                let text = value.as_str().unwrap_or_default();
                if text.contains("LS0tLS1CRUdJTi") || text.contains("-----BEGIN") {
                    *value = summary::value(key, text.as_bytes());
                }
            }
        }
        _ => {}
    }
}

fn decode(secret: &mut Value) {
    let Some(Value::Object(data)) = secret.as_object_mut().and_then(|map| map.remove("data"))
    else {
        return;
    };
    let decoded: serde_json::Map<String, Value> = data
        .into_iter()
        .map(|(key, value)| {
            let bytes = BASE64_STANDARD.decode(value.as_str().unwrap_or_default());
            let shown = summary::value(&key, &bytes.unwrap_or_default());
            (key, shown)
        })
        .collect();
    secret["data_decoded"] = decoded.into();
}
