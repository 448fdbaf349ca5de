//! Limits of every list, map and string of the definitions, and the kind of every list.
//!
//! The API server refuses a value beyond a limit with the field's name, before the operator reads
//! it. Limits bound the cost of an object; they are no style guide. Objects that were stored beyond
//! a limit stay editable everywhere else (ratcheting of CRD validation).

use serde_json::{Map, Value, json};

/// Items of a list of this API, and entries of a map.
const ITEMS: u64 = 256;
/// Items of the lists within Kubernetes' own types.
const EMBEDDED_ITEMS: u64 = 1024;
/// Bytes of a string of this API in a spec.
const LENGTH: u64 = 1024;
/// Bytes of a string of this API in a status, which only controllers write.
const STATUS_LENGTH: u64 = 32_768;

/// Lists with another limit, by the end of their paths.
const LISTS: [(&str, u64); 6] = [
    (".preferredAddressTypes", 5),
    (".parentRefs", 32),
    (".configurationJSONPatches", 64),
    (".dataStoreOverrides", 64),
    (".spec.endpoints", 64),
    // As many as an object of Kubernetes can hold.
    (".status.usedBy", 100_000),
];

/// Strings with another limit, by the end of their paths. Text that Kubernetes takes further has
/// Kubernetes' limit.
const STRINGS: [(&str, u64); 10] = [
    (".annotations{}", 262_144),
    (".labels{}", 63),
    (".nodeSelector{}", 63),
    (".certSANs[]", 255),
    // 1 MiB, as base64.
    (".content", 1_398_104),
    (".endpoints[]", 256),
    ("Args[]", 4096),
    (".extraArgs.apiServer[]", 4096),
    (".serviceCidrs[]", 64),
    (".podCidrs[]", 64),
];

/// Lists of Kubernetes' own types whose items are merged by key, as its own definitions say.
const MERGED: [(&str, &[&str]); 5] = [
    (".env", &["name"]),
    (".ports", &["containerPort", "protocol"]),
    (".claims", &["name"]),
    (".volumeDevices", &["devicePath"]),
    (".volumeMounts", &["mountPath"]),
];

/// Adds the missing limit and list type to the schema at `path`.
pub(super) fn bound(map: &mut Map<String, Value>, path: &str, embedded: bool) {
    match map.get("type").and_then(Value::as_str) {
        Some("array") => {
            let most = if embedded { EMBEDDED_ITEMS } else { ITEMS };
            insert_limit(map, "maxItems", limit_at(&LISTS, path).unwrap_or(most));
            set_list_type(map, path);
        }
        Some("object") if map.contains_key("additionalProperties") => {
            let most = if embedded { EMBEDDED_ITEMS } else { ITEMS };
            insert_limit(map, "maxProperties", most);
        }
        Some("string") if !embedded && !is_short(map) => {
            let most = if path.starts_with(".status") {
                STATUS_LENGTH
            } else {
                LENGTH
            };
            insert_limit(map, "maxLength", limit_at(&STRINGS, path).unwrap_or(most));
        }
        _ => {}
    }
}

/// True for text whose length is bounded by its values (an enum) or its format (a time).
pub(super) fn is_short(map: &Map<String, Value>) -> bool {
    map.contains_key("enum")
        || map
            .get("format")
            .is_some_and(|format| format == "date-time")
}

fn limit_at(table: &[(&str, u64)], path: &str) -> Option<u64> {
    let row = table.iter().find(|(end, _)| path.ends_with(end));
    row.map(|(_, most)| *most)
}

fn insert_limit(map: &mut Map<String, Value>, key: &str, most: u64) {
    map.entry(key).or_insert_with(|| json!(most));
}

fn set_list_type(map: &mut Map<String, Value>, path: &str) {
    if map.contains_key("x-kubernetes-list-type") {
        return;
    }
    let containers = path.contains("ontainers[]") || path.ends_with(".claims");
    let merged = MERGED
        .iter()
        .find(|(end, _)| containers && path.ends_with(end));
    if let Some((_, keys)) = merged {
        map.insert("x-kubernetes-list-type".to_owned(), json!("map"));
        map.insert("x-kubernetes-list-map-keys".to_owned(), json!(keys));
    } else {
        map.insert("x-kubernetes-list-type".to_owned(), json!("atomic"));
    }
}
