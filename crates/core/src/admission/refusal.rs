//! Why is a tenant refused?

use crate::{plan::upgrade, tenant::ParseError, tenant_cluster::kubelet_config::PatchError};

/// One reason: where it is, what is wrong, what to do instead.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Text that cannot be read.
    #[error(transparent)]
    Text(#[from] ParseError),
    /// A version that nobody has.
    #[error(
        "spec.kubernetes.version {version} is newer than v{major}.{minor}, the newest that this operator runs: choose an older version or upgrade the operator"
    )]
    TooNew {
        /// What was asked for.
        version: String,
        /// Major of the ceiling.
        major: u64,
        /// Minor of the ceiling.
        minor: u64,
    },
    /// A version that is not rendered any more.
    #[error(
        "spec.kubernetes.version {version} is older than v1.{oldest}, the oldest that new tenants may run: choose v1.{oldest} or newer"
    )]
    TooOld {
        /// What was asked for.
        version: String,
        /// Minor of the oldest.
        oldest: u64,
    },
    /// A step that Kubernetes does not support.
    #[error("spec.kubernetes.version: {0}")]
    Upgrade(#[from] upgrade::Refusal),
    /// No such DataStore.
    #[error(
        "{field} names the DataStore {name:?}, which does not exist: create it first, or name another (kubectl get datastores)"
    )]
    NoDataStore {
        /// Which field.
        field: String,
        /// What it names.
        name: String,
    },
    /// kube-apiserver dials overrides by itself.
    #[error(
        "{field} names the DataStore {name:?}, whose driver is {driver}: only etcd can hold single resources, choose such a DataStore"
    )]
    OverrideDriver {
        /// Which field.
        field: String,
        /// What it names.
        name: String,
        /// Its driver.
        driver: &'static str,
    },
    /// Not a resource.
    #[error(
        "{field} {text:?} is not a resource: write it as /events, or as group/resource such as coordination.k8s.io/leases"
    )]
    OverrideResource {
        /// Which field.
        field: String,
        /// What was written.
        text: String,
    },
    /// kube-apiserver accepts one server list a resource.
    #[error("spec.dataStoreOverrides has the resource {0:?} twice: keep one")]
    OverrideTwice(String),
    /// Data does not move.
    #[error(
        "spec.dataStoreOverrides cannot change once the tenant is set up, since its data does not move: it has {0}, set it back to that, or recreate the tenant"
    )]
    OverridesChanged(String),
    /// A name that the datastore cannot have.
    #[error("{field} {text:?} {problem}")]
    DataName {
        /// Which field.
        field: &'static str,
        /// What was written.
        text: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Another tenant's data. Whose it is, is not told: any pod can ask.
    #[error(
        "{field} {text:?} belongs to another TenantControlPlane: choose another, or leave it out to get one of its own"
    )]
    Claimed {
        /// Which field.
        field: &'static str,
        /// What was written.
        text: String,
    },
    /// Nothing to route.
    #[error("{field} is missing: name the host that clients dial, for example demo.example.com")]
    NoHost {
        /// Which field.
        field: &'static str,
    },
    /// Not a host.
    #[error("{field} {text:?} is not a host name: write one such as demo.example.com{suffix}")]
    Host {
        /// Which field.
        field: &'static str,
        /// What was written.
        text: String,
        /// What may follow.
        suffix: &'static str,
    },
    /// The Gateway API is not there.
    #[error(
        "spec.controlPlane.gateway needs TLSRoute of gateway.networking.k8s.io/v1, which the management cluster does not serve: install the Gateway API v1.5 or newer, or use spec.controlPlane.ingress"
    )]
    NoTlsRoutes,
    /// A port that no socket has.
    #[error("{field} {port} is not a port: choose one from 1 to 65535")]
    Port {
        /// Which field.
        field: String,
        /// What was written.
        port: i32,
    },
    /// Two listeners on one port.
    #[error("{field} {port} is taken by {by}: choose another")]
    PortTaken {
        /// Which field.
        field: String,
        /// What was written.
        port: String,
        /// Who has it.
        by: String,
    },
    /// A name that an object cannot have.
    #[error(
        "{field} {text:?} is not a name of at most {most} characters from a-z, 0-9 and -, beginning and ending with a letter or digit: correct it"
    )]
    Name {
        /// Which field.
        field: String,
        /// What was written.
        text: String,
        /// Longest possible.
        most: usize,
    },
    /// A name of ours.
    #[error("{field} {text:?} is a name that Kamaji uses itself: choose another")]
    Managed {
        /// Which field.
        field: String,
        /// What was written.
        text: String,
    },
    /// Something that may be there once.
    #[error("{field} {text:?} is there twice: {instead}")]
    Twice {
        /// Which field.
        field: String,
        /// What was written.
        text: String,
        /// What to do.
        instead: &'static str,
    },
    /// A mount of nothing.
    #[error(
        "{field} mounts the volume {volume:?}, which does not exist: add it to spec.controlPlane.deployment.additionalVolumes"
    )]
    NoVolume {
        /// Which field.
        field: String,
        /// What it mounts.
        volume: String,
    },
    /// A value that the Deployment would be refused with.
    #[error("{field} {problem}")]
    Value {
        /// Which field.
        field: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// No JSON patch.
    #[error("spec.kubernetes.kubelet.configurationJSONPatches[{index}] {problem}")]
    JsonPatch {
        /// Which.
        index: usize,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A JSON patch of nothing that is there.
    #[error(transparent)]
    Kubelet(#[from] PatchError),
}
