//! Addons of a tenant cluster: CoreDNS, kube-proxy and konnectivity.

use k8s_openapi::api::core::v1::{ResourceRequirements, SecurityContext, Toleration};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Addons of the tenant cluster; each is installed while its field is present.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddonsSpec {
    /// CoreDNS in the namespace kube-system of the tenant cluster, with the Service kube-dns.
    /// Empty: not installed, and removed if it was. The operator owns its Corefile and number of
    /// replicas.
    #[serde(rename = "coreDNS", skip_serializing_if = "Option::is_none")]
    pub core_dns: Option<AddonSpec>,
    /// Tunnel by which the API server reaches nodes, pods and webhooks: a server in the control
    /// plane pods, agents on the tenant's nodes. Empty: not installed, and removed if it was.
    /// Adding or removing it replaces the control plane pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub konnectivity: Option<KonnectivitySpec>,
    /// kube-proxy as a DaemonSet in the tenant cluster. Empty: not installed, and removed if it
    /// was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_proxy: Option<AddonSpec>,
}

/// Image of an addon; changes replace the addon's pods only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddonSpec {
    /// Repository before the name of the image, as in REPOSITORY/coredns:TAG. Empty:
    /// registry.k8s.io/coredns for CoreDNS, registry.k8s.io for kube-proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_repository: Option<String>,
    /// Tag of the image. Empty: for CoreDNS the tag that kubeadm of the tenant's version installs,
    /// for kube-proxy the tenant's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<String>,
}

/// Tunnel by which the API server reaches nodes, pods and webhooks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KonnectivitySpec {
    /// Agents in the tenant cluster, which hold the tunnel open from the nodes' side.
    #[serde(default)]
    pub agent: KonnectivityAgentSpec,
    /// Server container in the control plane pods, which agents dial.
    #[serde(default)]
    pub server: KonnectivityServerSpec,
}

/// Agents of konnectivity in the tenant cluster; changes replace the agents only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(self.mode == 'DaemonSet' && has(self.replicas) && self.replicas != 0) && !(self.mode == 'Deployment' && has(self.replicas) && self.replicas == 0)").message("agent.replicas goes with mode Deployment, where it must be more than 0; leave it out with mode DaemonSet"))]
pub struct KonnectivityAgentSpec {
    /// Further arguments of the agent, as --name=value; they win over the operator's arguments of
    /// the same name. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<String>,
    /// Agents use the network of their node if true, for example where no pod network works yet.
    /// Default: false.
    #[serde(default)]
    pub host_network: bool,
    /// Image of the agent without its tag. Default: registry.k8s.io/kas-network-proxy/proxy-agent.
    #[serde(default = "agent_image")]
    pub image: String,
    /// Kind of workload that runs the agents: DaemonSet, one agent on each node, or Deployment,
    /// with the number in replicas. The workload of the other mode is removed. Default: DaemonSet.
    #[serde(default)]
    pub mode: AgentMode,
    /// Number of agents in mode Deployment, more than 0. Empty: the tenant's own number is kept, at
    /// first 1. With mode DaemonSet only 0 or empty is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Requests and limits of the agent's container. Empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Taints that the agents tolerate. Left out: CriticalAddonsOnly; an empty list tolerates none.
    #[serde(default = "agent_tolerations")]
    pub tolerations: Vec<Toleration>,
    /// Tag of the agent's image. Empty: the konnectivity release of the tenant's Kubernetes minor,
    /// v0.MINOR.0, at most v0.36.0.
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

/// Kind of workload that runs the konnectivity agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AgentMode {
    /// One agent on each node.
    #[default]
    DaemonSet,
    /// A fixed number of agents on any nodes.
    Deployment,
}

impl AgentMode {
    /// The value as it is written in the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DaemonSet => "DaemonSet",
            Self::Deployment => "Deployment",
        }
    }
}

/// Server of konnectivity in the control plane pods; changes replace these pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KonnectivityServerSpec {
    /// Further arguments of the server, as --name=value; arguments that the operator sets win over
    /// them. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<String>,
    /// Image of the server without its tag. Default:
    /// registry.k8s.io/kas-network-proxy/proxy-server.
    #[serde(default = "server_image")]
    pub image: String,
    /// TCP port that agents dial, in the pods and in the Service, required where server is given; it
    /// differs from networkProfile.port. With type NodePort it is the node port, too. Without server
    /// the port is 8132.
    pub port: i32,
    /// Requests and limits of the server's container. Empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Security context of the server's container. Empty: that of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
    /// Tag of the server's image. Empty: the konnectivity release of the tenant's Kubernetes minor,
    /// v0.MINOR.0, at most v0.36.0.
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
