//! Conversion of KamajiControlPlanes and their templates between v1alpha1 and v1alpha2.
//!
//! The definitions of both versions hold all fields of v1alpha2; v1alpha1 has the status fields of the old contract
//! beside them. So nothing is lost either way, and no annotation is needed.

use serde_json::{Map, Value, json};

/// API group of the converted kinds.
const GROUP: &str = "controlplane.cluster.x-k8s.io";

/// Status fields of the old contract.
const OLD: [&str; 3] = ["initialized", "updatedReplicas", "unavailableReplicas"];

/// Converts an object to the version `desired` (group and version). The error names the object, the unknown version
/// and the known ones.
pub fn convert(mut object: Value, desired: &str) -> Result<Value, String> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let kind = object["kind"].as_str().unwrap_or_default();
    let from = object["apiVersion"].as_str().unwrap_or_default();
    let unknown = |version: &str| {
        format!(
            "{kind} {name}: there is no version {version}, only v1alpha1 and v1alpha2 of {GROUP}"
        )
    };
    let (from, to) = (
        version(from).ok_or_else(|| unknown(from))?,
        version(desired).ok_or_else(|| unknown(desired))?,
    );
    match (from, to) {
        ("v1alpha1", "v1alpha2") => upgrade(&mut object),
        ("v1alpha2", "v1alpha1") => downgrade(&mut object),
        _ => {}
    }
    object["apiVersion"] = json!(desired);
    Ok(object)
}

fn version(api_version: &str) -> Option<&str> {
    let version = api_version.strip_prefix(GROUP)?.strip_prefix('/')?;
    matches!(version, "v1alpha1" | "v1alpha2").then_some(version)
}

fn upgrade(object: &mut Value) {
    if let Some(spec) = object["spec"].as_object_mut() {
        endpoint(spec);
    }
    let wanted = object["spec"]["replicas"].as_i64();
    let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else {
        return;
    };
    let old = OLD.map(|key| status.remove(key));
    let [initialized, updated, unavailable] = old;
    if let Some(done) = initialized.filter(|done| done == true) {
        absent(
            status,
            "initialization",
            json!({"controlPlaneInitialized": done}),
        );
    }
    if let Some(updated) = updated {
        absent(status, "upToDateReplicas", updated);
    }
    if let (Some(wanted), Some(unavailable)) = (wanted, unavailable.and_then(|n| n.as_i64())) {
        absent(
            status,
            "availableReplicas",
            json!((wanted - unavailable).max(0)),
        );
    }
}

/// Removes empty members of the endpoint: v1alpha1 always had both, empty where there was no endpoint.
fn endpoint(spec: &mut Map<String, Value>) {
    let Some(endpoint) = spec
        .get_mut("controlPlaneEndpoint")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    endpoint.retain(|_, value| !(value == "" || value == 0));
    if endpoint.is_empty() {
        spec.remove("controlPlaneEndpoint");
    }
}

fn downgrade(object: &mut Value) {
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(0);
    let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else {
        return;
    };
    let number = |status: &Map<String, Value>, key: &str| status.get(key).and_then(Value::as_i64);
    let initialization = status.get("initialization");
    let done = initialization.is_some_and(|i| i["controlPlaneInitialized"] == true);
    let updated = number(status, "upToDateReplicas").unwrap_or(0);
    let available = number(status, "availableReplicas").unwrap_or(0);
    status.insert("initialized".to_owned(), json!(done));
    status.insert("updatedReplicas".to_owned(), json!(updated));
    let unavailable = (wanted - available).max(0);
    status.insert("unavailableReplicas".to_owned(), json!(unavailable));
}

fn absent(map: &mut Map<String, Value>, key: &str, value: Value) {
    map.entry(key).or_insert(value);
}

#[cfg(test)]
mod tests;
