//! What is installed inside a tenant?

use k8s_openapi::api::core::v1::{ResourceRequirements, SecurityContext, Toleration};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Addons; each is installed if it is present.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddonsSpec {
    /// Cluster DNS.
    #[serde(rename = "coreDNS", skip_serializing_if = "Option::is_none")]
    pub core_dns: Option<AddonSpec>,
    /// Tunnel from the API server to the nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub konnectivity: Option<KonnectivitySpec>,
    /// Service routing on the nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_proxy: Option<AddonSpec>,
}

/// Image of an addon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddonSpec {
    /// Repository, instead of the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_repository: Option<String>,
    /// Tag, instead of the one that belongs to the tenant's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<String>,
}

/// Tunnel from the API server to the nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KonnectivitySpec {
    /// On the nodes.
    #[serde(default)]
    pub agent: KonnectivityAgentSpec,
    /// Beside the API server.
    #[serde(default)]
    pub server: KonnectivityServerSpec,
}

/// Konnectivity on the nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(self.mode == 'DaemonSet' && has(self.replicas) && self.replicas != 0) && !(self.mode == 'Deployment' && has(self.replicas) && self.replicas == 0)").message("agent.replicas goes with mode Deployment, where it must be more than 0; leave it out with mode DaemonSet"))]
pub struct KonnectivityAgentSpec {
    /// Further arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<String>,
    /// Whether the pods use the node's network.
    #[serde(default)]
    pub host_network: bool,
    /// Image without tag.
    #[serde(default = "agent_image")]
    pub image: String,
    /// One on each node, or a number of them anywhere.
    #[serde(default)]
    pub mode: AgentMode,
    /// How many, with mode Deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Resources of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Taints that the pods tolerate.
    #[serde(default = "agent_tolerations")]
    pub tolerations: Vec<Toleration>,
    /// Tag, instead of the one that belongs to the tenant's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Default for KonnectivityAgentSpec {
    fn default() -> Self {
        Self {
            extra_args: Vec::new(),
            host_network: false,
            image: agent_image(),
            mode: AgentMode::DaemonSet,
            replicas: None,
            resources: None,
            tolerations: agent_tolerations(),
            version: None,
        }
    }
}

/// How agents are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AgentMode {
    /// One on each node.
    #[default]
    DaemonSet,
    /// A number of them anywhere.
    Deployment,
}

impl AgentMode {
    /// The word as users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DaemonSet => "DaemonSet",
            Self::Deployment => "Deployment",
        }
    }
}

/// Konnectivity beside the API server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KonnectivityServerSpec {
    /// Further arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<String>,
    /// Image without tag.
    #[serde(default = "server_image")]
    pub image: String,
    /// Port that agents dial.
    pub port: i32,
    /// Resources of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Security context of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
    /// Tag, instead of the one that belongs to the tenant's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Default for KonnectivityServerSpec {
    fn default() -> Self {
        Self {
            extra_args: Vec::new(),
            image: server_image(),
            port: 8132,
            resources: None,
            security_context: None,
            version: None,
        }
    }
}

fn agent_image() -> String {
    "registry.k8s.io/kas-network-proxy/proxy-agent".to_owned()
}

fn server_image() -> String {
    "registry.k8s.io/kas-network-proxy/proxy-server".to_owned()
}

fn agent_tolerations() -> Vec<Toleration> {
    vec![Toleration {
        key: Some("CriticalAddonsOnly".to_owned()),
        operator: Some("Exists".to_owned()),
        ..Toleration::default()
    }]
}
