//! What must an API server know of our kinds?
//!
//! schemars' schemas, brought into the shape that an API server takes and that users of the
//! reference know. What the types cannot say (list types, limits of embedded types, which defaults
//! an API server fills in) is in the table below.

use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use crate::{
    control_plane::{KamajiControlPlane, KamajiControlPlaneTemplate},
    datastore::DataStore,
    kubeconfig::KubeconfigGenerator,
    tenant::TenantControlPlane,
};

/// Every definition, by file name.
pub fn all() -> Vec<(String, Value)> {
    [
        definition::<DataStore>(&[]),
        definition::<KubeconfigGenerator>(&[]),
        definition::<TenantControlPlane>(&[]),
        definition::<KamajiControlPlane>(&CONTRACT),
        definition::<KamajiControlPlaneTemplate>(&CONTRACT),
    ]
    .into_iter()
    .map(|value| {
        let name = value["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (name, value)
    })
    .collect()
}

/// Labels by which Cluster API finds the version that keeps its contract.
const CONTRACT: [(&str, &str); 2] = [
    ("cluster.x-k8s.io/provider", "control-plane-kamaji"),
    ("cluster.x-k8s.io/v1beta2", "v1alpha2"),
];

fn definition<K: CustomResourceExt>(labels: &[(&str, &str)]) -> Value {
    let mut value = serde_json::to_value(K::crd()).expect("definitions serialise to JSON");
    for (key, text) in labels {
        value["metadata"]["labels"][*key] = json!(text);
    }
    for version in value["spec"]["versions"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        let schema = &mut version["schema"]["openAPIV3Schema"];
        trim(schema, "", false);
        // The API server takes an object without spec, as the reference's definitions do.
        if let Some(root) = schema.as_object_mut() {
            root.remove("required");
        }
        if version["additionalPrinterColumns"]
            .as_array()
            .is_some_and(Vec::is_empty)
        {
            version
                .as_object_mut()
                .map(|v| v.remove("additionalPrinterColumns"));
        }
    }
    value
}

/// Properties whose types are Kubernetes' own: their descriptions would be most of the file.
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

fn trim(node: &mut Value, path: &str, embedded: bool) {
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
    settle(map, path);
    if let Some(items) = map.get_mut("items") {
        trim(items, &format!("{path}[]"), embedded);
    }
    if let Some(values) = map.get_mut("additionalProperties") {
        trim(values, &format!("{path}{{}}"), embedded);
    }
    let properties = map.get_mut("properties").and_then(Value::as_object_mut);
    for (name, child) in properties.into_iter().flatten() {
        trim(
            child,
            &format!("{path}.{name}"),
            embedded || EMBEDDED.contains(&name.as_str()),
        );
    }
}

/// What the types cannot say, by the end of the path.
fn settle(map: &mut Map<String, Value>, path: &str) {
    for (end, key, value) in rules() {
        if path.ends_with(end) {
            match value {
                Value::Null => {
                    map.remove(key);
                }
                value => {
                    map.insert(key.to_owned(), value);
                }
            }
        }
    }
    // Empty objects and the fields of a status are not filled in by the API server.
    let kept = [
        ".version.status",
        ".routeRef.name",
        ".availableResources",
        ".status.resources",
    ]
    .iter()
    .any(|end| path.ends_with(end))
        || path.ends_with(".externalManagedControlPlane");
    let nothing = map
        .get("default")
        .is_some_and(|d| d == &json!({}) || d == &json!([]));
    if nothing || (path.starts_with(".status") && !kept) {
        map.remove("default");
    }
}

const CONTROLLER: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$";
const ACCESS_POINT: &str = r"^Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$";
const PORT_ERROR: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";

/// End of the path, key, value; null takes the key away.
fn rules() -> Vec<(&'static str, &'static str, Value)> {
    let image = |name: &str| format!("registry.k8s.io/kas-network-proxy/{name}");
    let agent = json!({"image": image("proxy-agent"), "mode": "DaemonSet"});
    let server = json!({"image": image("proxy-server"), "port": 8132});
    let mut rules = vec![
        (".addons.konnectivity.agent", "default", agent),
        (".addons.konnectivity.server", "default", server),
        (".controlPlane.deployment", "default", Value::Null),
        (".networkProfile", "default", Value::Null),
        (
            ".configurationJSONPatches[].value",
            "x-kubernetes-preserve-unknown-fields",
            json!(true),
        ),
        (
            ".preferredAddressTypes",
            "x-kubernetes-list-type",
            json!("set"),
        ),
        (".secretReference", "x-kubernetes-map-type", json!("atomic")),
        (".routeRef", "x-kubernetes-map-type", json!("atomic")),
        (".accessPoints[].type", "minLength", json!(1)),
        (".accessPoints[].type", "maxLength", json!(253)),
        (".accessPoints[].type", "pattern", json!(ACCESS_POINT)),
        (
            ".gateway.parents",
            "x-kubernetes-list-type",
            json!("atomic"),
        ),
        (".gateway.parents", "maxItems", json!(32)),
        (
            ".gateway.parents[]",
            "required",
            json!(["conditions", "controllerName", "parentRef"]),
        ),
        (
            ".gateway.parents[].conditions",
            "x-kubernetes-list-type",
            json!("map"),
        ),
        (
            ".gateway.parents[].conditions",
            "x-kubernetes-list-map-keys",
            json!(["type"]),
        ),
        (".gateway.parents[].conditions", "minItems", json!(1)),
        (".gateway.parents[].conditions", "maxItems", json!(8)),
        (".gateway.parents[].controllerName", "minLength", json!(1)),
        (".gateway.parents[].controllerName", "maxLength", json!(253)),
        (
            ".gateway.parents[].controllerName",
            "pattern",
            json!(CONTROLLER),
        ),
        (
            ".loadBalancer.ingress",
            "x-kubernetes-list-type",
            json!("atomic"),
        ),
        (
            ".loadBalancer.ingress[].ports",
            "x-kubernetes-list-type",
            json!("atomic"),
        ),
        (
            ".loadBalancer.ingress[].ports[].error",
            "maxLength",
            json!(316),
        ),
        (
            ".loadBalancer.ingress[].ports[].error",
            "pattern",
            json!(PORT_ERROR),
        ),
        (
            ".loadBalancer.ingress[].ports[]",
            "required",
            json!(["error", "port", "protocol"]),
        ),
        (
            ".kubernetesResources.version.status",
            "default",
            json!("Provisioning"),
        ),
        (
            ".spec.kubelet",
            "default",
            json!({
                "cgroupfs": "systemd",
                "preferredAddressTypes": ["InternalIP", "ExternalIP", "Hostname"],
            }),
        ),
        (
            ".spec.network",
            "default",
            json!({"serviceType": "LoadBalancer"}),
        ),
        (
            ".namespaceSelector",
            "x-kubernetes-map-type",
            json!("atomic"),
        ),
        (
            ".tenantControlPlaneSelector",
            "x-kubernetes-map-type",
            json!("atomic"),
        ),
    ];
    for flag in ["blockCreation", "blockDeletion", "blockUpdate"] {
        rules.push((flag, "default", Value::Null));
    }
    for list in [".service.conditions", ".deployment.conditions"] {
        rules.push((list, "x-kubernetes-list-type", json!("map")));
        rules.push((list, "x-kubernetes-list-map-keys", json!(["type"])));
    }
    rules
}

#[cfg(test)]
#[path = "crd_tests.rs"]
mod tests;
