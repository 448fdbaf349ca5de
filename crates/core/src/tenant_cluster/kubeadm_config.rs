//! The kubeadm-config ConfigMap, which `kubeadm join` reads.

use kamaji_api::datastore::Driver;
use serde_json::json;

use super::{
    metadata::{JOINING, SYSTEM, plain},
    rbac,
    types::TenantClusterFacts,
    yaml,
};
use crate::{object::Object, render};

pub(super) fn objects(facts: &TenantClusterFacts) -> Vec<Object> {
    let name = "kubeadm:nodes-kubeadm-config";
    vec![
        Object::from_value(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": plain(Some(SYSTEM), "kubeadm-config"),
            "data": {"ClusterConfiguration": configuration(facts)},
        })),
        rbac::role(plain(Some(SYSTEM), name), rbac::reads("kubeadm-config")),
        rbac::binding(
            plain(Some(SYSTEM), name),
            ("Role", name),
            json!([
                rbac::subject("Group", JOINING),
                rbac::subject("Group", "system:nodes")
            ]),
        ),
    ]
}

fn configuration(facts: &TenantClusterFacts) -> String {
    let tenant = facts.tenant;
    let endpoints = match facts.store.driver {
        Driver::Etcd => facts.store.endpoints.clone(),
        _ => vec!["127.0.0.1:2379".to_owned()],
    };
    yaml::write(&json!({
        "apiServer": {
            "certSANs": render::kubeadm_config::cert_sans(tenant, facts.endpoint),
            "extraArgs": [
                {"name": "etcd-compaction-interval", "value": "0s"},
                {"name": "etcd-prefix", "value": format!("/{}", tenant.name)},
            ],
        },
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "caCertificateValidityPeriod": "87600h0m0s",
        "certificateValidityPeriod": "8760h0m0s",
        "certificatesDir": "/etc/kubernetes/pki",
        "clusterName": tenant.name,
        "controlPlaneEndpoint": facts.endpoint.published.to_string(),
        "controllerManager": {},
        "dns": {},
        "encryptionAlgorithm": facts.settings.key_algorithm.as_str(),
        "etcd": {"external": {"caFile": "", "certFile": "", "endpoints": endpoints, "keyFile": ""}},
        "imageRepository": "registry.k8s.io",
        "kind": "ClusterConfiguration",
        "kubernetesVersion": tenant.version.text,
        "networking": {
            "dnsDomain": tenant.network.cluster_domain,
            "podSubnet": tenant.network.pod_subnet(),
            "serviceSubnet": tenant.network.service_subnet(),
        },
        "proxy": {},
        "scheduler": {},
    }))
}

#[cfg(test)]
mod tests;
