//! Reasons to refuse a tenant.

use crate::{
    migration::ChangeRefusal, plan::upgrade, tenant::ParseError,
    tenant_cluster::kubelet_config::PatchError,
};

/// A reason to refuse a tenant. The message names the field, the mistake and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A field cannot be parsed.
    #[error(transparent)]
    Text(#[from] ParseError),
    /// The Kubernetes version is newer than any that this operator runs.
    #[error(
        "spec.kubernetes.version {version} is newer than v{major}.{minor}, the newest that this operator runs: choose an older version or upgrade the operator"
    )]
    TooNew {
        /// The version as requested.
        version: String,
        /// Major of the newest version.
        major: u64,
        /// Minor of the newest version.
        minor: u64,
    },
    /// A new tenant's Kubernetes version is older than any that its workers could join.
    #[error(
        "spec.kubernetes.version {version} is older than v1.{oldest}, the oldest that new tenants may run: choose v1.{oldest} or newer"
    )]
    TooOld {
        /// The version as requested.
        version: String,
        /// Minor of the oldest version.
        oldest: u64,
    },
    /// The step from the former version is not supported by Kubernetes.
    #[error("spec.kubernetes.version: {0}")]
    Upgrade(#[from] upgrade::Refusal),
    /// The named DataStore does not exist.
    #[error(
        "{field} names the DataStore {name:?}, which does not exist: create it first, or name another (kubectl get datastores)"
    )]
    NoDataStore {
        /// Path of the field in the object.
        field: String,
        /// The name as it was written.
        name: String,
    },
    /// Another tenant has the DataStore, whose driver takes one; the message does not name it: any pod can ask.
    #[error(
        "spec.dataStore names the DataStore {0:?}, which another TenantControlPlane uses: NATS has one set of credentials for all, so that such a DataStore takes one tenant; create another DataStore for this one"
    )]
    DataStoreTaken(String),
    /// An override names a DataStore that is not etcd; kube-apiserver connects to overrides directly.
    #[error(
        "{field} names the DataStore {name:?}, whose driver is {driver}: only etcd can hold single resources, choose such a DataStore"
    )]
    OverrideDriver {
        /// Path of the field in the object.
        field: String,
        /// The name as it was written.
        name: String,
        /// Driver of the named DataStore.
        driver: &'static str,
    },
    /// Overrides beside a DataStore that kube-apiserver reaches through kine; name and driver.
    #[error(
        "spec.dataStoreOverrides needs a DataStore of etcd in spec.dataStore, since kube-apiserver has one setting of TLS for all, and {0:?} of the driver {1} is reached through kine, without TLS: remove the overrides, or name another DataStore"
    )]
    OverridesBesideKine(String, &'static str),
    /// An override does not name a resource.
    #[error(
        "{field} {text:?} is not a resource: write it as /events, or as group/resource such as coordination.k8s.io/leases"
    )]
    OverrideResource {
        /// Path of the field in the object.
        field: String,
        /// The text as it was written.
        text: String,
    },
    /// Two overrides name the same resource, for which kube-apiserver accepts one list of servers.
    #[error("spec.dataStoreOverrides has the resource {0:?} twice: keep one")]
    OverrideTwice(String),
    /// The overrides of a tenant that is set up change in a way in which its data does not move; what it has, and why.
    #[error(
        "spec.dataStoreOverrides of a tenant that is set up ({0}) cannot change like this: {1}"
    )]
    OverridesChanged(String, ChangeRefusal),
    /// The overrides change before the status records those that were set up. The text is what it has.
    #[error(
        "spec.dataStoreOverrides ({0}) is being set up, and status.storage.overrides does not record it yet: leave it as it is until then"
    )]
    OverridesUnrecorded(String),
    /// A running tenant is to move to a DataStore that holds single resources of it.
    #[error(
        "spec.dataStore names the DataStore {store:?}, which holds {resource} of this tenant by status.storage.overrides: the copy would replace that data; set spec.dataStore back to {from}, or name a DataStore of another etcd"
    )]
    MoveOntoOverride {
        /// DataStore that holds the data.
        from: String,
        /// DataStore that the spec asks for.
        store: String,
        /// Resource that it holds.
        resource: String,
    },
    /// A schema or user name is not allowed in the tenant's datastore.
    #[error("{field} {text:?} {problem}")]
    DataName {
        /// Path of the field in the object.
        field: &'static str,
        /// The text as it was written.
        text: String,
        /// The mistake and its remedy.
        problem: String,
    },
    /// The schema or user belongs to another tenant, which the message does not name: any pod can ask.
    #[error(
        "{field} {text:?} belongs to another TenantControlPlane: choose another, or leave it out to get one of its own"
    )]
    Claimed {
        /// Path of the field in the object.
        field: &'static str,
        /// The text as it was written.
        text: String,
    },
    /// The host name of an Ingress or a Gateway route is missing.
    #[error("{field} is missing: name the host that clients dial, for example demo.example.com")]
    NoHost {
        /// Path of the field in the object.
        field: &'static str,
    },
    /// A host name is not one.
    #[error("{field} {text:?} is not a host name: write one such as demo.example.com{suffix}")]
    Host {
        /// Path of the field in the object.
        field: &'static str,
        /// The text as it was written.
        text: String,
        /// Further example of a valid value; empty for none.
        suffix: &'static str,
    },
    /// A Gateway route is requested, and the management cluster does not serve TLSRoute.
    #[error(
        "spec.controlPlane.gateway needs TLSRoute of gateway.networking.k8s.io/v1, which the management cluster does not serve: install the Gateway API v1.5 or newer, or use spec.controlPlane.ingress"
    )]
    NoTlsRoutes,
    /// A port lies outside of 1 to 65535.
    #[error("{field} {port} is not a port: choose one from 1 to 65535")]
    Port {
        /// Path of the field in the object.
        field: String,
        /// The port as it was written.
        port: i32,
    },
    /// A port has another listener already.
    #[error("{field} {port} is taken by {by}: choose another")]
    PortTaken {
        /// Path of the field in the object.
        field: String,
        /// The port as it was written.
        port: String,
        /// The listener that has the port.
        by: String,
    },
    /// A name is not a DNS label, or too long.
    #[error(
        "{field} {text:?} is not a name of at most {most} characters from a-z, 0-9 and -, beginning and ending with a letter or digit: correct it"
    )]
    Name {
        /// Path of the field in the object.
        field: String,
        /// The text as it was written.
        text: String,
        /// Largest number of characters.
        most: usize,
    },
    /// A name or path is used by Kamaji itself.
    #[error("{field} {text:?} is a name that Kamaji uses itself: choose another")]
    Managed {
        /// Path of the field in the object.
        field: String,
        /// The text as it was written.
        text: String,
    },
    /// A list has two items of the same name or path.
    #[error("{field} {text:?} is there twice: {instead}")]
    Twice {
        /// Path of the field in the object.
        field: String,
        /// The text as it was written.
        text: String,
        /// The remedy, for the end of the message.
        instead: &'static str,
    },
    /// A mount names a volume that does not exist.
    #[error(
        "{field} mounts the volume {volume:?}, which does not exist: add it to spec.controlPlane.deployment.additionalVolumes"
    )]
    NoVolume {
        /// Path of the field in the object.
        field: String,
        /// Name of the missing volume.
        volume: String,
    },
    /// A value with which the API server would refuse the Deployment.
    #[error("{field} {problem}")]
    Value {
        /// Path of the field in the object.
        field: String,
        /// The mistake and its remedy.
        problem: String,
    },
    /// An item of the kubelet's JSON patches is malformed.
    #[error("spec.kubernetes.kubelet.configurationJSONPatches[{index}] {problem}")]
    JsonPatch {
        /// Index of the item in the list.
        index: usize,
        /// The mistake and its remedy.
        problem: String,
    },
    /// A JSON patch does not apply to the kubelet configuration.
    #[error(transparent)]
    Kubelet(#[from] PatchError),
}
