//! Descriptions of this API's own fields, which `kubectl explain` prints.

use super::*;

/// Pronouns and question words: a description opens with its subject instead.
const OPENERS: [&str; 28] = [
    "it", "its", "they", "their", "this", "that", "these", "those", "we", "our", "who", "whose",
    "whom", "what", "when", "where", "why", "how", "which", "whether", "does", "do", "is", "are",
    "can", "may", "will", "would",
];

/// A field, a list's item or a map's value in a definition, by its path.
struct Described<'a> {
    path: String,
    schema: &'a Map<String, Value>,
    /// True for a field; false for the items of a list and the values of a map.
    is_field: bool,
}

/// Collects the fields of this API, and what it describes within them.
fn collect<'a>(node: &'a Value, path: &str, embedded: bool, found: &mut Vec<Described<'a>>) {
    let Some(map) = node.as_object() else { return };
    let properties = map.get("properties").and_then(Value::as_object);
    for (name, child) in properties.into_iter().flatten() {
        let path = format!("{path}.{name}");
        if let Some(schema) = child.as_object().filter(|_| describes(name, embedded)) {
            found.push(Described {
                path: path.clone(),
                schema,
                is_field: true,
            });
        }
        let embedded = embedded || EMBEDDED.contains(&name.as_str());
        collect(child, &path, embedded, found);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        let Some(child) = map.get(key) else { continue };
        let path = format!("{path}{mark}");
        if let Some(schema) = child.as_object() {
            found.push(Described {
                path: path.clone(),
                schema,
                is_field: false,
            });
        }
        collect(child, &path, embedded, found);
    }
}

/// Runs `check` on every field of every version of every definition; fails with all that it finds.
fn assert_each(check: impl Fn(&Described) -> Option<String>) {
    let mut findings = Vec::new();
    for (name, value) in definitions() {
        for version in value["spec"]["versions"].as_array().unwrap() {
            let root = &version["schema"]["openAPIV3Schema"]["properties"];
            let mut found = Vec::new();
            for part in ["spec", "status"]
                .into_iter()
                .filter(|part| root.get(part).is_some())
            {
                let schema = json!({"properties": {part: root[part]}});
                let mut described = Vec::new();
                collect(&schema, "", false, &mut described);
                found.extend(described.iter().filter_map(&check));
            }
            let version = version["name"].as_str().unwrap();
            findings.extend(
                found
                    .into_iter()
                    .map(|text| format!("{name} {version} {text}")),
            );
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

fn description<'a>(described: &'a Described) -> Option<&'a str> {
    described.schema.get("description").and_then(Value::as_str)
}

/// The default of a field as its description has to write it; none for objects and long lists.
fn written_default(described: &Described) -> Option<String> {
    match described.schema.get("default")? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(items) if (1..=5).contains(&items.len()) => {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts
                .collect::<Option<Vec<_>>>()
                .map(|texts| texts.join(", "))
        }
        value @ (Value::Bool(_) | Value::Number(_)) => Some(value.to_string()),
        _ => None,
    }
}

#[test]
fn every_field_of_this_api_has_a_description_that_names_its_subject() {
    assert_each(|described| {
        let Some(text) = description(described) else {
            return described
                .is_field
                .then(|| format!("{} has no description", described.path));
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let first = words.first().copied().unwrap_or_default().to_lowercase();
        let weak = words.len() <= 3 || OPENERS.contains(&first.as_str());
        weak.then(|| format!("{}: {text:?}", described.path))
    });
}

#[test]
fn descriptions_name_the_defaults_of_the_schema() {
    assert_each(|described| {
        let text = description(described)?;
        let named = text.split_once("Default: ").map(|(_, named)| named);
        match (written_default(described), named) {
            (Some(default), Some(named)) if named == format!("{default}.") => None,
            // The status and the spec share types; the API server fills in the spec only.
            (Some(_), None) if !described.is_field => None,
            (None, _) if described.path.starts_with(".status") => None,
            (None, None) => None,
            (default, named) => Some(format!(
                "{} has default {default:?}, and its description names {named:?}",
                described.path
            )),
        }
    });
}

#[test]
fn descriptions_of_versions_name_the_newest_minor() {
    let mut named = 0;
    for (_, value) in definitions() {
        let spec = &schema(value)["properties"]["spec"]["properties"];
        for version in [
            &spec["version"],
            &spec["kubernetes"]["properties"]["version"],
        ] {
            let text = version["description"].as_str().unwrap_or_default();
            named += usize::from(text.contains(&format!("1.{}", crate::NEWEST_MINOR)));
        }
    }
    assert_eq!(named, 2, "of TenantControlPlane and KamajiControlPlane");
}
