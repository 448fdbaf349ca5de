//! What is a kubeconfig, and does it still say what it should? (management-cluster specification 5.8)

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// A kubeconfig of one cluster and one user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kubeconfig {
    #[serde(rename = "apiVersion")]
    api_version: String,
    clusters: Vec<NamedCluster>,
    contexts: Vec<NamedContext>,
    current_context: String,
    kind: String,
    users: Vec<NamedUser>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NamedCluster {
    cluster: Cluster,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    certificate_authority_data: String,
    server: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NamedContext {
    context: Context,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate_data: String,
    client_key_data: String,
}

/// Names in a kubeconfig and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Name of the cluster.
    pub cluster: String,
    /// Name of the user.
    pub user: String,
    /// URL of the API server.
    pub server: String,
}

/// What a kubeconfig carries, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// URL of the API server.
    pub server: String,
    /// CA, PEM.
    pub ca: Vec<u8>,
    /// Client certificate, PEM.
    pub certificate: Vec<u8>,
    /// Its key, PEM.
    pub key: Vec<u8>,
}

/// Why text is not a kubeconfig of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// No YAML, or fields are missing.
    #[error("the kubeconfig cannot be read: {0}")]
    Unreadable(String),
    /// No cluster or no user.
    #[error("the kubeconfig has no {0}")]
    Lacks(&'static str),
}

impl Kubeconfig {
    /// A kubeconfig with a client certificate.
    pub fn new(access: &Access, ca: &[u8], certificate: &[u8], key: &[u8]) -> Self {
        let context = format!("{}@{}", access.user, access.cluster);
        Self {
            api_version: "v1".to_owned(),
            clusters: vec![NamedCluster {
                cluster: Cluster {
                    certificate_authority_data: STANDARD.encode(ca),
                    server: access.server.clone(),
                },
                name: access.cluster.clone(),
            }],
            contexts: vec![NamedContext {
                context: Context {
                    cluster: access.cluster.clone(),
                    user: access.user.clone(),
                },
                name: context.clone(),
            }],
            current_context: context,
            kind: "Config".to_owned(),
            users: vec![NamedUser {
                name: access.user.clone(),
                user: User {
                    client_certificate_data: STANDARD.encode(certificate),
                    client_key_data: STANDARD.encode(key),
                },
            }],
        }
    }

    /// The text of a kubeconfig file.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("a kubeconfig is plain strings")
    }
}

/// Reads the first cluster and user of a kubeconfig.
pub fn credentials(bytes: &[u8]) -> Result<Credentials, KubeconfigError> {
    let text =
        std::str::from_utf8(bytes).map_err(|e| KubeconfigError::Unreadable(e.to_string()))?;
    let config: Kubeconfig =
        serde_saphyr::from_str(text).map_err(|e| KubeconfigError::Unreadable(e.to_string()))?;
    let cluster = config
        .clusters
        .into_iter()
        .next()
        .ok_or(KubeconfigError::Lacks("cluster"))?;
    let user = config
        .users
        .into_iter()
        .next()
        .ok_or(KubeconfigError::Lacks("user"))?;
    let decode = |text: String| {
        STANDARD
            .decode(text)
            .map_err(|e| KubeconfigError::Unreadable(e.to_string()))
    };
    Ok(Credentials {
        server: cluster.cluster.server,
        ca: decode(cluster.cluster.certificate_authority_data)?,
        certificate: decode(user.user.client_certificate_data)?,
        key: decode(user.user.client_key_data)?,
    })
}

#[cfg(test)]
#[path = "kubeconfig_tests.rs"]
mod tests;
