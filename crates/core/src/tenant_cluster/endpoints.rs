//! The endpoints of the Service `kubernetes`, which lead pods to the API server.
//!
//! All replicas announce one address. kube-apiserver's own reconciler keeps it by a lease of that address:
//! a replica that ends, or starts, takes it away from the others for up to ten seconds. An EndpointSlice
//! of the operator's holds the address whatever replicas do; kube-proxy reads all slices of a Service as
//! one. Where the renderer switches that reconciler off, the objects that it would make are here as well.

use serde_json::{Value, json};

use super::{
    metadata::{ours, plain},
    types::TenantClusterFacts,
};
use crate::{
    object::Object,
    render::{Change, deployment::api_server},
};

const SERVICE: &str = "kubernetes";
const NAMESPACE: &str = "default";
/// Beside the slice that kube-apiserver's reconciler makes.
const SLICE: &str = "kamaji-kubernetes";

pub(super) fn objects(facts: &TenantClusterFacts) -> Vec<Object> {
    let address = facts.endpoint.advertised.to_canonical();
    // Such an address leads a pod to itself, and is refused.
    if address.is_loopback() || address.is_unspecified() {
        return Vec::new();
    }
    let mut objects = vec![slice(facts, ours(Some(NAMESPACE), SLICE, &[]))];
    if facts.has(Change::OwnEndpoints) && !api_server::chooses_reconciler(facts.tenant) {
        objects.push(slice(facts, plain(Some(NAMESPACE), SERVICE)));
        objects.push(endpoints(facts));
    }
    objects
}

fn slice(facts: &TenantClusterFacts, mut metadata: Value) -> Object {
    metadata["labels"]["kubernetes.io/service-name"] = json!(SERVICE);
    let address = facts.endpoint.advertised.to_canonical();
    Object::from_value(json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
        "ports": [port(facts)],
    }))
}

/// For clients that do not read slices yet.
fn endpoints(facts: &TenantClusterFacts) -> Object {
    let mut metadata = plain(Some(NAMESPACE), SERVICE);
    // Its slice is there already.
    metadata["labels"]["endpointslice.kubernetes.io/skip-mirror"] = json!("true");
    let address = facts.endpoint.advertised.to_canonical();
    Object::from_value(json!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": metadata,
        "subsets": [{"addresses": [{"ip": address}], "ports": [port(facts)]}],
    }))
}

fn port(facts: &TenantClusterFacts) -> Value {
    json!({"name": "https", "port": facts.endpoint.port, "protocol": "TCP"})
}

#[cfg(test)]
mod tests;
