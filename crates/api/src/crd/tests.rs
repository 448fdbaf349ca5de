use std::sync::LazyLock;

use super::*;

mod defaults;
mod descriptions;

/// All definitions, generated once: generation is slow without optimisation.
fn definitions() -> &'static [(String, Value)] {
    static ALL: LazyLock<Vec<(String, Value)>> = LazyLock::new(all);
    &ALL
}

/// Folder of the generated files.
fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/crd")
}

fn schema(definition: &Value) -> &Value {
    &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Visits every schema with its path.
fn walk(node: &Value, path: &str, visit: &mut impl FnMut(&Map<String, Value>, &str)) {
    let Some(map) = node.as_object() else { return };
    visit(map, path);
    let properties = map.get("properties").and_then(Value::as_object);
    for (name, child) in properties.into_iter().flatten() {
        walk(child, &format!("{path}.{name}"), visit);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(child) = map.get(key) {
            walk(child, &format!("{path}{mark}"), visit);
        }
    }
}

#[test]
fn the_generated_crds_are_current() {
    for (name, value) in definitions() {
        let path = folder().join(format!("{name}.yaml"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text == serde_saphyr::to_string(value).unwrap(),
            "config/crd/{name}.yaml is out of date: run `cargo run -p kamaji-api --example crds -- config/crd`"
        );
    }
}

#[test]
fn schemas_are_structural() {
    for (name, value) in definitions() {
        walk(schema(value), name, &mut |map, path| {
            for banned in ["$ref", "oneOf", "anyOf", "allOf", "nullable", "title"] {
                assert!(!map.contains_key(banned), "{path} has {banned}");
            }
            let open = map.contains_key("x-kubernetes-int-or-string")
                || map.contains_key("x-kubernetes-preserve-unknown-fields");
            assert!(map.contains_key("type") || open, "{path} has no type");
            let format = map.get("format").and_then(Value::as_str);
            assert!(
                format.is_none_or(|f| ["int32", "int64", "date-time", "byte"].contains(&f)),
                "{path} has format {format:?}"
            );
        });
    }
}

#[test]
fn quantities_have_a_pattern_and_ports_have_none() {
    let mut amounts = 0;
    for (name, value) in definitions() {
        walk(schema(value), name, &mut |map, path| {
            if map.contains_key("x-kubernetes-int-or-string") {
                let count = ["ort", ".maxSurge", ".maxUnavailable"];
                let port = count.iter().any(|end| path.ends_with(end));
                assert_ne!(map.contains_key("pattern"), port, "{path}");
                amounts += usize::from(!port);
            }
        });
    }
    assert!(amounts > 0, "no amounts were found");
}

/// Collects the paths of this API's strings, and of all lists and maps, that have no limit.
fn unbounded(schema: &Value, embedded: bool, path: &str, found: &mut Vec<String>) {
    let Some(map) = schema.as_object() else {
        return;
    };
    let limit = match map.get("type").and_then(Value::as_str) {
        Some("array") => Some("maxItems"),
        Some("object") if map.contains_key("additionalProperties") => Some("maxProperties"),
        Some("string") if !embedded && !bounds::is_short(map) => Some("maxLength"),
        _ => None,
    };
    if limit.is_some_and(|limit| !map[limit].is_u64()) {
        found.push(path.to_owned());
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(child) = map.get(key) {
            unbounded(child, embedded, &format!("{path}{mark}"), found);
        }
    }
    let properties = map.get("properties").and_then(Value::as_object);
    for (name, child) in properties.into_iter().flatten() {
        let embedded = embedded || EMBEDDED.contains(&name.as_str());
        // The API server limits the metadata of an object.
        if name != "metadata" || !path.is_empty() {
            unbounded(child, embedded, &format!("{path}.{name}"), found);
        }
    }
}

#[test]
fn every_list_map_and_string_has_a_limit() {
    for (name, value) in definitions() {
        for version in value["spec"]["versions"].as_array().unwrap() {
            let mut found = Vec::new();
            let schema = &version["schema"]["openAPIV3Schema"]["properties"];
            for part in ["spec", "status"] {
                if let Some(schema) = schema.get(part) {
                    unbounded(schema, false, &format!(".{part}"), &mut found);
                }
            }
            assert_eq!(found, Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn every_list_declares_how_it_is_merged() {
    let mut merged = 0;
    for (name, value) in definitions() {
        walk(schema(value), "", &mut |map, path| {
            if map.get("type").is_some_and(|kind| kind == "array") {
                let kind = map.get("x-kubernetes-list-type");
                assert!(kind.is_some(), "{name}: {path}");
                let keys = map.get("x-kubernetes-list-map-keys");
                assert_eq!(
                    keys.is_some(),
                    kind == Some(&json!("map")),
                    "{name}: {path}"
                );
                // The API server wants each key to be required or to have a default.
                for key in keys.and_then(Value::as_array).into_iter().flatten() {
                    let item = &map["items"];
                    let required = item["required"].as_array().is_some_and(|r| r.contains(key));
                    let default = &item["properties"][key.as_str().unwrap()]["default"];
                    assert!(required || !default.is_null(), "{name}: {path} {key}");
                }
                let of_pods = path.starts_with(".spec") && keys.is_some();
                merged += usize::from(of_pods && name.starts_with("tenant"));
            }
        });
    }
    assert_eq!(merged, 16, "lists of pods that Kubernetes merges by key");
}

#[test]
fn every_rule_applies_to_a_schema() {
    let rules = rules::all();
    let mut used = vec![false; rules.len()];
    for (_, value) in definitions() {
        walk(schema(value), "", &mut |map, path| {
            for (rule, used) in rules.iter().zip(&mut used) {
                let value = map.get(rule.key).unwrap_or(&Value::Null);
                *used |= path.ends_with(rule.end) && value == &rule.value;
            }
        });
    }
    for (rule, used) in rules.iter().zip(used) {
        assert!(used, "{} at {} matches no schema", rule.key, rule.end);
    }
}

#[test]
fn every_validation_has_a_message() {
    for (name, value) in definitions() {
        walk(schema(value), name, &mut |map, path| {
            let checks = map.get("x-kubernetes-validations");
            for check in checks.and_then(Value::as_array).into_iter().flatten() {
                assert!(check["message"].is_string(), "{path}: {check}");
            }
        });
    }
}

/// Without `--server-side`, `kubectl apply` stores an object's JSON in an annotation, and all
/// annotations of an object take 262,144 bytes at most. Descriptions are the part that grows.
#[test]
fn definitions_fit_into_the_annotation_of_kubectl_apply() {
    for (name, value) in definitions() {
        let size = value.to_string().len();
        assert!(size < 250_000, "{name} takes {size} bytes");
    }
}

#[test]
fn cluster_api_finds_the_version_that_keeps_its_contract() {
    for (name, value) in definitions() {
        let provider = name.ends_with("controlplane.cluster.x-k8s.io");
        for (contract, version) in [("v1beta1", "v1alpha1"), ("v1beta2", "v1alpha2")] {
            let label = &value["metadata"]["labels"][format!("cluster.x-k8s.io/{contract}")];
            assert_eq!(label == version, provider, "{name}: {contract}");
        }
    }
}

#[test]
fn control_planes_have_the_limits_of_the_contract() {
    let name = "kamajicontrolplanes.controlplane.cluster.x-k8s.io";
    let (_, definition) = definitions().iter().find(|(n, _)| n == name).unwrap();
    for version in definition["spec"]["versions"].as_array().unwrap() {
        for (field, limit, value) in [
            ("spec/properties/rollout", "minProperties", 1),
            ("status/properties/initialization", "minProperties", 1),
            ("status/properties/versions", "minItems", 1),
            ("status/properties/versions", "maxItems", 100),
        ] {
            let pointer = format!("/schema/openAPIV3Schema/properties/{field}/{limit}");
            assert_eq!(version.pointer(&pointer), Some(&json!(value)), "{pointer}");
        }
    }
}

#[test]
fn message_about_a_missing_spec_is_of_the_kind() {
    for (name, words) in [
        ("kamajicontrolplanes.", "version of Kubernetes"),
        ("kamajicontrolplanetemplates.", "spec.template.spec"),
    ] {
        let (_, definition) = definitions()
            .iter()
            .find(|(n, _)| n.starts_with(name))
            .unwrap();
        let rule = &schema(definition)["x-kubernetes-validations"][0];
        assert_eq!(rule["rule"], "has(self.spec)");
        let message = rule["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
}
