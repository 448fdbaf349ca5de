//! The webhook configuration that limits writes in a tenant cluster.

use base64::{Engine, engine::general_purpose::STANDARD};
use kamaji_api::tenant::TenantControlPlaneSpec;
use serde_json::{Value, json};

use super::{metadata::ours, types::TenantClusterFacts};
use crate::object::{Kind, Object, ObjectRef};

const NAME: &str = "kamaji-write-permissions";

/// Identity of the webhook configuration.
pub(super) fn name() -> ObjectRef {
    ObjectRef::cluster(Kind::ValidatingWebhookConfiguration, NAME)
}

/// The operations that the spec blocks; none in the ordinary case.
pub(super) fn blocked(spec: &TenantControlPlaneSpec) -> Vec<&'static str> {
    let permissions = spec.write_permissions.unwrap_or_default();
    [
        (permissions.block_creation, "CREATE"),
        (permissions.block_update, "UPDATE"),
        (permissions.block_deletion, "DELETE"),
    ]
    .into_iter()
    .filter_map(|(blocked, operation)| blocked.then_some(operation))
    .collect()
}

/// True if the spec limits any kind of write.
pub fn limits_writes(spec: &TenantControlPlaneSpec) -> bool {
    !blocked(spec).is_empty()
}

/// The webhooks that refuse `operations`. To be asked for only once the CA of the operator's own
/// service is known: until then existing webhooks in the tenant cluster are unchanged.
pub(super) fn webhooks(facts: &TenantClusterFacts, operations: &[&str]) -> Object {
    // Renewing a node's lease is an update: blocking it would take every node away.
    let leases: Vec<&str> = operations
        .iter()
        .copied()
        .filter(|operation| *operation != "UPDATE")
        .collect();
    let mut webhooks = vec![webhook(
        facts,
        "catchall.write-permissions.kamaji.clastix.io",
        (operations, "*"),
        json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "kube-node-lease"]}),
    )];
    if !leases.is_empty() {
        webhooks.push(webhook(
            facts,
            "leases.write-permissions.kamaji.clastix.io",
            (&leases, "Namespaced"),
            json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["kube-node-lease"]}),
        ));
    }
    Object::from_value(json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": ours(None, NAME, &[]),
        "webhooks": webhooks,
    }))
}

/// By URL, so that the API server dials the operator directly and not through the tenant's tunnel.
fn webhook(
    facts: &TenantClusterFacts,
    name: &str,
    (operations, scope): (&[&str], &str),
    namespaces: Value,
) -> Value {
    json!({
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "caBundle": STANDARD.encode(&facts.settings.webhook_ca),
            "url": format!("{}/write-permission", facts.settings.webhook_url),
        },
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "name": name,
        "namespaceSelector": {"matchExpressions": [namespaces]},
        "rules": [{
            "apiGroups": ["*"],
            "apiVersions": ["*"],
            "operations": operations,
            "resources": ["*"],
            "scope": scope,
        }],
        "sideEffects": "NoneOnDryRun",
    })
}

#[cfg(test)]
#[path = "write_permissions_tests.rs"]
mod tests;
