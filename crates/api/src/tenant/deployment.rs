//! Deployment of the control plane pods: replicas, images, arguments, probes and scheduling.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Affinity, Container, PodSecurityContext, ResourceRequirements, SecurityContext, Toleration,
        TopologySpreadConstraint, Volume, VolumeMount,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Deployment of the control plane pods. A change of the pod template replaces all pods by the
/// strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentSpec {
    /// Containers in the control plane pods beside the operator's. A container named kine adds
    /// none; its image becomes kine's. Changes replace the pods. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_containers: Vec<Container>,
    /// Init containers of the control plane pods, run before the operator's. Changes replace the
    /// pods. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_init_containers: Vec<Container>,
    /// Labels and annotations of the Deployment object. Changes do not restart pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_metadata: Option<AdditionalMetadata>,
    /// Mounts of additionalVolumes in the containers of the components. Changes replace the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_volume_mounts: Option<AdditionalVolumeMounts>,
    /// Volumes of the control plane pods beside the operator's, whose names are refused. Changes
    /// replace the pods. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_volumes: Vec<Volume>,
    /// Affinity of the control plane pods to nodes and other pods. Empty: none. Changes replace the
    /// pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Mounts a token of the pods' ServiceAccount of the management cluster into the pods if true.
    /// Empty: as the ServiceAccount says. Changes replace the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// Security contexts of the components' containers. Empty: that of the pods. Changes replace
    /// the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_security_contexts: Option<ContainerSecurityContexts>,
    /// Further arguments of the components, as --name=value. Changes replace the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_args: Option<ExtraArgs>,
    /// Labels of the nodes in the management cluster that the pods may run on. Empty: any node.
    /// Changes replace the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Labels and annotations of the control plane pods. The operator's own annotations and its
    /// labels project, name and component win. Changes replace the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_additional_metadata: Option<AdditionalMetadata>,
    /// Security context of the control plane pods. Empty: none. Changes replace the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_security_context: Option<PodSecurityContext>,
    /// Timings of the components' liveness, readiness and startup probes. Empty: the operator's
    /// timings. Changes replace the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
    /// Registry, names and tag suffix of the images of kube-apiserver, kube-controller-manager and
    /// kube-scheduler. Changes replace the pods.
    #[serde(default)]
    pub registry_settings: RegistrySettings,
    /// Number of control plane pods, at least 0; 0 puts the control plane to sleep and keeps its
    /// data. The scale subresource sets it. With konnectivity a change replaces the pods, since
    /// they carry the number. Default: 2.
    #[serde(default = "default_replicas", skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Requests and limits of the components' containers. Empty: none. Changes replace the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ComponentResources>,
    /// RuntimeClass of the control plane pods. Empty: the node's default runtime. Changes replace
    /// the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,
    /// ServiceAccount of the control plane pods in the tenant's namespace. Changes replace the
    /// pods. Default: default.
    #[serde(default = "default_account", skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Order in which old pods are replaced by new ones. Left out: RollingUpdate with maxSurge 100%
    /// and maxUnavailable 0, which starts all new pods before old ones end.
    #[serde(default)]
    pub strategy: Strategy,
    /// Taints of nodes that the control plane pods tolerate. Empty: none. Changes replace the pods.
    /// At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Spread of the control plane pods over zones or nodes. A constraint without labelSelector
    /// counts the pods of this control plane. Empty: none. Changes replace the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
}

/// Replicas of a control plane that asks for no number.
pub const DEFAULT_REPLICAS: i32 = 2;

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
pub(crate) fn default_replicas() -> Option<i32> {
    Some(DEFAULT_REPLICAS)
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn default_account() -> Option<String> {
    Some("default".to_owned())
}

/// Labels and annotations that are added to an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AdditionalMetadata {
    /// Annotations to add, at most 256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels to add, at most 256. The operator's labels project, name and component of
    /// kamaji.clastix.io are not replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Mounts of the additional volumes in the components' containers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdditionalVolumeMounts {
    /// Mounts in the container of kube-apiserver. Empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_server: Vec<VolumeMount>,
    /// Mounts in the container of kube-controller-manager. Empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controller_manager: Vec<VolumeMount>,
    /// Mounts in the container of kube-scheduler. Empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scheduler: Vec<VolumeMount>,
}

/// Security contexts of the components' containers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerSecurityContexts {
    /// Security context of the container of kube-apiserver. Empty: that of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server: Option<SecurityContext>,
    /// Security context of the container of kube-controller-manager. Empty: that of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller_manager: Option<SecurityContext>,
    /// Security context of the container of kube-scheduler. Empty: that of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<SecurityContext>,
}

