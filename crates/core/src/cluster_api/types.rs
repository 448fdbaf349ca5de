//! Types of a control plane's reconcile: settings, the observed [`Snapshot`] and the resulting [`Plan`].

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::{
    cluster::Cluster,
    control_plane::{KamajiControlPlane, KamajiControlPlaneStatus},
    tenant::TenantControlPlane,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::object::Object;

/// Finalizer that keeps a control plane until its TenantControlPlane is deleted.
pub const FINALIZER: &str = "controlplane.kamaji.clastix.io/finalizer";
/// Finalizer of upstream and of earlier releases; the API server warns of a finalizer without a domain.
/// Control planes that have it keep it.
pub const FORMER_FINALIZER: &str = "finalizer.controlplane.kamaji.clastix.io";
/// Finalizer that upstream sets on control planes whose tenant is in another management cluster.
pub const LEGACY_FINALIZER: &str = "ecr.kamaji.clastix.io/finalizer";

/// Options of the provider's command line that plans depend on. All are off by default.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Infrastructure clusters are neither read nor patched.
    pub skip_infrastructure: bool,
    /// Kinds of infrastructure clusters to patch, beside the ones that are built in.
    pub further_kinds: Vec<String>,
    /// Tenants may be in other management clusters (feature gate `ExternalClusterReference`).
    pub external: bool,
    /// Kubeconfigs of other management clusters may be in other namespaces than the control plane (feature
    /// gate `ExternalClusterReferenceCrossNamespace`).
    pub external_across_namespaces: bool,
}

/// Cluster that owns a control plane, as far as it was found.
#[derive(Clone, Debug)]
pub enum Owner {
    /// No owner reference names a Cluster yet.
    Nobody,
    /// An owner reference names a Cluster of this name, and there is no such Cluster.
    Missing(String),
    /// The Cluster that an owner reference names does not name the control plane in its `spec.controlPlaneRef`.
    Unconfirmed(Box<Cluster>),
    /// The Cluster that the owner reference names, and that names the control plane.
    Cluster(Box<Cluster>),
}

/// Result of a request to the tenant's API server with the published kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// No request was made with the present kubeconfig.
    #[default]
    Untried,
    /// The API server answered.
    Works,
    /// The request failed, with the error.
    Fails(String),
}

/// Infrastructure cluster that a Cluster refers to, as it was read.
#[derive(Clone, Debug, Default)]
pub enum Infrastructure {
    /// The Cluster refers to none, the object does not exist, or it was not read.
    #[default]
    None,
    /// The object could not be read, with the error.
    Unreadable(String),
    /// The object exists and was read.
    Found {
        /// Complete JSON, with `metadata.uid` and `metadata.resourceVersion`.
        object: Value,
        /// Newest contract that the labels of its definition name.
        contract: Contract,
    },
}

/// Version of Cluster API's contract for infrastructure clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// Contract v1beta1, with `status.ready`.
    V1Beta1,
    /// Contract v1beta2, with `status.initialization.provisioned`.
    V1Beta2,
}

/// Merge patches of an infrastructure cluster; `None` where nothing differs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InfrastructurePatch {
    /// Patch of the object itself.
    pub spec: Option<Value>,
    /// Patch of the status subresource.
    pub status: Option<Value>,
}

/// Location of a TenantControlPlane: management cluster, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Namespace of the TenantControlPlane.
    pub namespace: String,
    /// Name of the TenantControlPlane.
    pub name: String,
    /// Kubeconfig of its management cluster; `None` for the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<Kubeconfig>,
    /// Identity of its management cluster: the uid of the namespace, where the kubeconfig may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Uid of the control plane that created the tenant. A control plane that was moved or restored keeps the
    /// first uid.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
}

/// Kubeconfig in a Secret of the provider's management cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kubeconfig {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub name: String,
    /// Key of the Secret's data that holds the kubeconfig.
    pub key: String,
}

/// Reachability of the management cluster that the tenant is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Remote {
    /// The tenant is in the provider's own management cluster.
    #[default]
    Local,
    /// The other cluster answers; with its identity (see [`Place::cluster`]), where that can be read.
    Reachable(Option<String>),
    /// The other cluster cannot be reached; with the cause and the next action.
    Unreachable(String),
}

/// Everything that a plan depends on.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The control plane that is reconciled.
    pub control_plane: KamajiControlPlane,
    /// Cluster that owns the control plane.
    pub owner: Owner,
    /// Location of the tenant, determined once per reconcile.
    pub place: Place,
    /// TenantControlPlane at [`Snapshot::place`], if it exists.
    pub tenant: Option<TenantControlPlane>,
    /// Infrastructure cluster of the owning Cluster.
    pub infrastructure: Infrastructure,
    /// Reachability of the cluster that the tenant is in.
    pub remote: Remote,
    /// Secrets that the operator made for the tenant, by name, from the tenant's cluster.
    pub sources: BTreeMap<String, Secret>,
    /// Secrets that are published for Cluster API, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Result of the last request with the published kubeconfig.
    pub probe: Probe,
    /// Options of the command line.
    pub settings: Settings,
    /// Time of the observation.
    pub now: Timestamp,
}

/// Desired state of one control plane, as the writes that lead there.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Merge patch of the control plane itself; `None` if nothing differs.
    pub own: Option<Value>,
    /// TenantControlPlane and published Secrets that differ, in the order in which they are written.
    pub objects: Vec<Object>,
    /// True if upstream made the TenantControlPlane, so that its field ownership is taken over before it is
    /// written: see [`super::takeover`].
    pub take_over: bool,
    /// Uid of the TenantControlPlane to delete.
    pub delete: Option<String>,
    /// Patch of the infrastructure cluster; `None` if nothing differs.
    pub infrastructure: Option<InfrastructurePatch>,
    /// Kubeconfig to probe; `None` if none is published.
    pub probe: Option<Vec<u8>>,
    /// Time of the next reconcile if nothing changes before; `None` for the periodic resync alone.
    pub requeue_at: Option<Timestamp>,
    /// Next status; `None` to leave the status as it is.
    pub status: Option<KamajiControlPlaneStatus>,
}
