//! What does a user ask of a tenant control plane, and what is it told?

pub mod addons;
pub mod deployment;
pub mod exposure;
pub mod kubernetes;
pub mod network;
pub mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use addons::*;
pub use deployment::*;
pub use exposure::*;
pub use kubernetes::*;
pub use network::*;
pub use status::*;

/// What is asked of a tenant control plane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "kamaji.clastix.io",
    version = "v1alpha1",
    kind = "TenantControlPlane",
    doc = "A Kubernetes control plane that runs as pods.",
    plural = "tenantcontrolplanes",
    namespaced,
    shortname = "tcp",
    category = "kamaji",
    status = "TenantControlPlaneStatus",
    derive = "Default",
    derive = "PartialEq",
    scale(
        spec_replicas_path = ".spec.controlPlane.deployment.replicas",
        status_replicas_path = ".status.kubernetesResources.deployment.replicas",
        label_selector_path = ".status.kubernetesResources.deployment.selector"
    ),
    printcolumn = r#"{"name":"Version","type":"string","description":"Kubernetes version asked for","jsonPath":".spec.kubernetes.version"}"#,
    printcolumn = r#"{"name":"Installed Version","type":"string","description":"Kubernetes version that runs","jsonPath":".status.kubernetesResources.version.version"}"#,
    printcolumn = r#"{"name":"Status","type":"string","description":"What the control plane is doing","jsonPath":".status.kubernetesResources.version.status"}"#,
    printcolumn = r#"{"name":"Control-Plane endpoint","type":"string","description":"Address of the API server","jsonPath":".status.controlPlaneEndpoint"}"#,
    printcolumn = r#"{"name":"Kubeconfig","type":"string","description":"Secret with the administrators' kubeconfigs","jsonPath":".status.kubeconfig.admin.secretName"}"#,
    printcolumn = r#"{"name":"Datastore","type":"string","description":"DataStore that holds the data","jsonPath":".status.storage.dataStoreName"}"#,
    printcolumn = r#"{"name":"Age","type":"date","description":"Age","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.dataStore) || has(self.dataStore)").message("dataStore cannot be unset once it is set: the data would be nowhere"),
    validation = Rule::new("!has(oldSelf.dataStoreSchema) || has(self.dataStoreSchema)").message("dataStoreSchema cannot be unset once it is set: the data would be lost"),
    validation = Rule::new("!has(oldSelf.dataStoreUsername) || has(self.dataStoreUsername)").message("dataStoreUsername cannot be unset once it is set: the data would be out of reach"),
    validation = Rule::new("!has(self.networkProfile.loadBalancerSourceRanges) || (size(self.networkProfile.loadBalancerSourceRanges) == 0 || self.controlPlane.service.serviceType == 'LoadBalancer')").message("networkProfile.loadBalancerSourceRanges goes with serviceType LoadBalancer only: remove it, or change the type"),
    validation = Rule::new("!has(self.networkProfile.loadBalancerClass) || self.controlPlane.service.serviceType == 'LoadBalancer'").message("networkProfile.loadBalancerClass goes with serviceType LoadBalancer only: remove it, or change the type"),
    validation = Rule::new("!has(self.controlPlane.service.allocateLoadBalancerNodePorts) || self.controlPlane.service.serviceType == 'LoadBalancer'").message("controlPlane.service.allocateLoadBalancerNodePorts goes with serviceType LoadBalancer only: remove it, or change the type"),
    validation = Rule::new("self.controlPlane.service.serviceType != 'LoadBalancer' || (oldSelf.controlPlane.service.serviceType != 'LoadBalancer' && self.controlPlane.service.serviceType == 'LoadBalancer') || has(self.networkProfile.loadBalancerClass) == has(oldSelf.networkProfile.loadBalancerClass)").message("networkProfile.loadBalancerClass cannot be added or removed while serviceType stays LoadBalancer: change the type in the same update, or recreate the tenant")
)]
pub struct TenantControlPlaneSpec {
    /// What is installed inside the tenant.
    #[serde(default)]
    pub addons: AddonsSpec,
    /// Pods, Service and ways in.
    pub control_plane: ControlPlaneSpec,
    /// DataStore that holds the tenant's data; empty for the operator's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_store: Option<String>,
    /// DataStores of single resources; etcd only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_store_overrides: Vec<DataStoreOverride>,
    /// Prefix, database or bucket; by default the tenant's uid. It cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("dataStoreSchema cannot change: the data would be lost"))]
    pub data_store_schema: Option<String>,
    /// User or role; by default the tenant's uid. It cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("dataStoreUsername cannot change: the data would be out of reach"))]
    pub data_store_username: Option<String>,
    /// Version and kubelets.
    pub kubernetes: KubernetesSpec,
    /// Addresses, port and ranges.
    #[serde(default)]
    pub network_profile: NetworkProfile,
    /// Kinds of writes that are refused inside the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_permissions: Option<WritePermissions>,
}

/// Pods, Service and ways in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.ingress) && has(self.gateway))").message("ingress and gateway exclude each other: keep one"))]
pub struct ControlPlaneSpec {
    /// The pods.
    #[serde(default)]
    pub deployment: DeploymentSpec,
    /// A route through a gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewaySpec>,
    /// An Ingress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressSpec>,
    /// The Service.
    pub service: ServiceSpec,
}

/// The DataStore of one resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataStoreOverride {
    /// Name of the DataStore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_store: Option<String>,
    /// The resource as kube-apiserver's --etcd-servers-overrides writes it, for example /events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// Kinds of writes that are refused inside the tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WritePermissions {
    /// Refuse to create objects.
    #[serde(default, skip_serializing_if = "is_false")]
    pub block_creation: bool,
    /// Refuse to delete objects.
    #[serde(default, skip_serializing_if = "is_false")]
    pub block_deletion: bool,
    /// Refuse to change objects.
    #[serde(default, skip_serializing_if = "is_false")]
    pub block_update: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
