//! Manifests of tenants for scenarios.

use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::kubernetes_version;
use serde_json::{Value, json};

/// A tenant with one replica and nothing else that could be left out, in a namespace of its own, with
/// `spec` merged over it.
pub fn tenant(namespace: &str, name: &str, spec: Value) -> String {
    let mut merged = json!({
        "controlPlane": {
            "deployment": {"replicas": 1},
            "service": {"serviceType": "ClusterIP"},
        },
        "kubernetes": {"version": version(), "kubelet": {"cgroupfs": "cgroupfs"}},
        "networkProfile": {"port": 6443},
    });
    merge(&mut merged, spec);
    let namespace_object = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace},
    });
    let tenant = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
        "metadata": {"name": name, "namespace": namespace}, "spec": merged,
    });
    format!("{namespace_object}\n---\n{tenant}\n")
}

/// Version of Kubernetes that the testbed has images of, with its leading v.
pub fn version() -> String {
    kubernetes_version().expect("tools/kubernetes/go.mod is part of the checkout")
}

/// `spec.networkProfile` of a tenant that is reached at an address of the testbed.
pub fn at_address(testbed: &Testbed, number: u8) -> Value {
    json!({"address": testbed.bed.layout.vip(number), "allowAddressAsExternalIP": true})
}

/// Merge patch by RFC 7396, except null, which no scenario needs.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
