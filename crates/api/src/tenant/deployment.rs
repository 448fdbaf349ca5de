//! How do a control plane's pods look?

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

/// How the pods of a control plane look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentSpec {
    /// Containers beside ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_containers: Vec<Container>,
    /// Init containers before ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_init_containers: Vec<Container>,
    /// Labels and annotations of the Deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_metadata: Option<AdditionalMetadata>,
    /// Mounts of the additional volumes in our containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_volume_mounts: Option<AdditionalVolumeMounts>,
    /// Volumes beside ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_volumes: Vec<Volume>,
    /// Affinity of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Whether the pods get a token of their ServiceAccount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// Security contexts by component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_security_contexts: Option<ContainerSecurityContexts>,
    /// Further arguments by component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_args: Option<ExtraArgs>,
    /// Nodes that the pods may run on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Labels and annotations of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_additional_metadata: Option<AdditionalMetadata>,
    /// Security context of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_security_context: Option<PodSecurityContext>,
    /// Numbers of the probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
    /// Where the images come from.
    #[serde(default)]
    pub registry_settings: RegistrySettings,
    /// Number of pods; 0 puts the control plane to sleep.
    #[serde(default = "two", skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Resources by component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ComponentResources>,
    /// RuntimeClass of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,
    /// ServiceAccount of the pods.
    #[serde(default = "default_account", skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// How pods are replaced.
    #[serde(default)]
    pub strategy: Strategy,
    /// Taints that the pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// How the pods are spread; without a label selector, over the pods of this control plane.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn two() -> Option<i32> {
    Some(2)
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn default_account() -> Option<String> {
    Some("default".to_owned())
}

/// Labels and annotations to add.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AdditionalMetadata {
    /// Annotations to add.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels to add.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Mounts by component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdditionalVolumeMounts {
    /// Of kube-apiserver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_server: Vec<VolumeMount>,
    /// Of kube-controller-manager.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controller_manager: Vec<VolumeMount>,
    /// Of kube-scheduler.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scheduler: Vec<VolumeMount>,
}

/// Security contexts by component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerSecurityContexts {
    /// Of kube-apiserver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server: Option<SecurityContext>,
    /// Of kube-controller-manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller_manager: Option<SecurityContext>,
    /// Of kube-scheduler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<SecurityContext>,
}

/// Further arguments by component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtraArgs {
    /// Of kube-apiserver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_server: Vec<String>,
    /// Of kube-controller-manager.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controller_manager: Vec<String>,
    /// Of kine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kine: Vec<String>,
    /// Of kube-scheduler.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scheduler: Vec<String>,
}

/// Resources by component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentResources {
    /// Of kube-apiserver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server: Option<ResourceRequirements>,
    /// Of kube-controller-manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller_manager: Option<ResourceRequirements>,
    /// Of kine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kine: Option<ResourceRequirements>,
    /// Of kube-scheduler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<ResourceRequirements>,
}

/// Numbers of the probes: for all components, then for single ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probes {
    /// Of kube-apiserver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server: Option<ProbeSet>,
    /// Of kube-controller-manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller_manager: Option<ProbeSet>,
    /// Liveness of all components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<ProbeSpec>,
    /// Readiness of all components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<ProbeSpec>,
    /// Of kube-scheduler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<ProbeSet>,
    /// Startup of all components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<ProbeSpec>,
}

/// Probes of one component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSet {
    /// Its liveness probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<ProbeSpec>,
    /// Its readiness probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<ProbeSpec>,
    /// Its startup probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<ProbeSpec>,
}

/// Numbers of one probe; what is absent keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSpec {
    /// Failures until the probe counts as failed, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub failure_threshold: Option<i32>,
    /// Seconds before the first probe, at least 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub initial_delay_seconds: Option<i32>,
    /// Seconds between probes, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub period_seconds: Option<i32>,
    /// Successes until the probe counts as successful, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub success_threshold: Option<i32>,
    /// Seconds until a probe times out, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub timeout_seconds: Option<i32>,
}

/// Where the images come from: `registry/image:version` and the suffix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RegistrySettings {
    /// Image of kube-apiserver.
    pub api_server_image: String,
    /// Image of kube-controller-manager.
    pub controller_manager_image: String,
    /// Registry of the images.
    pub registry: String,
    /// Image of kube-scheduler.
    pub scheduler_image: String,
    /// Text that is appended to the version.
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

/// How pods are replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Strategy {
    /// How many at a time, with RollingUpdate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolling_update: Option<RollingUpdate>,
    /// RollingUpdate or Recreate.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
}

impl Default for Strategy {
    /// All new pods beside the old ones.
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

/// How many pods are replaced at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdate {
    /// Pods beyond the wanted number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<IntOrString>,
    /// Pods below the wanted number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
}
