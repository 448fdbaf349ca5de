//! The konnectivity addon: the agents through which the API server reaches a tenant's nodes.

use std::collections::BTreeMap;

use kamaji_api::{
    labels,
    tenant::{AgentMode, KonnectivityAgentSpec, KonnectivitySpec},
};
use serde_json::{Value, json};

use super::{
    images,
    metadata::{SYSTEM, ours},
    rbac,
    types::TenantClusterFacts,
};
use crate::{
    checksum,
    endpoint::HostPort,
    object::{Kind, Object, ObjectRef},
    render::Change,
};

/// The agent's workload and ServiceAccount.
pub(super) const AGENT: &str = "konnectivity-agent";
/// The server's user, binding and audience.
pub(super) const SERVER: &str = "system:konnectivity-server";

/// Annotation of the agent's pods with the checksum of the tenant's CA.
const CA_CHECKSUM: &str = "kamaji.clastix.io/ca-checksum";

/// Everything that is made here.
pub(super) fn names() -> Vec<ObjectRef> {
    vec![
        ObjectRef::namespaced(Kind::DaemonSet, SYSTEM, AGENT),
        ObjectRef::namespaced(Kind::Deployment, SYSTEM, AGENT),
        ObjectRef::namespaced(Kind::ServiceAccount, SYSTEM, AGENT),
        ObjectRef::cluster(Kind::ClusterRoleBinding, SERVER),
    ]
}

/// The workload of the mode that is not chosen.
pub(super) fn other_workload(mode: AgentMode) -> ObjectRef {
    let kind = match mode {
        AgentMode::DaemonSet => Kind::Deployment,
        AgentMode::Deployment => Kind::DaemonSet,
    };
    ObjectRef::namespaced(kind, SYSTEM, AGENT)
}

pub(super) fn objects(facts: &TenantClusterFacts, addon: &KonnectivitySpec) -> Vec<Object> {
    let tenant = &facts.tenant.name;
    let metadata = |namespace, name, component| {
        ours(
            namespace,
            name,
            &[(labels::NAME, tenant), (labels::COMPONENT, component)],
        )
    };
    let mut binding = metadata(None, SERVER, "konnectivity-clusterrolebinding");
    binding["labels"]["addonmanager.kubernetes.io/mode"] = json!("Reconcile");
    binding["labels"]["kubernetes.io/cluster-service"] = json!("true");
    vec![
        rbac::binding(
            binding,
            ("ClusterRole", "system:auth-delegator"),
            json!([rbac::subject("User", SERVER)]),
        ),
        Object::from_value(json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata(Some(SYSTEM), AGENT, "konnectivity-sa"),
        })),
        workload(facts, addon, metadata(Some(SYSTEM), AGENT, AGENT)),
    ]
}

fn workload(facts: &TenantClusterFacts, addon: &KonnectivitySpec, metadata: Value) -> Object {
    let agent = &addon.agent;
    let mut pods = json!({"labels": {"k8s-app": AGENT}});
    if facts.has(Change::AgentChecksum) {
        // The agent reads the CA only when it starts, so a rotation would lock it out permanently.
        pods["annotations"][CA_CHECKSUM] = json!(checksum::pieces(&[facts.ca.as_bytes()]));
    }
    let mut spec = json!({
        "selector": {"matchLabels": {"k8s-app": AGENT}},
        "template": {
            "metadata": pods,
            "spec": pod(facts, addon),
        },
    });
    let kind = match agent.mode {
        AgentMode::DaemonSet => "DaemonSet",
        AgentMode::Deployment => {
            if let Some(replicas) = agent.replicas {
                spec["replicas"] = json!(replicas);
            }
            "Deployment"
        }
    };
    Object::from_value(
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}),
    )
}

fn pod(facts: &TenantClusterFacts, addon: &KonnectivitySpec) -> Value {
    let agent = &addon.agent;
    let mut pod = json!({
        "containers": [container(facts, addon)],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": AGENT,
        "tolerations": agent.tolerations,
        "volumes": [{
            "name": "konnectivity-agent-token",
            "projected": {
                "defaultMode": 420,
                "sources": [{"serviceAccountToken": {
                    "audience": SERVER,
                    "expirationSeconds": 3600,
                    "path": "konnectivity-agent-token",
                }}],
            },
        }],
    });
    if agent.host_network {
        pod["hostNetwork"] = json!(true);
    }
    pod
}

fn container(facts: &TenantClusterFacts, addon: &KonnectivitySpec) -> Value {
    let agent = &addon.agent;
    let tag = agent.version.clone().filter(|version| !version.is_empty());
    let tag = tag.map_or_else(
        || images::konnectivity(&facts.tenant.version),
        |tag| images::tag(&tag),
    );
    let mut container = json!({
        "args": arguments(facts, addon.server.port, agent),
        "command": ["/proxy-agent"],
        "image": format!("{}:{tag}", agent.image),
        "imagePullPolicy": "IfNotPresent",
        "livenessProbe": {
            "failureThreshold": 3,
            "httpGet": {"path": "/healthz", "port": 8134, "scheme": "HTTP"},
            "initialDelaySeconds": 15,
            "periodSeconds": 10,
            "successThreshold": 1,
            "timeoutSeconds": 15,
        },
        "name": AGENT,
        "volumeMounts": [
            {"mountPath": "/var/run/secrets/tokens", "name": "konnectivity-agent-token"},
        ],
    });
    if let Some(resources) = &agent.resources {
        container["resources"] = json!(resources);
    }
    container
}

/// Sorted; what the user adds wins over what is here.
fn arguments(facts: &TenantClusterFacts, port: i32, agent: &KonnectivityAgentSpec) -> Vec<String> {
    let gateway = facts.tenant.spec.control_plane.gateway.as_ref();
    let host = gateway
        .and_then(|gateway| gateway.hostname.as_deref())
        .filter(|name| !name.is_empty())
        .map_or_else(
            || facts.endpoint.advertised.to_string(),
            |name| HostPort::parse(name, facts.endpoint.port).host,
        );
    let mut arguments: BTreeMap<String, String> = [
        ("--admin-server-port", "8133".to_owned()),
        (
            "--ca-cert",
            "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt".to_owned(),
        ),
        ("--health-server-port", "8134".to_owned()),
        ("--logtostderr", "true".to_owned()),
        ("--proxy-server-host", host),
        ("--proxy-server-port", port.to_string()),
        (
            "--service-account-token-path",
            "/var/run/secrets/tokens/konnectivity-agent-token".to_owned(),
        ),
        ("-v", "8".to_owned()),
    ]
    .into_iter()
    .map(|(flag, value)| (flag.to_owned(), value))
    .collect();
    for argument in &agent.extra_args {
        let (flag, value) = argument.split_once('=').unwrap_or((argument, ""));
        arguments.insert(flag.to_owned(), value.to_owned());
    }
    let mut list: Vec<String> = arguments
        .into_iter()
        .map(|(flag, value)| {
            if value.is_empty() {
                flag
            } else {
                format!("{flag}={value}")
            }
        })
        .collect();
    list.sort();
    list
}

#[cfg(test)]
mod tests;
