//! `TenantControlPlane`: the desired Kubernetes control plane of one tenant, and its status.

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

/// Desired state of a tenant control plane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "kamaji.clastix.io",
    version = "v1alpha1",
    kind = "TenantControlPlane",
    doc = "Kubernetes control plane of one tenant, which runs as pods of the management cluster.",
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
    printcolumn = r#"{"name":"Version","type":"string","description":"Desired Kubernetes version","jsonPath":".spec.kubernetes.version"}"#,
    printcolumn = r#"{"name":"Installed Version","type":"string","description":"Installed Kubernetes version","jsonPath":".status.kubernetesResources.version.version"}"#,
    printcolumn = r#"{"name":"Status","type":"string","description":"Phase of the control plane","jsonPath":".status.kubernetesResources.version.status"}"#,
    printcolumn = r#"{"name":"Control-Plane endpoint","type":"string","description":"Address and port of the API server","jsonPath":".status.controlPlaneEndpoint"}"#,
    printcolumn = r#"{"name":"Kubeconfig","type":"string","description":"Secret with the administrators' kubeconfigs","jsonPath":".status.kubeconfig.admin.secretName"}"#,
    printcolumn = r#"{"name":"Datastore","type":"string","description":"DataStore that holds the data","jsonPath":".status.storage.dataStoreName"}"#,
    printcolumn = r#"{"name":"Keys","type":"integer","description":"Keys of the tenant in its DataStore","jsonPath":".status.storage.usage.keys","priority":1}"#,
    printcolumn = r#"{"name":"Bytes","type":"integer","description":"Bytes of the tenant's data in its DataStore","jsonPath":".status.storage.usage.bytes","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","description":"Time since the object was created","jsonPath":".metadata.creationTimestamp"}"#
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
    /// Addons that the operator installs in the tenant cluster: each one whose field is present,
    /// even as `{}`. Removing a field uninstalls its addon. Empty: no addon.
    #[serde(default)]
    pub addons: AddonsSpec,
    /// Control plane pods, their Service, and the Ingress or Gateway routes that lead to them.
    pub control_plane: ControlPlaneSpec,
    /// Name of the DataStore that holds the tenant's data. Empty: the operator's default
    /// (--datastore), filled in at admission; where there is none, the tenant waits until a
    /// DataStore is named. The field cannot be unset. A change moves the data of the running tenant,
    /// between all drivers, as status.storage.migration reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_store: Option<String>,
    /// DataStores for single resources of the tenant, each of the driver etcd; at most 64. Empty:
    /// every resource is in dataStore. A change moves the data of its resources while the tenant runs,
    /// from one DataStore to one other, as status.storage.migration reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_store_overrides: Vec<DataStoreOverride>,
    /// Name under which the DataStore keeps the tenant's data: key prefix in etcd, database in
    /// MySQL and PostgreSQL, bucket in NATS. Empty: the tenant's uid. A name that another tenant
    /// has is refused. The name cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("dataStoreSchema cannot change: the data would be lost"))]
    pub data_store_schema: Option<String>,
    /// User of the tenant in the DataStore; in etcd, a role of that name as well. Empty: the
    /// tenant's uid. NATS ignores it: kine logs in with the DataStore's basicAuth. A name that
    /// another tenant has is refused. The name cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("dataStoreUsername cannot change: the data would be out of reach"))]
    pub data_store_username: Option<String>,
    /// Kubernetes version of the tenant, admission plugins of its API server, and configuration of
    /// its kubelets.
    pub kubernetes: KubernetesSpec,
    /// Address and port of the API server, names in its certificate, and address ranges of pods and
    /// Services.
    #[serde(default)]
    pub network_profile: NetworkProfile,
    /// Kinds of writes that the tenant's API server denies to its clients. Empty: none. A webhook
    /// configuration in the tenant cluster denies them, without a restart of pods; objects in
    /// kube-system and updates of node leases stay writable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_permissions: Option<WritePermissions>,
}

/// Control plane pods, their Service, and the Ingress or Gateway routes that lead to them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.ingress) && has(self.gateway))").message("ingress and gateway exclude each other: keep one"))]
pub struct ControlPlaneSpec {
    /// Deployment of the control plane pods. A change of the pod template replaces all pods by the
    /// strategy.
    #[serde(default)]
    pub deployment: DeploymentSpec,
    /// TLSRoutes through a Gateway to the API server and, with the addon, to konnectivity. Empty:
    /// no route. A gateway excludes an ingress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewaySpec>,
    /// Ingress to the API server. Empty: no Ingress. An ingress excludes a gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressSpec>,
    /// Service in front of the control plane pods, named like the tenant.
    pub service: ServiceSpec,
}

/// One resource of the tenant and the DataStore that holds it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataStoreOverride {
    /// Name of an existing DataStore of the driver etcd. Required by admission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_store: Option<String>,
    /// Resource as /RESOURCE or GROUP/RESOURCE, for example /events, the form of kube-apiserver's
    /// --etcd-servers-overrides. Required by admission; each resource once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// Kinds of writes that the tenant's API server denies to its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WritePermissions {
    /// Denies the creation of objects if true. Empty: creation is allowed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub block_creation: bool,
    /// Denies the deletion of objects if true. Empty: deletion is allowed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub block_deletion: bool,
    /// Denies the update of objects if true, except of node leases. Empty: updates are allowed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub block_update: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
