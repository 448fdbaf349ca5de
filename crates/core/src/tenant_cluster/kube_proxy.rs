//! The kube-proxy addon: the objects by which a tenant's nodes route Services.

use kamaji_api::tenant::AddonSpec;
use serde_json::{Value, json};

use super::{
    images,
    metadata::{JOINING, SYSTEM, ours},
    rbac,
    types::TenantClusterFacts,
    yaml,
};
use crate::{
    object::{Kind, Object, ObjectRef},
    render::Change,
};

const NAME: &str = "kube-proxy";
const BINDING: &str = "kubeadm:node-proxier";

/// Everything that is made here.
pub(super) fn names() -> Vec<ObjectRef> {
    vec![
        ObjectRef::namespaced(Kind::DaemonSet, SYSTEM, NAME),
        ObjectRef::namespaced(Kind::ConfigMap, SYSTEM, NAME),
        ObjectRef::namespaced(Kind::RoleBinding, SYSTEM, NAME),
        ObjectRef::namespaced(Kind::Role, SYSTEM, NAME),
        ObjectRef::namespaced(Kind::ServiceAccount, SYSTEM, NAME),
        ObjectRef::cluster(Kind::ClusterRoleBinding, BINDING),
    ]
}

pub(super) fn objects(facts: &TenantClusterFacts, addon: &AddonSpec) -> Vec<Object> {
    let server = format!("https://{}", facts.endpoint.published);
    vec![
        rbac::binding(
            ours(None, BINDING, &[]),
            ("ClusterRole", "system:node-proxier"),
            json!([rbac::account(SYSTEM, NAME)]),
        ),
        Object::from_value(json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": ours(Some(SYSTEM), NAME, &[]),
        })),
        rbac::role(ours(Some(SYSTEM), NAME, &[]), rbac::reads(NAME)),
        rbac::binding(
            ours(Some(SYSTEM), NAME, &[]),
            ("Role", NAME),
            json!([rbac::subject("Group", JOINING)]),
        ),
        Object::from_value(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": ours(Some(SYSTEM), NAME, &[("app", NAME)]),
            "data": {
                "config.conf": yaml::write(&configuration(facts)).trim_end(),
                "kubeconfig.conf": kubeconfig(&server),
            },
        })),
        daemon_set(&image(facts, addon)),
    ]
}

fn image(facts: &TenantClusterFacts, addon: &AddonSpec) -> String {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let repository = given(&addon.image_repository).unwrap_or_else(|| "registry.k8s.io".to_owned());
    let tag = given(&addon.image_tag).unwrap_or_else(|| images::kube_proxy(&facts.tenant.version));
    format!("{repository}/kube-proxy:{}", images::tag(&tag))
}

/// In the order in which kubeadm writes it; `server` is a URL and so needs no quotes.
fn kubeconfig(server: &str) -> String {
    let account = "/var/run/secrets/kubernetes.io/serviceaccount";
    format!(
        "\
apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority: {account}/ca.crt
    server: {server}
  name: default
contexts:
- context:
    cluster: default
    namespace: default
    user: default
  name: default
current-context: default
users:
- name: default
  user:
    tokenFile: {account}/token"
    )
}

/// Zero values mean kube-proxy's own defaults; they are spelt out as kubeadm does.
fn configuration(facts: &TenantClusterFacts) -> Value {
    let ranges = if facts.has(Change::ClusterCidr) {
        facts.tenant.network.pod_subnet()
    } else {
        String::new()
    };
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "bindAddress": "0.0.0.0",
        "bindAddressHardFail": false,
        "clientConnection": {
            "acceptContentTypes": "",
            "burst": 0,
            "contentType": "",
            "kubeconfig": "/var/lib/kube-proxy/kubeconfig.conf",
            "qps": 0,
        },
        "clusterCIDR": ranges,
        "configSyncPeriod": "0s",
        "conntrack": {
            "maxPerCore": null,
            "min": null,
            "tcpBeLiberal": false,
            "tcpCloseWaitTimeout": null,
            "tcpEstablishedTimeout": null,
            "udpStreamTimeout": "0s",
            "udpTimeout": "0s",
        },
        "detectLocal": {"bridgeInterface": "", "interfaceNamePrefix": ""},
        "detectLocalMode": "",
        "enableProfiling": false,
        "healthzBindAddress": "",
        "hostnameOverride": "",
        "iptables": {
            "localhostNodePorts": null,
            "masqueradeAll": false,
            "masqueradeBit": null,
            "minSyncPeriod": "0s",
            "syncPeriod": "0s",
        },
        "ipvs": {
            "excludeCIDRs": null,
            "minSyncPeriod": "0s",
            "scheduler": "",
            "strictARP": false,
            "syncPeriod": "0s",
            "tcpFinTimeout": "0s",
            "tcpTimeout": "0s",
            "udpTimeout": "0s",
        },
        "kind": "KubeProxyConfiguration",
        "logging": {
            "flushFrequency": 0,
            "options": {"json": {"infoBufferSize": "0"}, "text": {"infoBufferSize": "0"}},
            "verbosity": 0,
        },
        "metricsBindAddress": "",
        "mode": "",
        "nftables": {
            "masqueradeAll": false,
            "masqueradeBit": null,
            "minSyncPeriod": "0s",
            "syncPeriod": "0s",
        },
        "nodePortAddresses": null,
        "oomScoreAdj": null,
        "portRange": "",
        "showHiddenMetricsForVersion": "",
        "winkernel": {
            "enableDSR": false,
            "forwardHealthCheckVip": false,
            "networkName": "",
            "rootHnsEndpointName": "",
            "sourceVip": "",
        },
    })
}

fn daemon_set(image: &str) -> Object {
    Object::from_value(json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": ours(Some(SYSTEM), NAME, &[("k8s-app", NAME)]),
        "spec": {
            "selector": {"matchLabels": {"k8s-app": NAME}},
            "updateStrategy": {"type": "RollingUpdate"},
            "template": {
                "metadata": {"labels": {"k8s-app": NAME}},
                "spec": {
                    "containers": [container(image)],
                    "hostNetwork": true,
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "priorityClassName": "system-node-critical",
                    "serviceAccountName": NAME,
                    "tolerations": [{"operator": "Exists"}],
                    "volumes": [
                        {"configMap": {"defaultMode": 420, "name": NAME}, "name": NAME},
                        {
                            "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"},
                            "name": "xtables-lock",
                        },
                        {"hostPath": {"path": "/lib/modules", "type": ""}, "name": "lib-modules"},
                    ],
                },
            },
        },
    }))
}

fn container(image: &str) -> Value {
    json!({
        "command": [
            "/usr/local/bin/kube-proxy",
            "--config=/var/lib/kube-proxy/config.conf",
            "--hostname-override=$(NODE_NAME)",
        ],
        "env": [{
            "name": "NODE_NAME",
            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}},
        }],
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "name": NAME,
        "securityContext": {"privileged": true},
        "volumeMounts": [
            {"mountPath": "/var/lib/kube-proxy", "name": NAME},
            {"mountPath": "/run/xtables.lock", "name": "xtables-lock"},
            {"mountPath": "/lib/modules", "name": "lib-modules", "readOnly": true},
        ],
    })
}

#[cfg(test)]
mod tests;
