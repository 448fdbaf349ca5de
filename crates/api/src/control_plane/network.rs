//! Service, Ingress and Gateway of a `KamajiControlPlane`.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tenant::{AdditionalPort, ServiceType};

/// Service, Ingress or Gateway of the control plane, and names in its certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.loadBalancerConfig) || !has(self.loadBalancerConfig.loadBalancerSourceRanges) || (size(self.loadBalancerConfig.loadBalancerSourceRanges) == 0 || self.serviceType == 'LoadBalancer')").message("loadBalancerConfig.loadBalancerSourceRanges goes with serviceType LoadBalancer only: remove it, or change the type"),
    validation = Rule::new("!has(self.loadBalancerConfig) || !has(self.loadBalancerConfig.loadBalancerClass) || self.serviceType == 'LoadBalancer'").message("loadBalancerConfig.loadBalancerClass goes with serviceType LoadBalancer only: remove it, or change the type")
)]
pub struct ControlPlaneNetwork {
    /// Ports of the Service beside those of kube-apiserver and konnectivity, for example of
    /// additional containers. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_service_ports: Vec<AdditionalPort>,
    /// IP address that the API server advertises and that workers dial, for example behind NAT.
    /// Empty: the address of the control plane. A change issues new certificates and replaces the
    /// pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertise_address: Option<String>,
    /// Allocates node ports for a Service of type LoadBalancer if true; false gives back those that
    /// were allocated. Empty: true. With another type the TenantControlPlane refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocate_load_balancer_node_ports: Option<bool>,
    /// Adds the address of the control plane to the externalIPs of the Service if true. Empty:
    /// false. Ignored with type LoadBalancer.
    #[serde(
        rename = "allowAddressAsExternalIP",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub allow_address_as_external_ip: Option<bool>,
    /// Further host names, wildcards and IP addresses in the API server's certificate, without
    /// scheme or port. Host names of ingress and gateway are added. A change issues a new
    /// certificate and replaces the pods. At most 256.
    #[serde(rename = "certSANs", default, skip_serializing_if = "Vec::is_empty")]
    pub cert_sans: Vec<String>,
    /// IP addresses of the DNS Service in the tenant cluster, each within the Cluster's Service
    /// ranges; addons.coreDNS.dnsServiceIPs wins. Empty: the tenth address of each IPv4 range and
    /// the sixteenth of each IPv6 range.
    #[serde(
        rename = "dnsServiceIPs",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub dns_service_ips: Vec<String>,
    /// TLSRoutes through a Gateway to the API server and, with the addon, to konnectivity. Empty:
    /// no route. A gateway excludes an ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<ControlPlaneGateway>,
    /// Ingress to the API server. Empty: no Ingress. An ingress excludes a gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<ControlPlaneIngress>,
    /// Class and source ranges of the load balancer; allowed with serviceType LoadBalancer only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_config: Option<LoadBalancerConfig>,
    /// IP address of the control plane. Empty: the cluster IP of the Service, or the first IP
    /// address of its load balancer. Required with type NodePort, as the address of a node. A
    /// change issues new certificates and replaces the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_address: Option<String>,
    /// Annotations of the Service, at most 256, for example for a load balancer controller.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_annotations: BTreeMap<String, String>,
    /// Labels of the Service, at most 256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_labels: BTreeMap<String, String>,
    /// Type of the Service: ClusterIP, NodePort or LoadBalancer. Default: LoadBalancer.
    #[serde(default = "load_balancer")]
    pub service_type: ServiceType,
}

fn load_balancer() -> ServiceType {
    ServiceType::LoadBalancer
}

impl Default for ControlPlaneNetwork {
    fn default() -> Self {
        Self {
            additional_service_ports: Vec::new(),
            advertise_address: None,
            allocate_load_balancer_node_ports: None,
            allow_address_as_external_ip: None,
            cert_sans: Vec::new(),
            dns_service_ips: Vec::new(),
            gateway: None,
            ingress: None,
            load_balancer_config: None,
            service_address: None,
            service_annotations: BTreeMap::new(),
            service_labels: BTreeMap::new(),
            service_type: load_balancer(),
        }
    }
}

/// TLSRoutes through one Gateway to the control plane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneGateway {
    /// Annotations of the TLSRoutes, at most 256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_annotations: BTreeMap<String, String>,
    /// Labels of the TLSRoutes, at most 256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_labels: BTreeMap<String, String>,
    /// Host name of the routes, which workers and users dial. A port has to equal the Cluster's
    /// apiServerPort, 6443 if that is empty.
    #[schemars(length(min = 1))]
    pub hostname: String,
    /// Name of the Gateway that the routes attach to.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Namespace of the Gateway that the routes attach to.
    #[schemars(length(min = 1))]
    pub namespace: String,
    /// Port of the Gateway's listener for the API server, 1 to 65535. Empty: any port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// Name of the Gateway's listener for the API server, from 1 to 253 characters. Empty: any
    /// listener. The route of konnectivity attaches to the listener konnectivity-server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
}

/// Ingress to the API server. TLS ends at the API server: annotations have to ask the ingress
/// controller for passthrough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneIngress {
    /// IngressClass of the Ingress. Empty: the management cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// Annotations of the Ingress, at most 256, for example the ingress controller's annotation for
    /// TLS passthrough.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_annotations: BTreeMap<String, String>,
    /// Labels of the Ingress, at most 256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_labels: BTreeMap<String, String>,
    /// Host name of the Ingress; a port may follow after a colon. Workers and users dial it;
    /// without a port they dial the Cluster's apiServerPort, 6443 if that is empty.
    #[schemars(length(min = 1))]
    pub hostname: String,
}

/// Class and source ranges of a load balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.loadBalancerClass) == has(oldSelf.loadBalancerClass)").message("loadBalancerClass cannot be added or removed: the Service refuses it"))]
pub struct LoadBalancerConfig {
    /// Class of the load balancer. Empty: the management cluster's default. It cannot be added,
    /// changed or removed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("loadBalancerClass cannot change: the Service refuses it"))]
    pub load_balancer_class: Option<String>,
    /// CIDRs of the clients that the load balancer lets through; the TenantControlPlane takes at
    /// most 16. Empty: all clients. Pods are not restarted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_balancer_source_ranges: Vec<String>,
}
