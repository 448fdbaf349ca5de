//! Reasons for which a tenant cluster is not as desired.

use std::time::Duration;

use kamaji_api::{condition::Reason, labels};

use super::kubelet_config::PatchError;
use crate::{
    endpoint::Unassigned, pki::kubeconfig::KubeconfigError, snapshot::StoreWait, tenant::ParseError,
};

/// A reason for which a reconcile did not apply all of its plan. Text and [`TenantClusterError::reason`] become
/// the condition TenantClusterConfigured.
#[derive(Debug, thiserror::Error)]
pub enum TenantClusterError {
    /// The spec cannot be parsed.
    #[error(transparent)]
    SpecInvalid(#[from] ParseError),
    /// The admin Secret is not part of the snapshot, and neither is the CA of an earlier one.
    #[error("the Secret {0} was not read yet: a reconcile of the tenant cluster reads it")]
    NotRead(String),
    /// A request for the admin Secret failed.
    #[error("the Secret {name} cannot be read: {why}")]
    ReadFailed {
        /// Name of the Secret.
        name: String,
        /// Message of the API server or of the connection.
        why: String,
    },
    /// The admin Secret is absent, or has not the key of the operator's kubeconfig.
    #[error(
        "the Secret {secret} has no key {key}: correct the annotation {}",
        labels::KUBECONFIG_SECRET_KEY
    )]
    KubeconfigMissing {
        /// The Secret as `namespace/name`.
        secret: String,
        /// The key that was looked for.
        key: String,
    },
    /// The operator's kubeconfig cannot be parsed.
    #[error(transparent)]
    KubeconfigUnreadable(#[from] KubeconfigError),
    /// The operator's kubeconfig makes no client; with the message of the client.
    #[error("{0}")]
    KubeconfigUnusable(String),
    /// The control plane has no endpoint yet.
    #[error(transparent)]
    EndpointUnassigned(#[from] Unassigned),
    /// The tenant's DataStore cannot be used.
    #[error(transparent)]
    DataStoreUnusable(#[from] StoreWait),
    /// A change to the kubelet configuration does not apply.
    #[error(transparent)]
    ContentInvalid(#[from] PatchError),
    /// A limit on the tenant's writes is asked for, and the operator serves no webhooks whose CA it knows.
    #[error(
        "spec.writePermissions is not in force: this operator knows no CA of its webhooks; serve them (--webhook-bind-address), or put ca.crt beside the mounted certificate"
    )]
    WriteLimitUnavailable,
    /// A request to the tenant's API server failed; with its message.
    #[error(
        "in the tenant cluster: {0}. It is tried again by itself; if it stays so, look at the control plane's pods and Service"
    )]
    ApiUnreachable(String),
    /// The reconcile exceeded this time limit.
    #[error(
        "a reconcile of the tenant cluster took longer than {0:?} and was stopped: its API server answers slowly or not at all; it is tried again by itself"
    )]
    TimedOut(Duration),
    /// The reconcile ended by a panic with this message.
    #[error(
        "the operator failed on this tenant cluster alone: {0}; please report it, with this object's YAML"
    )]
    Panicked(String),
}

impl TenantClusterError {
    /// Reason of the condition.
    pub fn reason(&self) -> Reason {
        match self {
            Self::SpecInvalid(_) => Reason::SpecInvalid,
            Self::NotRead(_) => Reason::NotReconciledYet,
            Self::ReadFailed { .. } => Reason::ReadFailed,
            Self::KubeconfigMissing { .. } => Reason::KubeconfigMissing,
            Self::KubeconfigUnreadable(_) => Reason::KubeconfigUnreadable,
            Self::KubeconfigUnusable(_) => Reason::KubeconfigUnusable,
            Self::EndpointUnassigned(wait) => wait.reason(),
            Self::DataStoreUnusable(wait) => wait.reason(),
            Self::ContentInvalid(_) => Reason::TenantClusterInvalid,
            Self::WriteLimitUnavailable => Reason::WriteLimitUnavailable,
            Self::ApiUnreachable(_) | Self::TimedOut(_) => Reason::TenantApiUnreachable,
            Self::Panicked(_) => Reason::InternalError,
        }
    }
}

#[cfg(test)]
mod tests;
