use super::*;

/// Where the generated files are kept.
fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/crd")
}

#[test]
fn the_generated_definitions_are_current() {
    for (name, value) in all() {
        let path = folder().join(format!("{name}.yaml"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let want = serde_saphyr::to_string(&value).unwrap();
        assert!(
            text == want,
            "config/crd/{name}.yaml is out of date: run `make crds`"
        );
    }
}

#[test]
fn schemas_are_structural() {
    fn walk(node: &Value, path: &str) {
        let Some(map) = node.as_object() else { return };
        for banned in ["$ref", "oneOf", "anyOf", "allOf", "nullable", "title"] {
            assert!(!map.contains_key(banned), "{path} has {banned}");
        }
        let open = map.contains_key("x-kubernetes-int-or-string")
            || map.contains_key("x-kubernetes-preserve-unknown-fields");
        assert!(map.contains_key("type") || open, "{path} has no type");
        for (name, child) in map
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            walk(child, &format!("{path}.{name}"));
        }
        for key in ["items", "additionalProperties"] {
            if let Some(child) = map.get(key) {
                walk(child, &format!("{path}[]"));
            }
        }
    }
    for (name, value) in all() {
        walk(
            &value["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
            &name,
        );
    }
}
