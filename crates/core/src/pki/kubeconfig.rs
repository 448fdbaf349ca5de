//! Kubeconfigs with a client certificate: writing, reading, and the rules by which one is kept or renewed.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    leaf::LeafRequest,
    renew::{self, Subject},
    tenant_authority::TenantAuthority,
};
use crate::unquoted;

/// A kubeconfig. The operator writes ones of one cluster, user and context; others are read, too.
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
    /// Leaves the private key out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("client_certificate_data", &self.client_certificate_data)
            .finish_non_exhaustive()
    }
}

/// Names in a kubeconfig, and the server that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Name of the cluster entry.
    pub cluster: String,
    /// Name of the user entry.
    pub user: String,
    /// URL of the API server, such as `https://192.0.2.10:6443`.
    pub server: String,
}

/// Server, CA and client credentials of a kubeconfig's current context, decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// URL of the API server, such as `https://192.0.2.10:6443`.
    pub server: String,
    /// PEM of the trusted CAs.
    pub ca: Vec<u8>,
    /// PEM of the client certificate.
    pub certificate: Vec<u8>,
    /// PEM of the client certificate's key.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Credentials {
    /// Leaves the private key out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// A reason why text cannot be used as a kubeconfig with a client certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// The text is not YAML, lacks fields, or has values that are not base64.
    #[error("the kubeconfig cannot be read: {0}")]
    Unreadable(String),
    /// The named part is missing: the current context, or its cluster or user.
    #[error("the kubeconfig has no {0}")]
    Lacks(&'static str),
}

impl Kubeconfig {
    /// Builds a kubeconfig with a client certificate; `ca`, `certificate` and `key` are PEM.
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

    /// Kubeconfig with another name for its context.
    #[must_use]
    pub fn in_context(mut self, name: &str) -> Self {
        for context in &mut self.contexts {
            name.clone_into(&mut context.name);
        }
        name.clone_into(&mut self.current_context);
        self
    }

    /// Returns the text of a kubeconfig file.
    ///
    /// # Panics
    ///
    /// Never: a kubeconfig is plain strings.
    pub fn to_yaml(&self) -> String {
        // Base64 on the line of its key, not in a block below.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        serde_saphyr::to_string_with_options(self, options).expect("a kubeconfig is plain strings")
    }

    /// Reads a kubeconfig file. Errors never quote the file, which has keys in it.
    pub fn parse(bytes: &[u8]) -> Result<Self, KubeconfigError> {
        let text =
            std::str::from_utf8(bytes).map_err(|e| KubeconfigError::Unreadable(e.to_string()))?;
        serde_saphyr::from_str(text)
            .map_err(|error| KubeconfigError::Unreadable(unquoted::yaml(&error)))
    }

    /// Returns server and credentials of the current context.
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
        let decode = |text: &String, field: &str| {
            let flaw = || KubeconfigError::Unreadable(format!("{field} is not base64"));
            STANDARD.decode(text).map_err(|_| flaw())
        };
        Ok(Credentials {
            server: cluster.cluster.server.clone(),
            ca: decode(
                &cluster.cluster.certificate_authority_data,
                "certificate-authority-data",
            )?,
            certificate: decode(
                &user.user.client_certificate_data,
                "client-certificate-data",
            )?,
            key: decode(&user.user.client_key_data, "client-key-data")?,
        })
    }
}

/// Reads a kubeconfig file and returns server and credentials of its current context.
pub fn credentials(bytes: &[u8]) -> Result<Credentials, KubeconfigError> {
    Kubeconfig::parse(bytes)?.credentials()
}

/// The content that a kubeconfig should have.
pub struct Expected<'a> {
    /// Names and server of the kubeconfig.
    pub access: &'a Access,
    /// Content of the client certificate.
    pub request: &'a LeafRequest,
    /// Authority that signs the client certificate, and the CAs that the kubeconfig trusts.
    pub authority: &'a TenantAuthority,
    /// True if a person requested a new kubeconfig.
    pub rotate: bool,
}

/// The decision about a kubeconfig: kept or written again.
pub type Verdict = renew::Verdict<Reason>;

/// The rule that a kubeconfig violates, as the reason to write it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The kubeconfig is missing or empty.
    #[error("there is none yet")]
    Missing,
    /// The text cannot be read as a kubeconfig.
    #[error(transparent)]
    Unreadable(#[from] KubeconfigError),
    /// The trusted CAs are not the expected ones.
    #[error("it trusts another authority")]
    AuthorityDiffers,
    /// The server is not the expected one.
    #[error("it leads to {0}")]
    ServerDiffers(String),
    /// The client certificate is due for renewal.
    #[error("its client certificate: {0}")]
    Certificate(renew::Reason),
}

/// Evaluates a kubeconfig file at `now`: rules in order, the first violated one of which is the reason to renew. A
/// client certificate that ends within `threshold` is renewed.
pub fn evaluate(
    text: Option<&[u8]>,
    expected: &Expected,
    now: Timestamp,
    threshold: Duration,
) -> Verdict {
    examine(text, expected, now, threshold).into()
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
    if have.ca != expected.authority.trust_pem() {
        return Err(Reason::AuthorityDiffers);
    }
    if have.server != expected.access.server {
        return Err(Reason::ServerDiffers(have.server));
    }
    let subject = Subject {
        purpose: "kubeconfig",
        request: expected.request,
        authority: expected.authority.signer(),
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
mod tests;
