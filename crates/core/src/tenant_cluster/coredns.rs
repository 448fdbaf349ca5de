//! The CoreDNS addon: the objects by which a tenant's pods resolve names.
//!
//! Corefile and replicas are the operator's: edits of the tenant's owner are reverted, as upstream
//! does.

use std::net::IpAddr;

use kamaji_api::tenant::AddonSpec;
use serde_json::{Value, json};

use super::{
    images,
    metadata::{SYSTEM, ours},
    rbac,
    types::TenantClusterFacts,
};
use crate::object::{Kind, Object, ObjectRef};

const RBAC: &str = "system:coredns";
const NAME: &str = "coredns";
const SERVICE: &str = "kube-dns";

/// Everything that is made here.
pub(super) fn names() -> Vec<ObjectRef> {
    vec![
        ObjectRef::namespaced(Kind::Deployment, SYSTEM, NAME),
        ObjectRef::namespaced(Kind::Service, SYSTEM, SERVICE),
        ObjectRef::namespaced(Kind::ConfigMap, SYSTEM, NAME),
        ObjectRef::namespaced(Kind::ServiceAccount, SYSTEM, NAME),
        ObjectRef::cluster(Kind::ClusterRoleBinding, RBAC),
        ObjectRef::cluster(Kind::ClusterRole, RBAC),
    ]
}

pub(super) fn objects(facts: &TenantClusterFacts, addon: &AddonSpec) -> Vec<Object> {
    vec![
        rbac::role(
            ours(None, RBAC, &[]),
            json!([
                {
                    "apiGroups": [""],
                    "resources": ["endpoints", "services", "pods", "namespaces"],
                    "verbs": ["list", "watch"],
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["list", "watch"],
                },
            ]),
        ),
        rbac::binding(
            ours(None, RBAC, &[]),
            ("ClusterRole", RBAC),
            json!([rbac::account(SYSTEM, NAME)]),
        ),
        Object::from_value(json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": ours(Some(SYSTEM), NAME, &[]),
        })),
        Object::from_value(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": ours(Some(SYSTEM), NAME, &[]),
            "data": {"Corefile": corefile(&facts.tenant.network.cluster_domain)},
        })),
        service(&facts.tenant.network.dns_service_ips),
        deployment(&image(facts, addon)),
    ]
}

fn image(facts: &TenantClusterFacts, addon: &AddonSpec) -> String {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let tag = given(&addon.image_tag)
        .unwrap_or_else(|| images::coredns(&facts.tenant.version).to_owned());
    let repository = given(&addon.image_repository)
        .filter(|repository| repository != "registry.k8s.io")
        .unwrap_or_else(|| "registry.k8s.io/coredns".to_owned());
    format!("{repository}/coredns:{}", images::tag(&tag))
}

fn corefile(domain: &str) -> String {
    format!(
        ".:53 {{
    errors
    health {{
       lameduck 5s
    }}
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    prometheus :9153
    forward . /etc/resolv.conf {{
       max_concurrent 1000
    }}
    cache 30 {{
       disable success {domain}
       disable denial {domain}
    }}
    loop
    reload
    loadbalance
}}
"
    )
}

/// The addresses of the Service are those in the kubelet configuration, so that both agree.
fn service(addresses: &[IpAddr]) -> Object {
    let mut metadata = ours(
        Some(SYSTEM),
        SERVICE,
        &[
            ("k8s-app", SERVICE),
            ("kubernetes.io/cluster-service", "true"),
            ("kubernetes.io/name", "CoreDNS"),
        ],
    );
    metadata["annotations"] = json!({"prometheus.io/port": "9153", "prometheus.io/scrape": "true"});
    let port = |name: &str, port: u16, protocol: &str| json!({"name": name, "port": port, "protocol": protocol, "targetPort": port});
    let mut spec = json!({
        "ports": [
            port("dns", 53, "UDP"),
            port("dns-tcp", 53, "TCP"),
            port("metrics", 9153, "TCP"),
        ],
        "selector": {"k8s-app": SERVICE},
    });
    if let Some(first) = addresses.first() {
        spec["clusterIP"] = json!(first);
    }
    if let [first, second, ..] = addresses
        && first.is_ipv4() != second.is_ipv4()
    {
        let family = |ip: &IpAddr| if ip.is_ipv4() { "IPv4" } else { "IPv6" };
        spec["clusterIPs"] = json!([first, second]);
        spec["ipFamilies"] = json!([family(first), family(second)]);
        spec["ipFamilyPolicy"] = json!("PreferDualStack");
    }
    Object::from_value(
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}),
    )
}

fn deployment(image: &str) -> Object {
    Object::from_value(json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": ours(Some(SYSTEM), NAME, &[("k8s-app", SERVICE)]),
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"k8s-app": SERVICE}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 1}, "type": "RollingUpdate"},
            "template": {
                "metadata": {"labels": {"k8s-app": SERVICE}},
                "spec": {
                    "affinity": affinity(),
                    "containers": [container(image)],
                    "dnsPolicy": "Default",
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "priorityClassName": "system-cluster-critical",
                    "serviceAccountName": NAME,
                    "tolerations": [
                        {"key": "CriticalAddonsOnly", "operator": "Exists"},
                        {"effect": "NoSchedule", "key": "node-role.kubernetes.io/control-plane"},
                    ],
                    "volumes": [{
                        "configMap": {
                            "defaultMode": 420,
                            "items": [{"key": "Corefile", "path": "Corefile"}],
                            "name": NAME,
                        },
                        "name": "config-volume",
                    }],
                },
            },
        },
    }))
}

fn affinity() -> Value {
    json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
        "podAffinityTerm": {
            "labelSelector": {"matchExpressions": [
                {"key": "k8s-app", "operator": "In", "values": [SERVICE]},
            ]},
            "topologyKey": "kubernetes.io/hostname",
        },
        "weight": 100,
    }]}})
}

fn container(image: &str) -> Value {
    let port = |name: &str, port: u16, protocol: &str| json!({"containerPort": port, "name": name, "protocol": protocol});
    json!({
        "args": ["-conf", "/etc/coredns/Corefile"],
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "livenessProbe": {
            "failureThreshold": 5,
            "httpGet": {"path": "/health", "port": "liveness-probe", "scheme": "HTTP"},
            "initialDelaySeconds": 60,
            "successThreshold": 1,
            "timeoutSeconds": 5,
        },
        "name": "coredns",
        "ports": [
            port("dns", 53, "UDP"),
            port("dns-tcp", 53, "TCP"),
            port("metrics", 9153, "TCP"),
            port("liveness-probe", 8080, "TCP"),
            port("readiness-probe", 8181, "TCP"),
        ],
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": "readiness-probe", "scheme": "HTTP"},
        },
        "resources": {
            "limits": {"memory": "170Mi"},
            "requests": {"cpu": "100m", "memory": "70Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
        },
        "volumeMounts": [
            {"mountPath": "/etc/coredns", "name": "config-volume", "readOnly": true},
        ],
    })
}

#[cfg(test)]
mod tests;
