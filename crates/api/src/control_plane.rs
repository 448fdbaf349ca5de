//! What does a user ask of a control plane through Cluster API?

pub mod network;
pub mod pods;
pub mod status;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tenant::{
    AdmissionController, CgroupDriver, DataStoreOverride, KubeletSpec, WritePermissions,
};

pub use network::*;
pub use pods::*;
pub use status::*;

/// What is asked of a control plane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "controlplane.cluster.x-k8s.io",
    version = "v1alpha2",
    kind = "KamajiControlPlane",
    doc = "A control plane that Cluster API drives.",
    plural = "kamajicontrolplanes",
    namespaced,
    shortname = "ktcp",
    category = "cluster-api",
    category = "kamaji",
    status = "KamajiControlPlaneStatus",
    derive = "Default",
    derive = "PartialEq",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn = r#"{"name":"Cluster","type":"string","description":"Cluster that owns it","jsonPath":".metadata.labels['cluster\\.x-k8s\\.io/cluster-name']"}"#,
    printcolumn = r#"{"name":"Version","type":"string","description":"Kubernetes version asked for","jsonPath":".spec.version"}"#,
    printcolumn = r#"{"name":"Initialized","type":"boolean","description":"Whether the API server can be used","jsonPath":".status.initialization.controlPlaneInitialized"}"#,
    printcolumn = r#"{"name":"Ready","type":"boolean","description":"Whether the control plane is ready","jsonPath":".status.ready"}"#,
    printcolumn = r#"{"name":"Available","type":"string","description":"Whether the control plane serves","jsonPath":".status.conditions[?(@.type=='Available')].status"}"#,
    printcolumn = r#"{"name":"Desired","type":"integer","description":"Pods asked for","jsonPath":".spec.replicas"}"#,
    printcolumn = r#"{"name":"Replicas","type":"integer","description":"Pods that exist","jsonPath":".status.replicas"}"#,
    printcolumn = r#"{"name":"Up-to-date","type":"integer","description":"Pods of the newest template","jsonPath":".status.upToDateReplicas"}"#,
    printcolumn = r#"{"name":"Paused","type":"string","description":"Whether reconciliation is paused","jsonPath":".status.conditions[?(@.type=='Paused')].status","priority":10}"#,
    printcolumn = r#"{"name":"Age","type":"date","description":"Age","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct KamajiControlPlaneSpec {
    /// Where the API server is reached; set by the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane_endpoint: Option<ApiEndpoint>,
    /// Number of pods.
    #[serde(default = "two", skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Rollouts that no change of the pods asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// Kubernetes version, with or without v.
    #[schemars(length(max = 256))]
    pub version: String,
    /// What templates have, too.
    #[serde(flatten)]
    pub fields: ControlPlaneFields,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn two() -> Option<i32> {
    Some(2)
}

/// Rollouts that no change of the pods asks for. (Contract of control-plane providers, rollout)
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1))]
pub struct Rollout {
    /// When this time has come, the pods that are older are replaced once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Time>,
}

/// Where an API server is reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1))]
pub struct ApiEndpoint {
    /// Name or address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub host: Option<String>,
    /// Port, 1 to 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}

/// What control planes and their templates have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneFields {
    /// What is installed inside the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addons: Option<ControlPlaneAddons>,
    /// Admission plugins of the API server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admission_controllers: Vec<AdmissionController>,
    /// kube-apiserver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_server: Option<ControlPlaneComponent>,
    /// kube-controller-manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_manager: Option<ControlPlaneComponent>,
    /// DataStore that holds the tenant's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_store_name: Option<String>,
    /// DataStores of single resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_store_overrides: Vec<DataStoreOverride>,
    /// Prefix, database or bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_store_schema: Option<String>,
    /// User or role; it cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("dataStoreUsername cannot change: the data would be out of reach"))]
    pub data_store_username: Option<String>,
    /// The pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<ControlPlaneDeployment>,
    /// kine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kine: Option<KineComponent>,
    /// Configuration of the kubelets that join.
    #[serde(default = "kubelet")]
    pub kubelet: KubeletSpec,
    /// Ways in.
    #[serde(default)]
    pub network: ControlPlaneNetwork,
    /// Registry of the images.
    #[serde(default = "registry")]
    pub registry: String,
    /// Text that is appended to the version in the tags of the images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_tag_suffix: Option<String>,
    /// kube-scheduler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<ControlPlaneComponent>,
    /// Kinds of writes that are refused inside the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_permissions: Option<WritePermissions>,
}

impl Default for ControlPlaneFields {
    fn default() -> Self {
        Self {
            addons: None,
            admission_controllers: Vec::new(),
            api_server: None,
            controller_manager: None,
            data_store_name: None,
            data_store_overrides: Vec::new(),
            data_store_schema: None,
            data_store_username: None,
            deployment: None,
            kine: None,
            kubelet: kubelet(),
            network: ControlPlaneNetwork::default(),
            registry: registry(),
            registry_tag_suffix: None,
            scheduler: None,
            write_permissions: None,
        }
    }
}

fn registry() -> String {
    "registry.k8s.io".to_owned()
}

fn kubelet() -> KubeletSpec {
    KubeletSpec {
        cgroupfs: Some(CgroupDriver::Systemd),
        ..KubeletSpec::default()
    }
}

/// What the control planes of a ClusterClass have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "controlplane.cluster.x-k8s.io",
    version = "v1alpha2",
    kind = "KamajiControlPlaneTemplate",
    doc = "A control plane of a ClusterClass.",
    plural = "kamajicontrolplanetemplates",
    namespaced,
    shortname = "ktcpt",
    category = "cluster-api",
    category = "kamaji",
    derive = "Default",
    derive = "PartialEq"
)]
pub struct KamajiControlPlaneTemplateSpec {
    /// The template.
    pub template: ControlPlaneTemplate,
}

/// A template of control planes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ControlPlaneTemplate {
    /// Labels and annotations of the control planes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TemplateMetadata>,
    /// What they are.
    pub spec: ControlPlaneFields,
}

/// Labels and annotations of what is made from a template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1))]
pub struct TemplateMetadata {
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}
