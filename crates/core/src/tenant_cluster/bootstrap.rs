//! Objects by which a worker joins with nothing but a bootstrap token.

use serde_json::{Value, json};

use super::{
    metadata::{JOINING, PUBLIC, plain},
    rbac,
    types::TenantClusterFacts,
    yaml,
};
use crate::{checksum, object::Object};

pub(super) fn objects(facts: &TenantClusterFacts) -> Vec<Object> {
    let signer = "kubeadm:bootstrap-signer-clusterinfo";
    let mut objects = vec![
        Object::from_value(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": plain(Some(PUBLIC), "cluster-info"),
            // Other keys hold the signatures of tokens and are not the operator's.
            "data": {"kubeconfig": cluster_info(facts)},
        })),
        rbac::role(plain(Some(PUBLIC), signer), rbac::reads("cluster-info")),
        rbac::binding(
            plain(Some(PUBLIC), signer),
            ("Role", signer),
            json!([rbac::subject("User", "system:anonymous")]),
        ),
        rbac::role(
            plain(None, "kubeadm:get-nodes"),
            json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]),
        ),
    ];
    let csr = "system:certificates.k8s.io:certificatesigningrequests";
    let rows = [
        (
            "kubeadm:get-nodes",
            "kubeadm:get-nodes".to_owned(),
            ("Group", JOINING),
        ),
        (
            "kubeadm:kubelet-bootstrap",
            "system:node-bootstrapper".to_owned(),
            ("Group", JOINING),
        ),
        (
            "kubeadm:node-autoapprove-bootstrap",
            format!("{csr}:nodeclient"),
            ("Group", JOINING),
        ),
        (
            "kubeadm:node-autoapprove-certificate-rotation",
            format!("{csr}:selfnodeclient"),
            ("Group", "system:nodes"),
        ),
        (
            "kubeadm:apiserver-kubelet-client",
            "system:kubelet-api-admin".to_owned(),
            ("User", "kube-apiserver-kubelet-client"),
        ),
    ];
    objects.extend(rows.iter().map(|(name, role, (kind, subject))| {
        rbac::binding(
            plain(None, name),
            ("ClusterRole", role),
            json!([rbac::subject(kind, subject)]),
        )
    }));
    objects
}

/// Kubeconfig for anonymous readers: URL of the API server and its CA.
fn cluster_info(facts: &TenantClusterFacts) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    yaml::write(&json!({
        "apiVersion": "v1",
        "clusters": [{
            "cluster": {
                "certificate-authority-data": STANDARD.encode(facts.ca),
                "server": format!("https://{}", facts.endpoint.published),
            },
            "name": "",
        }],
        "contexts": Value::Null,
        "current-context": "",
        "kind": "Config",
        "users": Value::Null,
    }))
}

/// Checksum of the kubeconfig for anonymous readers.
pub(super) fn cluster_info_checksum<'a>(
    objects: impl IntoIterator<Item = &'a Object>,
) -> Option<String> {
    let info = objects
        .into_iter()
        .find(|object| object.key.name == "cluster-info")?;
    let text = info.body["data"]["kubeconfig"].as_str()?;
    Some(checksum::map(
        &[("kubeconfig".to_owned(), text.as_bytes().to_vec())].into(),
    ))
}

#[cfg(test)]
mod tests;
