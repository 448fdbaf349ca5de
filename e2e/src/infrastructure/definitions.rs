//! Definitions of the testbed's infrastructure kinds.

use serde_json::{Value, json};

/// API group of the kinds, which Cluster API's core may use without further rights.
pub const GROUP: &str = "infrastructure.cluster.x-k8s.io";

/// Definitions of all kinds, and the rights of our control-plane provider, as one List.
pub fn all() -> Value {
    let mut items = vec![rights()];
    for provider in ["Kubelet", "Hollow"] {
        let (cluster, machine) = (cluster(), machine());
        items.push(definition(&format!("{provider}Cluster"), &cluster));
        items.push(definition(&format!("{provider}Machine"), &machine));
        for kind in ["Cluster", "Machine"] {
            let spec = if kind == "Cluster" {
                &cluster
            } else {
                &machine
            };
            let kind = format!("{provider}{kind}Template");
            items.push(definition(&kind, &template(&spec["spec"])));
        }
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// A ClusterRole of the generic way of our control-plane provider: see `docs/cluster-api.md`.
fn rights() -> Value {
    let clusters = ["kubeletclusters", "hollowclusters"];
    let statuses = clusters.map(|name| format!("{name}/status"));
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {
            "name": "testbed-infrastructure",
            "labels": {"kamaji.clastix.io/aggregate-to-provider": "true"},
        },
        "rules": [
            {"apiGroups": [GROUP], "resources": clusters, "verbs": ["get", "list", "watch", "patch"]},
            {"apiGroups": [GROUP], "resources": statuses, "verbs": ["patch"]},
        ],
    })
}

fn definition(kind: &str, properties: &Value) -> Value {
    let singular = kind.to_lowercase();
    let plural = format!("{singular}s");
    let mut version = json!({
        "name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    });
    if properties["status"].is_object() {
        version["subresources"] = json!({"status": {}});
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.{GROUP}"),
            "labels": {"cluster.x-k8s.io/v1beta2": "v1", "clusterctl.cluster.x-k8s.io": ""},
        },
        "spec": {
            "group": GROUP, "scope": "Namespaced",
            "names": {
                "kind": kind, "listKind": format!("{kind}List"),
                "plural": plural, "singular": singular, "categories": ["cluster-api"],
            },
            "versions": [version],
        },
    })
}

fn cluster() -> Value {
    let endpoint =
        json!({"host": {"type": "string"}, "port": {"type": "integer", "format": "int32"}});
    json!({
        "spec": {"type": "object", "properties": {
            "controlPlaneEndpoint": {"type": "object", "properties": endpoint},
        }},
        "status": initialized(json!({})),
    })
}

fn machine() -> Value {
    let address = json!({"type": "object", "properties": {
        "type": {"type": "string"}, "address": {"type": "string"},
    }});
    json!({
        "spec": {"type": "object", "properties": {
            "providerID": {"type": "string"},
            // Capacity of a hollow Node; a kubelet reports its own.
            "capacity": {"type": "object", "additionalProperties": {"type": "string"}},
        }},
        "status": initialized(json!({"addresses": {"type": "array", "items": address}})),
    })
}

fn initialized(further: Value) -> Value {
    let provisioned = json!({"provisioned": {"type": "boolean"}});
    let mut properties = json!({"initialization": {"type": "object", "properties": provisioned}});
    if let (Value::Object(into), Value::Object(further)) = (&mut properties, further) {
        into.extend(further);
    }
    json!({"type": "object", "properties": properties})
}

fn template(spec: &Value) -> Value {
    let words = json!({"type": "object", "additionalProperties": {"type": "string"}});
    json!({"spec": {"type": "object", "properties": {"template": {"type": "object", "properties": {
        "metadata": {"type": "object", "properties": {"labels": words, "annotations": words}},
        "spec": spec,
    }}}}})
}
