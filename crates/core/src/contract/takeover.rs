//! Whose are the fields of a TenantControlPlane that the reference made?
//!
//! It wrote by updates, and whoever wrote a field so goes on owning it: what is no longer applied would stay
//! for ever. So those fields that a person can take out of a control plane become ours before the first
//! apply. The rest, above all what webhooks filled in (where the data is), stays with the reference.

use serde_json::{Value, json};

/// Field managers of the reference's provider: the names of its binary, as Docker and ko build it.
const REFERENCE: [&str; 2] = ["manager", "cluster-api-control-plane-provider-kamaji"];

/// What a control plane may have asked for and no longer ask for.
const FIELDS: [&[&str]; 12] = [
    &["f:metadata", "f:annotations"],
    &["f:metadata", "f:labels"],
    &["f:metadata", "f:ownerReferences"],
    &["f:spec", "f:addons"],
    &["f:spec", "f:controlPlane"],
    &["f:spec", "f:dataStoreOverrides"],
    &["f:spec", "f:kubernetes", "f:admissionControllers"],
    &["f:spec", "f:kubernetes", "f:kubelet"],
    &["f:spec", "f:networkProfile", "f:address"],
    &["f:spec", "f:networkProfile", "f:advertiseAddress"],
    &["f:spec", "f:networkProfile", "f:certSANs"],
    &["f:spec", "f:networkProfile", "f:loadBalancerSourceRanges"],
];

/// The next `metadata.managedFields` of an object, in which `manager` has applied what the reference wrote;
/// `None` if the reference wrote nothing of it.
pub fn managed_fields(object: &Value, manager: &str) -> Option<Value> {
    let mut entries = object["metadata"]["managedFields"].as_array()?.clone();
    let mut taken = json!({});
    for entry in &mut entries {
        let main = entry["subresource"].as_str().is_none_or(str::is_empty);
        let theirs = REFERENCE.iter().any(|name| entry["manager"] == *name);
        if theirs && entry["operation"] == "Update" && main {
            for path in FIELDS {
                if let Some(fields) = take(&mut entry["fieldsV1"], path) {
                    put(&mut taken, path, fields);
                }
            }
        }
    }
    if taken == json!({}) {
        return None;
    }
    entries.retain(|entry| entry["fieldsV1"] != json!({}));
    let applied = entries
        .iter_mut()
        .find(|entry| entry["manager"] == manager && entry["operation"] == "Apply");
    if let Some(applied) = applied {
        unite(&mut applied["fieldsV1"], taken);
    } else {
        entries.push(json!({
            "manager": manager, "operation": "Apply", "apiVersion": object["apiVersion"],
            "fieldsType": "FieldsV1", "fieldsV1": taken,
        }));
    }
    Some(Value::Array(entries))
}

/// Takes a set of fields out, and what is empty then: an empty set would mean the field itself.
fn take(fields: &mut Value, path: &[&str]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    let map = fields.as_object_mut()?;
    if rest.is_empty() {
        return map.remove(*first);
    }
    let below = map.get_mut(*first)?;
    let taken = take(below, rest);
    if below.as_object().is_some_and(serde_json::Map::is_empty) {
        map.remove(*first);
    }
    taken
}

fn put(fields: &mut Value, path: &[&str], value: Value) {
    let mut at = fields;
    for name in path {
        at = &mut at[*name];
    }
    if at.is_null() {
        *at = json!({});
    }
    unite(at, value);
}

fn unite(fields: &mut Value, further: Value) {
    let (Value::Object(map), Value::Object(further)) = (fields, further) else {
        return;
    };
    for (name, value) in further {
        unite(map.entry(name).or_insert_with(|| json!({})), value);
    }
}

#[cfg(test)]
#[path = "takeover_tests.rs"]
mod tests;
