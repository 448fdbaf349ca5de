//! Pods and addons of a `KamajiControlPlane`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Container, PodSecurityContext, ResourceRequirements, SecurityContext, Toleration,
    TopologySpreadConstraint, Volume, VolumeMount,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tenant::{AdditionalMetadata, AddonSpec, KonnectivitySpec, ProbeSet, Strategy};

/// Addons of the tenant cluster; each is installed while its field is present.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneAddons {
    /// CoreDNS in the namespace kube-system of the tenant cluster, with the Service kube-dns.
    /// Empty: not installed, and removed if it was. The operator owns its Corefile and number of
    /// replicas.
    #[serde(rename = "coreDNS", default, skip_serializing_if = "Option::is_none")]
    pub core_dns: Option<ControlPlaneCoreDns>,
    /// Tunnel by which the API server reaches nodes, pods and webhooks: a server in the control
    /// plane pods, agents on the tenant's nodes. Empty: not installed, and removed if it was.
    /// Adding or removing it replaces the control plane pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub konnectivity: Option<KonnectivitySpec>,
    /// kube-proxy as a DaemonSet in the tenant cluster. Empty: not installed, and removed if it
    /// was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_proxy: Option<AddonSpec>,
}

/// CoreDNS in the tenant cluster; changes of the image replace its pods only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneCoreDns {
    /// IP addresses of the DNS Service in the tenant cluster, each within the Cluster's Service
    /// ranges; they win over network.dnsServiceIPs. Empty: that field.
    #[serde(
        rename = "dnsServiceIPs",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub dns_service_ips: Vec<String>,
    /// Repository before the name of the image, as in REPOSITORY/coredns:TAG. Empty:
    /// registry.k8s.io/coredns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_repository: Option<String>,
    /// Tag of the image. Empty: the tag that kubeadm of the tenant's version installs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<String>,
}

/// Image, arguments, mounts, probes and resources of one component. Changes replace the pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneComponent {
    /// Name of the component's image in the registry. Empty: the component's own name, for example
    /// kube-apiserver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub container_image_name: Option<String>,
    /// Further arguments of the component, as --name=value. Those that the operator must set for
    /// kube-apiserver, for example --etcd-servers, are ignored. At most 256 of 4096 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<String>,
    /// Mounts of deployment.extraVolumes in the component's container. Empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_volume_mounts: Vec<VolumeMount>,
    /// Timings of the component's probes. Empty: those in deployment.probes, then the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<ProbeSet>,
    /// Requests and limits of the component's container. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Security context of the component's container. Empty: that of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
}

/// Arguments and resources of kine, which runs with every driver except etcd.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KineComponent {
    /// Further arguments of kine; they win over the operator's, except --endpoint. At most 256 of
    /// 4096 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<String>,
    /// Requests and limits of kine's container. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

/// Scheduling, metadata, containers and strategy of the control plane pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneDeployment {
    /// Labels and annotations of the Deployment object. Changes do not restart pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_metadata: Option<AdditionalMetadata>,
    /// Affinity of the control plane pods to nodes and other pods. Empty: none. Changes replace the
    /// pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Mounts a token of the pods' ServiceAccount of the management cluster into the pods if true.
    /// Empty: as the ServiceAccount says. Changes replace the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// Other management cluster that the TenantControlPlane and its pods are in. Empty: this one.
    /// The reference can be neither added nor removed later, since data does not move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_cluster_reference: Option<ExternalClusterReference>,
    /// Containers in the control plane pods beside the operator's. A container named kine adds
    /// none; its image becomes kine's. Changes replace the pods. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_containers: Vec<Container>,
    /// Init containers of the control plane pods, run before the operator's. Changes replace the
    /// pods. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_init_containers: Vec<Container>,
    /// Volumes of the control plane pods beside the operator's, whose names are refused. Changes
    /// replace the pods. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_volumes: Vec<Volume>,
    /// Labels of the nodes in the management cluster that the pods may run on. Empty: any node.
    /// Changes replace the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Labels and annotations of the control plane pods. The operator's own annotations and its
    /// labels project, name and component win. Changes replace the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_additional_metadata: Option<AdditionalMetadata>,
    /// Security context of the control plane pods. Empty: none. Changes replace the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security_context: Option<PodSecurityContext>,
    /// Timings of the probes of all components; those of one component win. Empty: the operator's
    /// timings. Changes replace the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<ProbeSet>,
    /// RuntimeClass of the control plane pods. Empty: the node's default runtime. Changes replace
    /// the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,
    /// ServiceAccount of the control plane pods in the tenant's namespace. Empty: default. Changes
    /// replace the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Order in which old pods are replaced by new ones. Empty: RollingUpdate with maxSurge 100%
    /// and maxUnavailable 0, which starts all new pods before old ones end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Taints of nodes that the control plane pods tolerate. Empty: none. Changes replace the pods.
    /// At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Spread of the control plane pods over zones or nodes. A constraint without labelSelector
    /// counts the pods of this control plane. Empty: none. Changes replace the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
}

/// Other management cluster, and the kubeconfig that leads to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalClusterReference {
    /// Namespace of the TenantControlPlane and its pods in the other cluster. It cannot change.
    pub deployment_namespace: String,
    /// Key in the data of the kubeconfig's Secret.
    #[schemars(length(min = 1))]
    pub kubeconfig_secret_key: String,
    /// Name of the Secret with the kubeconfig in this cluster.
    #[schemars(length(min = 1))]
    pub kubeconfig_secret_name: String,
    /// Namespace of the Secret with the kubeconfig. Empty: the control plane's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig_secret_namespace: Option<String>,
}
