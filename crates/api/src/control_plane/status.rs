//! Status of a `KamajiControlPlane`, by Cluster API's contract of control plane providers.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Observed state of a control plane, as Cluster API reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KamajiControlPlaneStatus {
    /// Number of pods that are available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_replicas: Option<i32>,
    /// Conditions by type. A message names what is waited for, its cause and the next action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Tells Cluster API that the control plane has no Machines. Default: true.
    #[serde(rename = "externalManagedControlPlane")]
    #[schemars(extend("default" = true))]
    pub external_managed_control_plane: bool,
    /// Always empty: failures are conditions. Kept for clients that know upstream's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_message: Option<String>,
    /// Always empty: failures are conditions. Kept for clients that know upstream's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// Progress of the first start, by Cluster API's contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialization: Option<Initialization>,
    /// Generation of the spec that the last reconcile saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// True while the API server can be used by clients.
    pub ready: bool,
    /// Number of pods that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Number of pods that exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Label selector of the pods, read by the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Number of pods of the newest pod template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to_date_replicas: Option<i32>,
    /// Kubernetes version that is installed, with its v. Empty: none is installed yet.
    #[schemars(length(max = 256))]
    pub version: String,
    /// Kubernetes versions of the pods, from the oldest to the newest: two of them during a
    /// rollout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["version"], "minItems" = 1, "maxItems" = 100))]
    pub versions: Vec<RunningVersion>,
}

impl KamajiControlPlaneStatus {
    /// True if the API server could be used at some time.
    pub fn is_initialized(&self) -> bool {
        let initialization = self.initialization.as_ref();
        initialization.is_some_and(|i| i.control_plane_initialized == Some(true))
    }
}

/// Number of pods of one Kubernetes version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunningVersion {
    /// Number of pods of this version, at least 1. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub replicas: Option<i32>,
    /// Kubernetes version of the pods, with its v.
    #[schemars(length(min = 1, max = 256))]
    pub version: String,
}

/// Progress of the first start, by Cluster API's contract.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1))]
#[serde(rename_all = "camelCase")]
pub struct Initialization {
    /// True once the API server could be used; it stays true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane_initialized: Option<bool>,
}
