//! URL of the API server in a generated kubeconfig, taken from the tenant's administrators' kubeconfig.

use k8s_openapi::api::core::v1::Secret;

use crate::{excerpt::excerpt, pki::kubeconfig};

/// Most bytes of the URL.
const LONGEST: usize = 512;

/// Reason for which the administrators' Secret gives no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ServerError {
    /// The Secret has no such key.
    #[error("it has no key {0:?}, which spec.controlPlaneEndpointFrom names; name one of its keys")]
    Missing(String),
    /// The content is no kubeconfig.
    #[error("{key:?}: {why}")]
    Unreadable {
        /// Key within the Secret.
        key: String,
        /// Text of the parser, without content of the Secret.
        why: String,
    },
    /// The URL is not one that a kubeconfig of credentials may lead to.
    #[error("{0:?}: the server is no URL of at most {LONGEST} bytes that begins with https://")]
    NoUrl(String),
}

/// Reads the URL of the server from the kubeconfig at `key` of the administrators' Secret.
pub(super) fn server(secret: &Secret, key: &str) -> Result<String, ServerError> {
    let named = || excerpt(key, LONGEST);
    let text = secret.data.as_ref().and_then(|data| data.get(key));
    let text = text.ok_or_else(|| ServerError::Missing(named()))?;
    let read = kubeconfig::credentials(&text.0).map_err(|error| ServerError::Unreadable {
        key: named(),
        why: excerpt(&error.to_string(), LONGEST),
    })?;
    let odd = |c: char| c.is_control() || c.is_whitespace();
    let host = read.server.strip_prefix("https://").unwrap_or_default();
    if host.is_empty() || read.server.len() > LONGEST || read.server.contains(odd) {
        return Err(ServerError::NoUrl(named()));
    }
    Ok(read.server)
}
