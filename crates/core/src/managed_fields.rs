//! Rewrites `metadata.managedFields`, so that what others wrote by updates counts as applied by us.
//!
//! Server-side apply removes only fields that the same manager applied before. Fields that an update wrote would
//! stay, and a keyed list would hold both the old and the new item.

use serde_json::{Map, Value, json};

/// The next `metadata.managedFields` of `object`, in which `manager` has applied what `take` takes out
/// of the fields of each entry; `None` if it takes nothing.
pub fn taken_over(
    object: &Value,
    manager: &str,
    take: impl Fn(&mut Value) -> Value,
) -> Option<Value> {
    let mut entries = object["metadata"]["managedFields"].as_array()?.clone();
    let mut taken = json!({});
    for entry in &mut entries {
        let main = entry["subresource"].as_str().is_none_or(str::is_empty);
        let same = entry["apiVersion"] == object["apiVersion"];
        let ours = entry["manager"] == manager && entry["operation"] == "Apply";
        if main && same && !ours {
            unite(&mut taken, take(entry));
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

/// True if `manager` has written a part of `object` by an update, other than its status.
pub fn written_by_update(object: &Value, manager: &str) -> bool {
    let entries = object["metadata"]["managedFields"].as_array();
    entries.into_iter().flatten().any(|entry| {
        entry["manager"] == manager
            && entry["operation"] == "Update"
            && entry["subresource"].as_str().is_none_or(str::is_empty)
    })
}

/// Takes the set below `path` out of `fields`, and what is empty then: an empty set would mean the
/// field itself.
pub fn take(fields: &mut Value, path: &[&str]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    let map = fields.as_object_mut()?;
    if rest.is_empty() {
        return map.remove(*first);
    }
    let below = map.get_mut(*first)?;
    let taken = take(below, rest);
    if below.as_object().is_some_and(Map::is_empty) {
        map.remove(*first);
    }
    taken
}

/// Puts a set of fields in at `path`.
pub fn put(fields: &mut Value, path: &[&str], value: Value) {
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
