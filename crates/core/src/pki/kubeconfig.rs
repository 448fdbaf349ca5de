//! What is a kubeconfig, and does it still say what it should? (management-cluster specification 5.8)

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    authority::Authority,
    leaf::LeafRequest,
    renew::{self, Subject},
};

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

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate_data: String,
    client_key_data: String,
}

impl std::fmt::Debug for User {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("client_certificate_data", &self.client_certificate_data)
            .finish_non_exhaustive()
    }
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
#[derive(Clone, PartialEq, Eq)]
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

impl std::fmt::Debug for Credentials {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
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
    ///
    /// # Panics
    ///
    /// Never: a kubeconfig is plain strings.
    pub fn to_yaml(&self) -> String {
        // Base64 on the line of its key, not in a block below.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        serde_saphyr::to_string_with_options(self, options).expect("a kubeconfig is plain strings")
    }

    /// Reads a kubeconfig file.
    pub fn parse(bytes: &[u8]) -> Result<Self, KubeconfigError> {
        let text =
            std::str::from_utf8(bytes).map_err(|e| KubeconfigError::Unreadable(e.to_string()))?;
        // The parser's own words come with an excerpt of the text, which has keys in it.
        serde_saphyr::from_str(text)
            .map_err(|e| KubeconfigError::Unreadable(e.without_snippet().to_string()))
    }

    /// What the current context leads to.
    pub fn credentials(&self) -> Result<Credentials, KubeconfigError> {
        let context = self
            .contexts
            .iter()
            .find(|context| context.name == self.current_context)
            .ok_or(KubeconfigError::Lacks("current context"))?;
        let cluster = self
            .clusters
            .iter()
            .find(|cluster| cluster.name == context.context.cluster)
            .ok_or(KubeconfigError::Lacks("cluster of the current context"))?;
        let user = self
            .users
            .iter()
            .find(|user| user.name == context.context.user)
            .ok_or(KubeconfigError::Lacks("user of the current context"))?;
        let decode = |text: &String| {
            STANDARD
                .decode(text)
                .map_err(|e| KubeconfigError::Unreadable(e.to_string()))
        };
        Ok(Credentials {
            server: cluster.cluster.server.clone(),
            ca: decode(&cluster.cluster.certificate_authority_data)?,
            certificate: decode(&user.user.client_certificate_data)?,
            key: decode(&user.user.client_key_data)?,
        })
    }
}

/// Reads what the current context of a kubeconfig file leads to.
pub fn credentials(bytes: &[u8]) -> Result<Credentials, KubeconfigError> {
    Kubeconfig::parse(bytes)?.credentials()
}

/// What a kubeconfig should say.
pub struct Expected<'a> {
    /// Names, and where it leads.
    pub access: &'a Access,
    /// Its client certificate.
    pub request: &'a LeafRequest,
    /// Who should have signed that, and whom it should trust.
    pub authority: &'a Authority,
    /// True if a person asked for a new one.
    pub rotate: bool,
}

/// What is to be done with a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Keep {
        /// When it is to be looked at again.
        due: Timestamp,
    },
    /// It must be made anew.
    Renew(Reason),
}

/// Why a kubeconfig is made anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There is none.
    #[error("there is none yet")]
    Missing,
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] KubeconfigError),
    /// It trusts somebody else.
    #[error("it trusts another authority")]
    AuthorityDiffers,
    /// It leads elsewhere.
    #[error("it leads to {0}")]
    ServerDiffers(String),
    /// Its certificate is due.
    #[error("its client certificate: {0}")]
    Certificate(renew::Reason),
}

/// Judges a kubeconfig file: rules in order, the first that is violated says why.
pub fn evaluate(
    text: Option<&[u8]>,
    expected: &Expected,
    now: Timestamp,
    threshold: Duration,
) -> Verdict {
    match examine(text, expected, now, threshold) {
        Ok(due) => Verdict::Keep { due },
        Err(reason) => Verdict::Renew(reason),
    }
}

fn examine(
    text: Option<&[u8]>,
    expected: &Expected,
    now: Timestamp,
    threshold: Duration,
) -> Result<Timestamp, Reason> {
    if expected.rotate {
        return Err(Reason::Certificate(renew::Reason::RotationRequested));
    }
    let text = text
        .filter(|text| !text.is_empty())
        .ok_or(Reason::Missing)?;
    let have = credentials(text)?;
    if have.ca != expected.authority.certificate_pem() {
        return Err(Reason::AuthorityDiffers);
    }
    if have.server != expected.access.server {
        return Err(Reason::ServerDiffers(have.server));
    }
    let subject = Subject {
        purpose: "kubeconfig",
        request: expected.request,
        authority: expected.authority,
        certificate: Some(&have.certificate),
        key: Some(&have.key),
        rotate: false,
    };
    match renew::evaluate(&subject, now, threshold) {
        renew::Verdict::Keep { due } => Ok(due),
        renew::Verdict::Renew(reason) => Err(Reason::Certificate(reason)),
    }
}

#[cfg(test)]
#[path = "kubeconfig_tests.rs"]
mod tests;
