//! Parts of the definitions that Rust types cannot express: patterns and limits of embedded types,
//! merging of maps, and defaults that the API server fills in.

use serde_json::{Value, json};

/// A key of the schemas at every path that ends in `end`; the value null removes the key.
pub(super) struct Rule {
    pub(super) end: &'static str,
    pub(super) key: &'static str,
    pub(super) value: Value,
}

fn rule(end: &'static str, key: &'static str, value: Value) -> Rule {
    Rule { end, key, value }
}

/// Every rule, in the order in which they are applied.
pub(super) fn all() -> Vec<Rule> {
    [
        defaults(),
        kinds(),
        routes(),
        parents(),
        addresses(),
        quantities(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn defaults() -> Vec<Rule> {
    let image = |name: &str| format!("registry.k8s.io/kas-network-proxy/{name}");
    let default = |end, value| rule(end, "default", value);
    vec![
        default(
            ".addons.konnectivity.agent",
            json!({"image": image("proxy-agent"), "mode": "DaemonSet"}),
        ),
        default(
            ".addons.konnectivity.server",
            json!({"image": image("proxy-server"), "port": 8132}),
        ),
        default(".controlPlane.deployment", Value::Null),
        default(".networkProfile", Value::Null),
        default("blockCreation", Value::Null),
        default("blockDeletion", Value::Null),
        default("blockUpdate", Value::Null),
        default(".kubernetesResources.version.status", json!("Provisioning")),
        default(
            ".spec.kubelet",
            json!({
                "cgroupfs": "systemd",
                "preferredAddressTypes": ["InternalIP", "ExternalIP", "Hostname"],
            }),
        ),
        default(".spec.network", json!({"serviceType": "LoadBalancer"})),
        // A key by which ports are merged, and what Kubernetes itself fills in.
        default("ontainers[].ports[].protocol", json!("TCP")),
    ]
}

/// Rules on how lists and maps are merged.
fn kinds() -> Vec<Rule> {
    let atomic = |end| rule(end, "x-kubernetes-map-type", json!("atomic"));
    let mut rules = vec![
        rule(
            ".configurationJSONPatches[].value",
            "x-kubernetes-preserve-unknown-fields",
            json!(true),
        ),
        rule(
            ".preferredAddressTypes",
            "x-kubernetes-list-type",
            json!("set"),
        ),
        rule(
            ".restartPolicyRules[].exitCodes.values",
            "x-kubernetes-list-type",
            json!("set"),
        ),
        atomic(".secretReference"),
        atomic(".routeRef"),
        atomic(".namespaceSelector"),
        atomic(".tenantControlPlaneSelector"),
    ];
    for list in [
        ".service.conditions",
        ".deployment.conditions",
        ".gateway.parents[].conditions",
        ".status.conditions",
    ] {
        rules.push(rule(list, "x-kubernetes-list-type", json!("map")));
        rules.push(rule(list, "x-kubernetes-list-map-keys", json!(["type"])));
    }
    rules
}

const CONTROLLER: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$";
const ACCESS_POINT: &str = r"^Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$";
const PORT_ERROR: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

/// Limits of the Gateway API for the status of its routes.
fn routes() -> Vec<Rule> {
    vec![
        rule(".accessPoints[].type", "minLength", json!(1)),
        rule(".accessPoints[].type", "maxLength", json!(253)),
        rule(".accessPoints[].type", "pattern", json!(ACCESS_POINT)),
        rule(
            ".gateway.parents",
            "x-kubernetes-list-type",
            json!("atomic"),
        ),
        rule(".gateway.parents", "maxItems", json!(32)),
        rule(
            ".gateway.parents[]",
            "required",
            json!(["conditions", "controllerName", "parentRef"]),
        ),
        rule(".gateway.parents[].conditions", "minItems", json!(1)),
        rule(".gateway.parents[].conditions", "maxItems", json!(8)),
        rule(".gateway.parents[].controllerName", "minLength", json!(1)),
        rule(".gateway.parents[].controllerName", "maxLength", json!(253)),
        rule(
            ".gateway.parents[].controllerName",
            "pattern",
            json!(CONTROLLER),
        ),
    ]
}

const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const GROUP: &str = r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const KIND: &str = r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$";
const LABEL: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// Limits of the Gateway API for the parents of its routes: the API server refuses at once what it
/// would refuse later.
fn parents() -> Vec<Rule> {
    let text = |end, most: u64| rule(end, "maxLength", json!(most));
    let non_empty = |end| rule(end, "minLength", json!(1));
    let pattern = |end, text: &str| rule(end, "pattern", json!(text));
    vec![
        text(".gateway.parentRefs[].group", 253),
        pattern(".gateway.parentRefs[].group", GROUP),
        non_empty(".gateway.parentRefs[].kind"),
        text(".gateway.parentRefs[].kind", 63),
        pattern(".gateway.parentRefs[].kind", KIND),
        non_empty(".gateway.parentRefs[].name"),
        text(".gateway.parentRefs[].name", 253),
        non_empty(".gateway.parentRefs[].namespace"),
        text(".gateway.parentRefs[].namespace", 63),
        pattern(".gateway.parentRefs[].namespace", LABEL),
        rule(".gateway.parentRefs[].port", "minimum", json!(1)),
        rule(".gateway.parentRefs[].port", "maximum", json!(65_535)),
        non_empty(".gateway.parentRefs[].sectionName"),
        text(".gateway.parentRefs[].sectionName", 253),
        pattern(".gateway.parentRefs[].sectionName", SUBDOMAIN),
    ]
}

/// Limits of Kubernetes for the addresses of load balancers.
fn addresses() -> Vec<Rule> {
    let atomic = |end| rule(end, "x-kubernetes-list-type", json!("atomic"));
    vec![
        atomic(".loadBalancer.ingress"),
        atomic(".loadBalancer.ingress[].ports"),
        rule(
            ".loadBalancer.ingress[].ports[].error",
            "maxLength",
            json!(316),
        ),
        rule(
            ".loadBalancer.ingress[].ports[].error",
            "pattern",
            json!(PORT_ERROR),
        ),
        rule(
            ".loadBalancer.ingress[].ports[]",
            "required",
            json!(["error", "port", "protocol"]),
        ),
    ]
}

/// Patterns of amounts of resources: without one, any text would be accepted.
fn quantities() -> Vec<Rule> {
    [".limits{}", ".requests{}", ".divisor", ".sizeLimit"]
        .into_iter()
        .map(|end| rule(end, "pattern", json!(QUANTITY)))
        .collect()
}
