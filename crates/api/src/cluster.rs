//! Which fields of Cluster API's own `Cluster` do we read? (Cluster API v1beta2)

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control_plane::ApiEndpoint;

/// Label by which Cluster API finds what belongs to a Cluster.
pub const CLUSTER_NAME: &str = "cluster.x-k8s.io/cluster-name";
/// Annotation that pauses every controller of Cluster API on one object.
pub const PAUSED: &str = "cluster.x-k8s.io/paused";
/// Annotation that keeps `clusterctl move` from moving an object.
pub const BLOCK_MOVE: &str = "clusterctl.cluster.x-k8s.io/block-move";
/// Annotation of an infrastructure cluster that somebody else than its own controller manages.
pub const MANAGED_BY: &str = "cluster.x-k8s.io/managed-by";
/// Type of the Secrets that Cluster API takes kubeconfigs and authorities from.
pub const SECRET_TYPE: &str = "cluster.x-k8s.io/secret";
/// Group of Cluster API's core.
pub const GROUP: &str = "cluster.x-k8s.io";

/// A `Cluster`, as far as we read it.
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
    /// True while nobody is to work on it.
    #[serde(default)]
    pub paused: Option<bool>,
    /// Ranges, domain and port.
    #[serde(default)]
    pub cluster_network: Option<ClusterNetwork>,
    /// Where its API server is reached.
    #[serde(default)]
    pub control_plane_endpoint: Option<ApiEndpoint>,
    /// Its control plane.
    #[serde(default)]
    pub control_plane_ref: Option<ContractReference>,
    /// Its infrastructure.
    #[serde(default)]
    pub infrastructure_ref: Option<ContractReference>,
}

impl Cluster {
    /// True if another version of a Cluster differs in nothing that we read: Cluster API writes its
    /// status all the time.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let said = |cluster: &Self| {
            let mut metadata = cluster.metadata.clone();
            metadata.resource_version = None;
            metadata
        };
        self.spec == other.spec && said(self) == said(other)
    }
}

/// Ranges, domain and port of a Cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterNetwork {
    /// Port of the API server.
    #[serde(default)]
    pub api_server_port: Option<i32>,
    /// Ranges of Services.
    #[serde(default)]
    pub services: Option<NetworkRanges>,
    /// Ranges of pods.
    #[serde(default)]
    pub pods: Option<NetworkRanges>,
    /// Domain of the Services.
    #[serde(default)]
    pub service_domain: Option<String>,
}

/// A list of ranges.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkRanges {
    /// One or two.
    #[serde(default)]
    pub cidr_blocks: Vec<String>,
}

/// An object in the same namespace whose version the contract labels of its definition tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContractReference {
    /// Its group.
    #[serde(default)]
    pub api_group: String,
    /// Its kind.
    #[serde(default)]
    pub kind: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}
