//! View of Cluster API's `Cluster` (v1beta2): only the fields that the provider reads.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control_plane::ApiEndpoint;

/// Label with the name of the Cluster that an object belongs to.
pub const CLUSTER_NAME: &str = "cluster.x-k8s.io/cluster-name";
/// Annotation that pauses all controllers of Cluster API on one object, whatever its value.
pub const PAUSED: &str = "cluster.x-k8s.io/paused";
/// Annotation that makes `clusterctl move` wait before it moves an object.
pub const BLOCK_MOVE: &str = "clusterctl.cluster.x-k8s.io/block-move";
/// Annotation of an infrastructure cluster that is managed by others than its own controller.
pub const MANAGED_BY: &str = "cluster.x-k8s.io/managed-by";
/// Type of the Secrets that Cluster API takes kubeconfigs and authorities from.
pub const SECRET_TYPE: &str = "cluster.x-k8s.io/secret";
/// API group of Cluster API's core kinds.
pub const GROUP: &str = "cluster.x-k8s.io";

/// A `Cluster`, as far as the provider reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "cluster.x-k8s.io",
    version = "v1beta2",
    kind = "Cluster",
    plural = "clusters",
    namespaced,
    derive = "Default",
    derive = "PartialEq",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// True pauses all controllers on the Cluster and its objects.
    #[serde(default)]
    pub paused: Option<bool>,
    /// Ranges of pods and Services, DNS domain, and port of the API server.
    #[serde(default)]
    pub cluster_network: Option<ClusterNetwork>,
    /// Host and port at which workers and users reach the API server; empty until the control plane, the infrastructure or a user sets it.
    #[serde(default)]
    pub control_plane_endpoint: Option<ApiEndpoint>,
    /// Reference to the control plane, for example a `KamajiControlPlane`.
    #[serde(default)]
    pub control_plane_ref: Option<ContractReference>,
    /// Reference to the infrastructure cluster.
    #[serde(default)]
    pub infrastructure_ref: Option<ContractReference>,
}

impl Cluster {
    /// True if `other`, another version of the same Cluster, differs in no field that the provider
    /// reads. Cluster API writes its status all the time; such an event needs no reconcile.
    pub fn equals_as_observed(&self, other: &Self) -> bool {
        let metadata = |cluster: &Self| {
            let mut metadata = cluster.metadata.clone();
            metadata.resource_version = None;
            metadata
        };
        self.spec == other.spec && metadata(self) == metadata(other)
    }
}

/// Ranges of pods and Services, DNS domain, and port of the API server of a Cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterNetwork {
    /// Port of the API server; empty or 0 means 6443.
    #[serde(default)]
    pub api_server_port: Option<i32>,
    /// Ranges of the Services' addresses.
    #[serde(default)]
    pub services: Option<NetworkRanges>,
    /// Ranges of the pods' addresses.
    #[serde(default)]
    pub pods: Option<NetworkRanges>,
    /// DNS domain of the cluster; empty means `cluster.local`.
    #[serde(default)]
    pub service_domain: Option<String>,
}

/// Address ranges, one or one of each IP family.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkRanges {
    /// CIDRs such as 10.96.0.0/16, at most two.
    #[serde(default)]
    pub cidr_blocks: Vec<String>,
}

/// Reference to an object in the same namespace; the contract labels of its definition tell the API
/// version. Cluster API's v1beta1 has an API version instead of the group, and a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContractReference {
    /// API group of the object; empty in the shape of v1beta1.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_group: String,
    /// API group and version of the object; empty in the shape of v1beta2.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Kind of the object.
    #[serde(default)]
    pub kind: String,
    /// Name of the object.
    #[serde(default)]
    pub name: String,
    /// Namespace of the object; empty in the shape of v1beta2, and where it is the Cluster's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

impl ContractReference {
    /// API group of the object, in either shape; empty if the reference has none.
    pub fn group(&self) -> &str {
        let of_version = self.api_version.split_once('/').map(|(group, _)| group);
        match self.api_group.as_str() {
            "" => of_version.unwrap_or_default(),
            group => group,
        }
    }
}