/// Further arguments of the components, as --name=value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtraArgs {
    /// Further arguments of kube-apiserver. Those that the operator must set, for example
    /// --etcd-servers or --secure-port, are ignored. At most 256 of 4096 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_server: Vec<String>,
    /// Further arguments of kube-controller-manager; they win over the operator's arguments of the
    /// same name. At most 256 of 4096 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controller_manager: Vec<String>,
    /// Further arguments of kine; they win over the operator's, except --endpoint. Ignored with the
    /// driver etcd, which runs no kine. At most 256 of 4096 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kine: Vec<String>,
    /// Further arguments of kube-scheduler; they win over the operator's arguments of the same name
    /// for tenants of the newest renderer. At most 256 of 4096 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scheduler: Vec<String>,
}

/// Requests and limits of the components' containers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentResources {
    /// Requests and limits of kube-apiserver. Empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server: Option<ResourceRequirements>,
    /// Requests and limits of kube-controller-manager. Empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller_manager: Option<ResourceRequirements>,
    /// Requests and limits of kine. Empty: none. Ignored with the driver etcd, which runs no kine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kine: Option<ResourceRequirements>,
    /// Requests and limits of kube-scheduler. Empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<ResourceRequirements>,
}

/// Timings of the components' probes. Those of one component win over those of all, and these over
/// the operator's: delay 0 s, period 10 s, time-out 1 s, 1 success, 3 failures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probes {
    /// Timings of the probes of kube-apiserver. Empty: those of all components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server: Option<ProbeSet>,
    /// Timings of the probes of kube-controller-manager. Empty: those of all components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller_manager: Option<ProbeSet>,
    /// Timings of the liveness probes of all components. A container whose probe fails is
    /// restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<ProbeSpec>,
    /// Timings of the readiness probes of all components. A pod whose probe fails gets no traffic
    /// of the Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<ProbeSpec>,
    /// Timings of the probes of kube-scheduler. Empty: those of all components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<ProbeSet>,
    /// Timings of the startup probes of all components. The other probes wait until it succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<ProbeSpec>,
}

/// Timings of the three probes of one component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSet {
    /// Timings of the component's liveness probe. Empty: those of all components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<ProbeSpec>,
    /// Timings of the component's readiness probe. Empty: those of all components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<ProbeSpec>,
    /// Timings of the component's startup probe. Empty: those of all components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<ProbeSpec>,
}

/// Timings of one probe; a field that is empty keeps the operator's value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSpec {
    /// Failures in a row until the probe counts as failed, at least 1. Empty: 3; 30 for startup probes of
    /// renderer 2 whose `periodSeconds` is empty, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub failure_threshold: Option<i32>,
    /// Seconds between the start of the container and its first probe, at least 0. Empty: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub initial_delay_seconds: Option<i32>,
    /// Seconds between two probes, at least 1. Empty: 10; 1 for startup probes of renderer 2 whose
    /// `failureThreshold` is empty, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub period_seconds: Option<i32>,
    /// Successes in a row until the probe counts as successful, at least 1; for liveness and
    /// startup probes Kubernetes takes only 1. Empty: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub success_threshold: Option<i32>,
    /// Seconds until a probe without an answer fails, at least 1. Empty: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub timeout_seconds: Option<i32>,
}

/// Images of the components, as REGISTRY/IMAGE:VERSION and the suffix. Changes replace the pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RegistrySettings {
    /// Name of kube-apiserver's image in the registry. Default: kube-apiserver.
    pub api_server_image: String,
    /// Name of kube-controller-manager's image in the registry. Default: kube-controller-manager.
    pub controller_manager_image: String,
    /// Registry of the images, with a path if there is one. Default: registry.k8s.io.
    pub registry: String,
    /// Name of kube-scheduler's image in the registry. Default: kube-scheduler.
    pub scheduler_image: String,
    /// Text appended to the version in the images' tags, for example -arm64. Empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_suffix: Option<String>,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            api_server_image: "kube-apiserver".to_owned(),
            controller_manager_image: "kube-controller-manager".to_owned(),
            registry: "registry.k8s.io".to_owned(),
            scheduler_image: "kube-scheduler".to_owned(),
            tag_suffix: None,
        }
    }
}

/// Order in which old pods are replaced by new ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Strategy {
    /// Number of pods replaced at a time with RollingUpdate; ignored with Recreate. Empty: maxSurge
    /// 100% and maxUnavailable 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolling_update: Option<RollingUpdate>,
    /// Type of the replacement: RollingUpdate, or Recreate, which ends all old pods first and
    /// interrupts the API server. Empty: RollingUpdate.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
}

impl Default for Strategy {
    /// Starts all new pods before old ones end.
    fn default() -> Self {
        Self {
            rolling_update: Some(RollingUpdate {
                max_surge: Some(IntOrString::String("100%".to_owned())),
                max_unavailable: Some(IntOrString::Int(0)),
            }),
            type_: Some("RollingUpdate".to_owned()),
        }
    }
}

/// Number of pods replaced at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdate {
    /// Pods beyond replicas during a rollout, as a number or a percentage. Empty: 25%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<IntOrString>,
    /// Pods below replicas during a rollout, as a number or a percentage. Empty: 25%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
}
