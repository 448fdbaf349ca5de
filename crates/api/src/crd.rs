//! CustomResourceDefinitions: schemars' schemas, brought into the shape that an API server takes and
//! that users of upstream know. `rules` adds what the types cannot express; `bounds` adds limits and
//! the types of lists.

mod bounds;
mod control_plane;
mod legacy;
mod rules;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use crate::{
    control_plane::{KamajiControlPlane, KamajiControlPlaneTemplate},
    datastore::DataStore,
    kubeconfig::KubeconfigGenerator,
    tenant::TenantControlPlane,
};
use rules::Rule;

/// Every definition with its name, as JSON in the shape that an API server takes.
pub fn all() -> Vec<(String, Value)> {
    let rules = rules::all();
    [
        (DataStore::crd(), false),
        (KubeconfigGenerator::crd(), false),
        (TenantControlPlane::crd(), false),
        (KamajiControlPlane::crd(), true),
        (KamajiControlPlaneTemplate::crd(), true),
    ]
    .into_iter()
    .map(|(crd, provider)| {
        let name = crd.metadata.name.clone().unwrap_or_default();
        let mut value = json(&crd);
        if provider {
            value["metadata"]["labels"] = json!(CONTRACT);
        }
        finish(&mut value, &rules);
        if provider {
            require_spec(&mut value);
            if name.starts_with("kamajicontrolplanes.") {
                control_plane::constrain_versions(&mut value);
            }
            legacy::serve(&mut value);
        }
        (name, value)
    })
    .collect()
}

fn json(crd: &CustomResourceDefinition) -> Value {
    serde_json::to_value(crd).expect("definitions have string keys only, as JSON needs")
}

/// Labels by which Cluster API finds the version that keeps its contract, and clusterctl its
/// provider.
const CONTRACT: ContractLabels = ContractLabels {
    provider: "control-plane-kamaji",
    v1beta1: "v1alpha1",
    v1beta2: "v1alpha2",
};

#[derive(serde::Serialize)]
struct ContractLabels {
    #[serde(rename = "cluster.x-k8s.io/provider")]
    provider: &'static str,
    #[serde(rename = "cluster.x-k8s.io/v1beta1")]
    v1beta1: &'static str,
    #[serde(rename = "cluster.x-k8s.io/v1beta2")]
    v1beta2: &'static str,
}

fn finish(definition: &mut Value, rules: &[Rule]) {
    let versions = definition["spec"]["versions"].as_array_mut();
    for version in versions
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        if version.get("additionalPrinterColumns") == Some(&json!([])) {
            version.remove("additionalPrinterColumns");
        }
        let Some(schema) = version
            .get_mut("schema")
            .and_then(|s| s.get_mut("openAPIV3Schema"))
        else {
            continue;
        };
        trim(schema, "", false, rules);
        // The API server takes an object without spec, as upstream's definitions do.
        if let Some(root) = schema.as_object_mut() {
            root.remove("required");
        }
    }
}

/// Adds a rule that refuses an object without a spec, with a message that names the least it has to
/// say.
fn require_spec(definition: &mut Value) {
    let least = match definition["spec"]["names"]["kind"].as_str() {
        Some("KamajiControlPlane") => "which version of Kubernetes",
        _ => "what its control planes are, in spec.template.spec",
    };
    let versions = definition["spec"]["versions"].as_array_mut();
    for version in versions.into_iter().flatten() {
        version["schema"]["openAPIV3Schema"]["x-kubernetes-validations"] = json!([{
            "rule": "has(self.spec)", "message": format!("spec is missing: it says at least {least}"),
        }]);
    }
}

/// Properties whose types are Kubernetes' own. Their inner descriptions are left out: they would be
/// most of the file.
const EMBEDDED: &[&str] = &[
    "additionalContainers",
    "additionalInitContainers",
    "additionalVolumeMounts",
    "additionalVolumes",
    "affinity",
    "conditions",
    "containerSecurityContexts",
    "extraContainers",
    "extraInitContainers",
    "extraVolumeMounts",
    "extraVolumes",
    "loadBalancer",
    "namespaceSelector",
    "podSecurityContext",
    "resources",
    "securityContext",
    "tenantControlPlaneSelector",
    "tolerations",
    "topologySpreadConstraints",
];

/// True for a list of this API that holds Kubernetes' own types.
fn is_outer(path: &str) -> bool {
    path.ends_with("ontainers") || path.ends_with("Volumes") || path.ends_with("olerations")
}

/// Properties of this API within [`EMBEDDED`] ones: components, each with a type of Kubernetes' own.
const COMPONENTS: &[&str] = &["apiServer", "controllerManager", "kine", "scheduler"];

/// True if the description of a property is this API's own; `embedded` is that of its parent.
fn describes(name: &str, embedded: bool) -> bool {
    !embedded || COMPONENTS.contains(&name)
}

/// Joins the lines of a description: doc comments are wrapped for editors, `kubectl explain` wraps
/// for itself.
fn unwrap_lines(node: &mut Value) {
    if let Some(Value::String(text)) = node.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

fn trim(node: &mut Value, path: &str, embedded: bool, rules: &[Rule]) {
    unwrap_lines(node);
    let Some(map) = node.as_object_mut() else {
        return;
    };
    map.remove("title");
    map.remove("nullable");
    if embedded {
        map.remove("description");
    }
    if let Some(values) = map.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|value| !value.is_null());
    }
    for key in ["minimum", "maximum"] {
        // Written as 1.0, read by people and by other tools as 1.
        #[expect(clippy::cast_possible_truncation, reason = "limits of integers")]
        if let Some(limit) = map.get(key).and_then(Value::as_f64) {
            map.insert(key.to_owned(), json!(limit as i64));
        }
    }
    apply_rules(map, path, rules);
    bounds::bound(map, path, embedded && !is_outer(path));
    if let Some(items) = map.get_mut("items") {
        trim(items, &format!("{path}[]"), embedded, rules);
    }
    if let Some(values) = map.get_mut("additionalProperties") {
        trim(values, &format!("{path}{{}}"), embedded, rules);
    }
    let properties = map.get_mut("properties").and_then(Value::as_object_mut);
    for (name, child) in properties.into_iter().flatten() {
        let description = child
            .get("description")
            .filter(|_| describes(name, embedded))
            .cloned();
        let embedded = embedded || EMBEDDED.contains(&name.as_str());
        trim(child, &format!("{path}.{name}"), embedded, rules);
        if let Some(description) = description {
            child["description"] = description;
            unwrap_lines(child);
        }
    }
}

/// Ends of the paths in a status whose defaults upstream's definitions have, too.
const STATUS_DEFAULTS: [&str; 5] = [
    ".version.status",
    ".routeRef.name",
    ".availableResources",
    ".status.resources",
    ".externalManagedControlPlane",
];

fn apply_rules(map: &mut Map<String, Value>, path: &str, rules: &[Rule]) {
    for rule in rules.iter().filter(|rule| path.ends_with(rule.end)) {
        if rule.value.is_null() {
            map.remove(rule.key);
        } else {
            map.insert(rule.key.to_owned(), rule.value.clone());
        }
    }
    // Empty objects and the fields of a status are not filled in by the API server.
    let kept = STATUS_DEFAULTS.iter().any(|end| path.ends_with(end));
    let is_empty = map
        .get("default")
        .is_some_and(|value| value == &json!({}) || value == &json!([]));
    if is_empty || (path.starts_with(".status") && !kept) {
        map.remove("default");
    }
}

#[cfg(test)]
mod tests;
