//! Objects that Cluster API's topology controller makes of a ClusterClass: its templates with the
//! class's patches applied, filled with the variables of a Cluster.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{title, word};

/// Objects that a topology generates for `cluster` of the class among `objects`.
pub fn generated(objects: &[Value], cluster: &Value) -> Vec<Value> {
    let class = objects
        .iter()
        .find(|object| object["kind"] == "ClusterClass");
    let class = class.unwrap();
    let variables = variables(class, cluster);
    let mut templates: Vec<Value> = objects.to_vec();
    templates.retain(|object| object["kind"] != "ClusterClass");
    for patch in class["spec"]["patches"].as_array().into_iter().flatten() {
        for definition in patch["definitions"].as_array().unwrap() {
            apply(&mut templates, definition, &variables);
        }
    }
    templates
        .into_iter()
        .map(|template| object(template, class, cluster))
        .collect()
}

/// The Cluster's variables, and the defaults of the others; each that the class requires must be given,
/// and no other.
fn variables(class: &Value, cluster: &Value) -> BTreeMap<String, Value> {
    let given = cluster["spec"]["topology"]["variables"].as_array();
    let given: BTreeMap<&str, &Value> = given
        .into_iter()
        .flatten()
        .map(|variable| (word(variable, "/name"), &variable["value"]))
        .collect();
    let mut all = BTreeMap::new();
    for variable in class["spec"]["variables"].as_array().into_iter().flatten() {
        let name = word(variable, "/name");
        let default = variable.pointer("/schema/openAPIV3Schema/default");
        let value = given.get(name).copied().or(default);
        assert!(
            value.is_some() || variable["required"] == false,
            "{name} is missing"
        );
        all.extend(value.map(|value| (name.to_string(), value.clone())));
    }
    for name in given.keys() {
        assert!(all.contains_key(*name), "the class has no variable {name}");
    }
    all
}

/// Applies one definition of a patch to the one template that it selects.
fn apply(templates: &mut [Value], definition: &Value, variables: &BTreeMap<String, Value>) {
    let selector = &definition["selector"];
    let mut selected: Vec<&mut Value> = templates
        .iter_mut()
        .filter(|template| {
            template["kind"] == selector["kind"] && template["apiVersion"] == selector["apiVersion"]
        })
        .collect();
    assert_eq!(selected.len(), 1, "{selector}");
    let patches = definition["jsonPatches"].as_array().unwrap().iter();
    let patches: Vec<Value> = patches.map(|patch| filled(patch, variables)).collect();
    let patch: json_patch::Patch = serde_json::from_value(json!(patches)).unwrap();
    let name = title(selected[0]);
    let patched = json_patch::patch(selected[0], &patch);
    patched.unwrap_or_else(|error| panic!("{name}: {error}: {patches:?}"));
}

/// A patch with its value in place.
fn filled(patch: &Value, variables: &BTreeMap<String, Value>) -> Value {
    let mut patch = patch.clone();
    let from = patch.as_object_mut().unwrap().remove("valueFrom");
    let Some(from) = from else { return patch };
    patch["value"] = match (from["variable"].as_str(), from["template"].as_str()) {
        (Some(variable), _) => variables[variable].clone(),
        (_, Some(template)) => serde_saphyr::from_str(&named(template)).unwrap(),
        _ => panic!("{patch} has no value"),
    };
    patch
}

/// A text with a name in place of each expression of Go's templates.
fn named(template: &str) -> String {
    let mut parts = template.split("{{");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |text, part| {
        let rest = part.split_once("}}").unwrap().1;
        text + "generated" + rest
    })
}

/// Object made from a template: of cluster and control plane the object itself; workers' stay templates.
fn object(template: Value, class: &Value, cluster: &Value) -> Value {
    let kind = word(&template, "/kind");
    let of = |what: &str| class["spec"][what]["templateRef"]["kind"] == kind;
    if !of("controlPlane") && !of("infrastructure") {
        return template;
    }
    let mut object = json!({
        "apiVersion": template["apiVersion"],
        "kind": kind.strip_suffix("Template").unwrap(),
        "metadata": {"name": cluster["metadata"]["name"], "namespace": cluster["metadata"]["namespace"]},
        "spec": template["spec"]["template"]["spec"],
    });
    if of("controlPlane") {
        let topology = &cluster["spec"]["topology"];
        object["spec"]["version"] = topology["version"].clone();
        object["spec"]["replicas"] = topology["controlPlane"]["replicas"].clone();
    }
    object
}
