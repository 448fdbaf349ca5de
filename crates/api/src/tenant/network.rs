//! Where is a tenant reached, and which addresses does it use inside?

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Addresses, port and ranges of a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkProfile {
    /// Address of the control plane, instead of the Service's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Address to advertise, where it differs from the assigned one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == '' || isIP(self)").message("advertiseAddress must be an IP address, for example 192.0.2.10; leave it out to advertise the assigned address"))]
    pub advertise_address: Option<String>,
    /// Whether `address` becomes an external IP of the Service.
    #[serde(
        rename = "allowAddressAsExternalIP",
        skip_serializing_if = "Option::is_none"
    )]
    pub allow_address_as_external_ip: Option<bool>,
    /// Further names and addresses in the API server's certificate.
    #[serde(rename = "certSANs", default, skip_serializing_if = "Vec::is_empty")]
    pub cert_sans: Vec<String>,
    /// Domain of the cluster; it cannot change.
    #[serde(default = "cluster_domain")]
    #[schemars(pattern(r".*\..*"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("clusterDomain cannot change once it is set: certificates and DNS depend on it"))]
    pub cluster_domain: String,
    /// Addresses of the DNS service, in the service ranges; at most 8.
    #[serde(
        rename = "dnsServiceIPs",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(length(max = 8))]
    pub dns_service_ips: Vec<String>,
    /// Class of the load balancer; it cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("loadBalancerClass cannot change: the Service refuses it; recreate the tenant with the other class"))]
    pub load_balancer_class: Option<String>,
    /// Ranges that may reach the load balancer; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.all(r, isCIDR(r))").message("every item of loadBalancerSourceRanges must be a CIDR, for example 192.0.2.0/24"))]
    pub load_balancer_source_ranges: Vec<String>,
    /// Deprecated: range of pods; podCidrs wins.
    #[serde(default = "pod_cidr", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == '' || isCIDR(self)").message("podCidr must be a CIDR, for example 10.244.0.0/16"))]
    pub pod_cidr: Option<String>,
    /// One or two ranges of pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(
        validation = Rule::new("self.all(x, isCIDR(x))").message("every item of podCidrs must be a CIDR, for example 10.244.0.0/16"),
        validation = Rule::new("size(self.filter(x, x.contains(':'))) <= 1 && size(self.filter(x, !x.contains(':'))) <= 1").message("podCidrs has two ranges of one family: give one of IPv4, one of IPv6, or one of each")
    )]
    pub pod_cidrs: Vec<String>,
    /// Port of the API server.
    #[serde(default = "port")]
    pub port: i32,
    /// Deprecated: range of Services; serviceCidrs wins.
    #[serde(default = "service_cidr", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == '' || isCIDR(self)").message("serviceCidr must be a CIDR, for example 10.96.0.0/16"))]
    pub service_cidr: Option<String>,
    /// One or two ranges of Services.
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
