//! `KamajiControlPlane` and `KamajiControlPlaneTemplate`: control planes that Cluster API drives.

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

/// Desired state of a control plane of Cluster API. The provider creates a TenantControlPlane from
/// it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "controlplane.cluster.x-k8s.io",
    version = "v1alpha2",
    kind = "KamajiControlPlane",
    doc = "Control plane of a Cluster of Cluster API, from which the provider creates a TenantControlPlane.",
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
    printcolumn = r#"{"name":"Cluster","type":"string","description":"Cluster that owns the control plane","jsonPath":".metadata.labels['cluster\\.x-k8s\\.io/cluster-name']"}"#,
    printcolumn = r#"{"name":"Version","type":"string","description":"Desired Kubernetes version","jsonPath":".spec.version"}"#,
    printcolumn = r#"{"name":"Initialized","type":"boolean","description":"True once the API server could be used","jsonPath":".status.initialization.controlPlaneInitialized"}"#,
    printcolumn = r#"{"name":"Ready","type":"boolean","description":"True if the control plane is ready","jsonPath":".status.ready"}"#,
    printcolumn = r#"{"name":"Available","type":"string","description":"True if the API server answers","jsonPath":".status.conditions[?(@.type=='Available')].status"}"#,
    printcolumn = r#"{"name":"Desired","type":"integer","description":"Desired number of pods","jsonPath":".spec.replicas"}"#,
    printcolumn = r#"{"name":"Replicas","type":"integer","description":"Number of pods that exist","jsonPath":".status.replicas"}"#,
    printcolumn = r#"{"name":"Up-to-date","type":"integer","description":"Number of pods of the newest pod template","jsonPath":".status.upToDateReplicas"}"#,
    printcolumn = r#"{"name":"Paused","type":"string","description":"True if reconciliation is paused","jsonPath":".status.conditions[?(@.type=='Paused')].status","priority":10}"#,
    printcolumn = r#"{"name":"Age","type":"date","description":"Time since the object was created","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct KamajiControlPlaneSpec {
    /// Host and port at which workers and users reach the API server. The provider sets it, and
    /// Cluster API copies it to the Cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane_endpoint: Option<ApiEndpoint>,
    /// Number of control plane pods, at least 0; 0 puts the control plane to sleep and keeps its
    /// data. The scale subresource sets it. Default: 2.
    #[serde(
        default = "crate::tenant::default_replicas",
        skip_serializing_if = "Option::is_none"
    )]
    pub replicas: Option<i32>,
    /// Rollouts without a change of the pods. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// Kubernetes version with or without v, for example v1.36.3, at most minor 1.37. Upgrades go
    /// one minor at a time; a downgrade of the minor is refused. Changes replace the pods.
    #[schemars(length(max = 256))]
    pub version: String,
    /// Fields that control planes share with their templates.
    #[serde(flatten)]
    pub fields: ControlPlaneFields,
}

/// Rollouts without a change of the pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1))]
pub struct Rollout {
    /// Time at which pods that are older are replaced once. A time before the TenantControlPlane
    /// was created has no effect; removing it later restarts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Time>,
}

/// Host and port at which an API server is reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1))]
pub struct ApiEndpoint {
    /// Host name or IP address, from 1 to 512 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub host: Option<String>,
    /// TCP port of the host, 1 to 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}

/// Fields that control planes share with their templates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneFields {
    /// Addons that the operator installs in the tenant cluster: each one whose field is present,
    /// even as `{}`. Removing a field uninstalls its addon. Empty: no addon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addons: Option<ControlPlaneAddons>,
    /// Admission plugins that --enable-admission-plugins of kube-apiserver names. Empty: the 17 of
    /// a TenantControlPlane, from CertificateApproval to ValidatingAdmissionWebhook. Changes
    /// replace the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admission_controllers: Vec<AdmissionController>,
    /// Image, arguments, mounts, probes and resources of kube-apiserver. Changes replace the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_server: Option<ControlPlaneComponent>,
    /// Image, arguments, mounts, probes and resources of kube-controller-manager. Changes replace
    /// the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_manager: Option<ControlPlaneComponent>,
    /// Name of the DataStore that holds the tenant's data. Empty: the operator's default
    /// (--datastore). A change moves the data of the running tenant, between all drivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_store_name: Option<String>,
    /// DataStores for single resources of the tenant, each of the driver etcd; at most 64. Empty:
    /// every resource is in dataStoreName. A change moves the data of its resources while the
    /// tenant runs, from one DataStore to one other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_store_overrides: Vec<DataStoreOverride>,
    /// Name under which the DataStore keeps the tenant's data: key prefix in etcd, database in
    /// MySQL and PostgreSQL, bucket in NATS. Empty: the uid of the TenantControlPlane. The
    /// TenantControlPlane refuses a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_store_schema: Option<String>,
    /// User of the tenant in the DataStore; in etcd, a role of that name as well. Empty: the uid of
    /// the TenantControlPlane. NATS ignores it. The name cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("dataStoreUsername cannot change: the data would be out of reach"))]
    pub data_store_username: Option<String>,
    /// Scheduling, metadata, containers and strategy of the control plane pods, and the management
    /// cluster that they run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<ControlPlaneDeployment>,
    /// Arguments and resources of kine, which runs with every driver except etcd. Changes replace
    /// the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kine: Option<KineComponent>,
    /// Configuration of the tenant's kubelets. Nodes read it when they join. Left out: cgroupfs is
    /// systemd, preferredAddressTypes are InternalIP, ExternalIP, Hostname.
    #[serde(default = "kubelet")]
    pub kubelet: KubeletSpec,
    /// Service, Ingress or Gateway of the control plane, and names in its certificate. Ranges of
    /// pods and Services come from the Cluster's spec.clusterNetwork.
    #[serde(default)]
    pub network: ControlPlaneNetwork,
    /// Registry of the images of kube-apiserver, kube-controller-manager and kube-scheduler.
    /// Changes replace the pods. Default: registry.k8s.io.
    #[serde(default = "registry")]
    pub registry: String,
    /// Text appended to the version in the images' tags, for example -arm64. Empty: none. Changes
    /// replace the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_tag_suffix: Option<String>,
    /// Image, arguments, mounts, probes and resources of kube-scheduler. Changes replace the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<ControlPlaneComponent>,
    /// Kinds of writes that the tenant's API server denies to its clients. Empty: none. Pods are
    /// not restarted; objects in kube-system and updates of node leases stay writable.
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

/// Template of the control planes of a ClusterClass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "controlplane.cluster.x-k8s.io",
    version = "v1alpha2",
    kind = "KamajiControlPlaneTemplate",
    doc = "Template of the KamajiControlPlanes of a ClusterClass.",
    plural = "kamajicontrolplanetemplates",
    namespaced,
    shortname = "ktcpt",
    category = "cluster-api",
    category = "kamaji",
    derive = "Default",
    derive = "PartialEq"
)]
pub struct KamajiControlPlaneTemplateSpec {
    /// Metadata and spec of the control planes that Cluster API makes from this template.
    pub template: ControlPlaneTemplate,
}

/// Metadata and spec of the control planes that Cluster API makes from a template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ControlPlaneTemplate {
    /// Labels and annotations of the control planes. Empty: none are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TemplateMetadata>,
    /// Spec of the control planes. Version, replicas and endpoint come from the Cluster's topology.
    pub spec: ControlPlaneFields,
}

/// Labels and annotations of the control planes made from a template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1))]
pub struct TemplateMetadata {
    /// Annotations of the control planes, at most 256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels of the control planes, at most 256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}
