//! Network of a tenant: the address of its API server, and the ranges of its pods and Services.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Address and port of the API server, names in its certificate, and address ranges of pods and
/// Services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkProfile {
    /// IP address of the control plane. Empty: the cluster IP of the Service, or the first IP
    /// address of its load balancer. Required with type NodePort, as the address of a node. A
    /// change issues new certificates and replaces the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// IP address that the API server advertises and that workers dial, for example behind NAT.
    /// Empty: the address of the control plane. A change issues new certificates and replaces the
    /// pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == '' || isIP(self)").message("advertiseAddress must be an IP address, for example 192.0.2.10; leave it out to advertise the assigned address"))]
    pub advertise_address: Option<String>,
    /// Adds the address of the control plane to the externalIPs of the Service if true. Empty:
    /// false. Ignored with type LoadBalancer.
    #[serde(
        rename = "allowAddressAsExternalIP",
        skip_serializing_if = "Option::is_none"
    )]
    pub allow_address_as_external_ip: Option<bool>,
    /// Further host names, wildcards and IP addresses in the API server's certificate, without
    /// scheme or port. Empty: none. A change issues a new certificate and replaces the pods. At
    /// most 256.
    #[serde(rename = "certSANs", default, skip_serializing_if = "Vec::is_empty")]
    pub cert_sans: Vec<String>,
    /// DNS domain of the tenant cluster, with at least one dot. It cannot change. Default:
    /// cluster.local.
    #[serde(default = "cluster_domain")]
    #[schemars(pattern(r".*\..*"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("clusterDomain cannot change once it is set: certificates and DNS depend on it"))]
    pub cluster_domain: String,
    /// IP addresses of the DNS Service in the tenant cluster, each within serviceCidrs; at most 8.
    /// Empty: the tenth address of each IPv4 range and the sixteenth of each IPv6 range, filled in
    /// at admission. Kubelets that have joined keep the old ones.
    #[serde(
        rename = "dnsServiceIPs",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(length(max = 8))]
    pub dns_service_ips: Vec<String>,
    /// Class of the load balancer. Empty: the management cluster's default. Allowed with type
    /// LoadBalancer only; it cannot change while the type stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("loadBalancerClass cannot change: the Service refuses it; recreate the tenant with the other class"))]
    pub load_balancer_class: Option<String>,
    /// CIDRs of the clients that the load balancer lets through, at most 16. Empty: all clients.
    /// Allowed with type LoadBalancer only. Changes do not restart pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.all(r, isCIDR(r))").message("every item of loadBalancerSourceRanges must be a CIDR, for example 192.0.2.0/24"))]
    pub load_balancer_source_ranges: Vec<String>,
    /// Deprecated, use podCidrs: CIDR of the pods' addresses. Ignored while podCidrs has items.
    /// Default: 10.244.0.0/16.
    #[serde(default = "pod_cidr", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == '' || isCIDR(self)").message("podCidr must be a CIDR, for example 10.244.0.0/16"))]
    pub pod_cidr: Option<String>,
    /// CIDRs of the pods' addresses: one, or one of each family. Empty: podCidr, filled in at
    /// admission. Changes replace the control plane pods; nodes keep their ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(
        validation = Rule::new("self.all(x, isCIDR(x))").message("every item of podCidrs must be a CIDR, for example 10.244.0.0/16"),
        validation = Rule::new("size(self.filter(x, x.contains(':'))) <= 1 && size(self.filter(x, !x.contains(':'))) <= 1").message("podCidrs has two ranges of one family: give one of IPv4, one of IPv6, or one of each")
    )]
    pub pod_cidrs: Vec<String>,
    /// TCP port of the API server in pods, Service and kubeconfigs, 1 to 65535; with type NodePort
    /// the node port, too. A change replaces the pods and issues new kubeconfigs. Default: 6443.
    #[serde(default = "port")]
    pub port: i32,
    /// Deprecated, use serviceCidrs: CIDR of the Services' addresses. Ignored while serviceCidrs
    /// has items. Default: 10.96.0.0/16.
    #[serde(default = "service_cidr", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == '' || isCIDR(self)").message("serviceCidr must be a CIDR, for example 10.96.0.0/16"))]
    pub service_cidr: Option<String>,
    /// CIDRs of the Services' addresses: one, or one of each family. The first has the family of
    /// the advertised address. Empty: serviceCidr, filled in at admission. Changes replace the
    /// control plane pods and issue a new certificate of the API server; Services keep their
    /// addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(
        validation = Rule::new("self.all(x, isCIDR(x))").message("every item of serviceCidrs must be a CIDR, for example 10.96.0.0/16"),
        validation = Rule::new("size(self.filter(x, x.contains(':'))) <= 1 && size(self.filter(x, !x.contains(':'))) <= 1").message("serviceCidrs has two ranges of one family: give one of IPv4, one of IPv6, or one of each")
    )]
    pub service_cidrs: Vec<String>,
}

fn cluster_domain() -> String {
    "cluster.local".to_owned()
}

fn port() -> i32 {
    6443
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn service_cidr() -> Option<String> {
    Some("10.96.0.0/16".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn pod_cidr() -> Option<String> {
    Some("10.244.0.0/16".to_owned())
}

impl Default for NetworkProfile {
    fn default() -> Self {
        Self {
            address: None,
            advertise_address: None,
            allow_address_as_external_ip: None,
            cert_sans: Vec::new(),
            cluster_domain: cluster_domain(),
            dns_service_ips: Vec::new(),
            load_balancer_class: None,
            load_balancer_source_ranges: Vec::new(),
            pod_cidr: pod_cidr(),
            pod_cidrs: Vec::new(),
            port: port(),
            service_cidr: service_cidr(),
            service_cidrs: Vec::new(),
        }
    }
}
