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
    let catchall = Webhook {
        name: "catchall.write-permissions.kamaji.clastix.io",
        operations,
        scope: "*",
        namespaces: json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "kube-node-lease"]}),
    };
    let leases = Webhook {
        name: "leases.write-permissions.kamaji.clastix.io",
        operations: &leases,
        scope: "Namespaced",
        namespaces: json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["kube-node-lease"]}),
    };
    let webhooks = [catchall, leases].into_iter();
    let webhooks: Vec<Value> = webhooks
        .filter(|webhook| !webhook.operations.is_empty())
        .map(|webhook| webhook.render(facts))
        .collect();
    Object::from_value(json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": ours(None, NAME, &[]),
        "webhooks": webhooks,
    }))
}

/// Webhook of the configuration: the operations that it refuses, and its scope.
struct Webhook<'a> {
    name: &'static str,
    /// Operations that the webhook refuses.
    operations: &'a [&'a str],
    /// Scope of the refused resources: `*` or `Namespaced`.
    scope: &'static str,
    /// Match expression for the namespaces of the refused resources.
    namespaces: Value,
}

impl Webhook<'_> {
    /// Renders the entry, by URL, so that the API server dials the operator directly and not through the tenant's
    /// tunnel.
    fn render(&self, facts: &TenantClusterFacts) -> Value {
        json!({
            "admissionReviewVersions": ["v1"],
            "clientConfig": {
                "caBundle": STANDARD.encode(&facts.settings.webhook_ca),
                "url": format!("{}/write-permission", facts.settings.webhook_url),
            },
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "name": self.name,
            "namespaceSelector": {"matchExpressions": [self.namespaces]},
            "rules": [{
                "apiGroups": ["*"],
                "apiVersions": ["*"],
                "operations": self.operations,
                "resources": ["*"],
                "scope": self.scope,
            }],
            "sideEffects": "NoneOnDryRun",
        })
    }
}

#[cfg(test)]
mod tests;
