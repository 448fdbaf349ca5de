//! How is a control plane reached?

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tenant::{AdditionalPort, ServiceType};

/// Ways in to a control plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.loadBalancerConfig) || !has(self.loadBalancerConfig.loadBalancerSourceRanges) || (size(self.loadBalancerConfig.loadBalancerSourceRanges) == 0 || self.serviceType == 'LoadBalancer')").message("loadBalancerConfig.loadBalancerSourceRanges goes with serviceType LoadBalancer only: remove it, or change the type"),
    validation = Rule::new("!has(self.loadBalancerConfig) || !has(self.loadBalancerConfig.loadBalancerClass) || self.serviceType == 'LoadBalancer'").message("loadBalancerConfig.loadBalancerClass goes with serviceType LoadBalancer only: remove it, or change the type")
)]
pub struct ControlPlaneNetwork {
    /// Ports of the Service beside ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_service_ports: Vec<AdditionalPort>,
    /// Address to advertise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertise_address: Option<String>,
    /// Whether a load balancer gets node ports too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocate_load_balancer_node_ports: Option<bool>,
    /// Whether `serviceAddress` becomes an external IP of the Service.
    #[serde(
        rename = "allowAddressAsExternalIP",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub allow_address_as_external_ip: Option<bool>,
    /// Further names and addresses in the API server's certificate.
    #[serde(rename = "certSANs", default, skip_serializing_if = "Vec::is_empty")]
    pub cert_sans: Vec<String>,
    /// Addresses of the DNS service.
    #[serde(
        rename = "dnsServiceIPs",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub dns_service_ips: Vec<String>,
    /// A route through a gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<ControlPlaneGateway>,
    /// An Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<ControlPlaneIngress>,
    /// Settings of the load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_config: Option<LoadBalancerConfig>,
    /// Address of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_address: Option<String>,
    /// Annotations of the Service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_annotations: BTreeMap<String, String>,
    /// Labels of the Service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_labels: BTreeMap<String, String>,
    /// Type of the Service.
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

/// A route through a gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneGateway {
    /// Annotations of the routes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_annotations: BTreeMap<String, String>,
    /// Labels of the routes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_labels: BTreeMap<String, String>,
    /// Host name.
    #[schemars(length(min = 1))]
    pub hostname: String,
    /// Name of the Gateway.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its namespace.
    #[schemars(length(min = 1))]
    pub namespace: String,
    /// Port of its listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// Name of its listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
}

/// An Ingress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlaneIngress {
    /// Class of the Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// Annotations of the Ingress.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_annotations: BTreeMap<String, String>,
    /// Labels of the Ingress.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_labels: BTreeMap<String, String>,
    /// Host name.
    #[schemars(length(min = 1))]
    pub hostname: String,
}

/// Settings of a load balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.loadBalancerClass) == has(oldSelf.loadBalancerClass)").message("loadBalancerClass cannot be added or removed: the Service refuses it"))]
pub struct LoadBalancerConfig {
    /// Class of the load balancer; it cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("loadBalancerClass cannot change: the Service refuses it"))]
    pub load_balancer_class: Option<String>,
    /// Ranges that may reach the load balancer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_balancer_source_ranges: Vec<String>,
}
