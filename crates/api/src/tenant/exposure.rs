//! Ways to a control plane: Service, Ingress and Gateway routes.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::deployment::AdditionalMetadata;
use crate::foreign::ParentReference;

/// Service in front of the control plane pods. Changes do not restart pods, unless the address
/// changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.ipFamilyPolicy) || self.ipFamilyPolicy != 'SingleStack' || !has(self.ipFamilies) || size(self.ipFamilies) <= 1").message("ipFamilies has more than one item, which ipFamilyPolicy SingleStack does not allow: keep one, or choose PreferDualStack or RequireDualStack"))]
pub struct ServiceSpec {
    /// Labels and annotations of the Service, for example for a load balancer controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_metadata: Option<AdditionalMetadata>,
    /// Ports of the Service beside those of kube-apiserver and konnectivity, for example of
    /// additional containers. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_ports: Vec<AdditionalPort>,
    /// Allocates node ports for a Service of type LoadBalancer if true; false gives back those that
    /// were allocated. Empty: true. With another type the field is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocate_load_balancer_node_ports: Option<bool>,
    /// Families of the Service's addresses, IPv4 or IPv6, the primary one first; at most 2. Empty:
    /// the management cluster's choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(validation = Rule::new("self.all(x, self.exists_one(y, x == y))").message("ipFamilies has an item twice: keep one"))]
    pub ip_families: Vec<IpFamily>,
    /// Number of families of the Service's addresses: SingleStack, PreferDualStack or
    /// RequireDualStack. Empty: the management cluster's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_family_policy: Option<IpFamilyPolicy>,
    /// Type of the Service: ClusterIP, NodePort or LoadBalancer. NodePort needs
    /// networkProfile.address, and its node ports equal the ports of the API server and of
    /// konnectivity.
    pub service_type: ServiceType,
}

/// A family of IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IpFamily {
    /// Addresses of 32 bits.
    IPv4,
    /// Addresses of 128 bits.
    IPv6,
}

impl IpFamily {
    /// The value as it is written in the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IPv4 => "IPv4",
            Self::IPv6 => "IPv6",
        }
    }
}

/// Number of families of the Service's addresses: SingleStack, PreferDualStack or RequireDualStack.
/// Empty: the management cluster's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IpFamilyPolicy {
    /// Addresses of one family.
    SingleStack,
    /// Addresses of both families where the management cluster has both, else of one.
    PreferDualStack,
    /// Addresses of both families; a management cluster with one family refuses the Service.
    RequireDualStack,
}

impl IpFamilyPolicy {
    /// The value as it is written in the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SingleStack => "SingleStack",
            Self::PreferDualStack => "PreferDualStack",
            Self::RequireDualStack => "RequireDualStack",
        }
    }
}

/// Type of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Reachable within the management cluster only.
    #[default]
    ClusterIP,
    /// Reachable on a port of every node.
    NodePort,
    /// Reachable at an address of a load balancer.
    LoadBalancer,
}

impl ServiceType {
    /// The value as it is written in the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIP => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

/// A port of the Service beside those of kube-apiserver and konnectivity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdditionalPort {
    /// Application protocol of the port, for example kubernetes.io/h2c, as a hint for load
    /// balancers. Empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    /// Name of the port, unique within the Service.
    pub name: String,
    /// Number of the port on the Service, 1 to 65535.
    pub port: i32,
    /// Transport protocol of the port: TCP, UDP or SCTP. Default: TCP.
    #[serde(default)]
    pub protocol: PortProtocol,
    /// Number or name of the port of the pods that receives the traffic.
    pub target_port: IntOrString,
}

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum PortProtocol {
    /// Transmission Control Protocol, `TCP`.
    #[default]
    Tcp,
    /// User Datagram Protocol, `UDP`.
    Udp,
    /// Stream Control Transmission Protocol, `SCTP`.
    Sctp,
}

impl PortProtocol {
    /// The value as it is written in the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// Ingress to the API server. TLS ends at the API server: annotations have to ask the ingress
/// controller for passthrough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressSpec {
    /// Labels and annotations of the Ingress, for example the ingress controller's annotation for
    /// TLS passthrough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_metadata: Option<AdditionalMetadata>,
    /// Host name of the Ingress, required; a port may follow after a colon. Workers and users dial
    /// it; without a port they dial networkProfile.port. The API server's certificate names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// IngressClass of the Ingress. Empty: the management cluster's default class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_class_name: Option<String>,
}

/// TLSRoutes to the API server and, with the addon, to konnectivity. The management cluster needs
/// the TLSRoute of the Gateway API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// Labels and annotations of the TLSRoutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_metadata: Option<AdditionalMetadata>,
    /// Host name of the routes without a port, required, at most 253 characters. Workers and users
    /// dial it at networkProfile.port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        pattern(r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub hostname: Option<String>,
    /// Gateways that the routes attach to, at most 32. The route of konnectivity attaches to their
    /// listener konnectivity-server and exists only if a Gateway is named.
    #[serde(rename = "parentRefs", default, skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<ParentReference>,
}
