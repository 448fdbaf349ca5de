//! Where is a tenant's API server, for its components, its workers and its users?
//! (management-cluster specification, sections 5.3 and 8.2)

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service};
use kamaji_api::tenant::ServiceType;

use crate::tenant::Tenant;

/// The addresses of one control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address that was assigned: the user's, the Service's or the load balancer's.
    pub assigned: IpAddr,
    /// Address that is advertised: the user's advertiseAddress, else the assigned one.
    pub advertised: IpAddr,
    /// Port of the API server.
    pub port: u16,
    /// What workers and users are told: `host:port`, a gateway's or ingress' host name where there
    /// is one.
    pub control_plane: HostPort,
}

/// A host and a port, written with brackets round IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address, without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl HostPort {
    /// Reads `host`, `host:port` or `[v6]:port`; a port that is absent or no port is `default`.
    pub fn parse(text: &str, default: u16) -> Self {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.starts_with('[') => (
                host,
                port.parse().ok().filter(|p| *p > 0).unwrap_or(default),
            ),
            _ => (text, default),
        };
        Self {
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port,
        }
    }
}

/// Why there is no endpoint yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unassigned {
    /// The Service is not there yet.
    #[error("the Service {0} does not exist yet: it is about to be created")]
    NoService(String),
    /// The API server has not given it an address.
    #[error("the Service {0} has no cluster IP yet")]
    NoClusterIp(String),
    /// Nobody has given the load balancer an address.
    #[error(
        "the Service {0} of type LoadBalancer has no address in status.loadBalancer yet: is a load balancer controller running, and has it free addresses? Or set spec.networkProfile.address"
    )]
    NoLoadBalancer(String),
    /// Only host names, which certificates and advertise-address cannot use.
    #[error(
        "the load balancer of Service {service} has the host name {hostname} but no IP address: set spec.networkProfile.address to one of its addresses"
    )]
    OnlyHostname {
        /// The Service.
        service: String,
        /// Its host name.
        hostname: String,
    },
    /// A `NodePort` has no address of its own.
    #[error(
        "the Service {0} of type NodePort has no address of its own: set spec.networkProfile.address to the address of a node"
    )]
    NodePort(String),
}

impl Unassigned {
    /// Reason for a condition.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoService(_) | Self::NoClusterIp(_) => "ServicePending",
            Self::NoLoadBalancer(_) => "LoadBalancerPending",
            Self::OnlyHostname { .. } => "LoadBalancerHostnameOnly",
            Self::NodePort(_) => "AddressMissing",
        }
    }
}

/// The endpoint of `tenant`, from its spec and its live Service.
pub fn resolve(tenant: &Tenant, service: Option<&Service>) -> Result<Endpoint, Unassigned> {
    let assigned = assigned(tenant, service)?;
    let port = tenant.network.port;
    let advertised = tenant.network.advertise_address.unwrap_or(assigned);
    let control_plane = &tenant.spec.control_plane;
    let gateway = control_plane
        .gateway
        .as_ref()
        .and_then(|g| g.hostname.clone());
    let ingress = control_plane
        .ingress
        .as_ref()
        .and_then(|i| i.hostname.clone());
    let control_plane = match ingress.or(gateway).filter(|name| !name.is_empty()) {
        Some(name) => HostPort::parse(&name, port),
        None => HostPort {
            host: advertised.to_string(),
            port,
        },
    };
    Ok(Endpoint {
        assigned,
        advertised,
        port,
        control_plane,
    })
}

/// Addresses of a Service that are looked at, at most.
const ADDRESSES: usize = 16;

/// Every address of a Service: of the cluster, and of its load balancer.
pub fn addresses(service: &Service) -> Vec<IpAddr> {
    let spec = service.spec.as_ref();
    let first = spec.and_then(|spec| spec.cluster_ip.as_ref());
    let all = spec.and_then(|spec| spec.cluster_ips.as_ref());
    let balancer = service
        .status
        .as_ref()
        .and_then(|s| s.load_balancer.as_ref());
    let balancer = balancer.and_then(|balancer| balancer.ingress.as_ref());
    let balancer = balancer
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ip.as_ref());
    let texts = first
        .into_iter()
        .chain(all.into_iter().flatten())
        .chain(balancer);
    texts
        .take(ADDRESSES)
        .filter_map(|text| text.parse().ok())
        .collect()
}

fn assigned(tenant: &Tenant, service: Option<&Service>) -> Result<IpAddr, Unassigned> {
    let name = format!("{}/{}", tenant.namespace, tenant.names.control_plane());
    if let Some(address) = tenant.network.address {
        return Ok(address);
    }
    let service = service.ok_or_else(|| Unassigned::NoService(name.clone()))?;
    match tenant.spec.control_plane.service.service_type {
        ServiceType::ClusterIP => service
            .spec
            .as_ref()
            .and_then(|spec| spec.cluster_ip.as_deref())
            .and_then(|ip| ip.parse().ok())
            .ok_or(Unassigned::NoClusterIp(name)),
        ServiceType::NodePort => Err(Unassigned::NodePort(name)),
        ServiceType::LoadBalancer => load_balancer(name, service, recorded(tenant)),
    }
}

/// The address that the tenant's status has already: certificates and kubeconfigs are made for it.
fn recorded(tenant: &Tenant) -> Option<IpAddr> {
    let text = tenant.status.control_plane_endpoint.as_deref()?;
    HostPort::parse(text, tenant.network.port).host.parse().ok()
}

/// The recorded address as long as the load balancer has it, whatever the order of its entries; else
/// the first that is an IP address.
fn load_balancer(
    name: String,
    service: &Service,
    recorded: Option<IpAddr>,
) -> Result<IpAddr, Unassigned> {
    let ingress = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref())
        .and_then(|balancer| balancer.ingress.as_ref());
    let entries = ingress.map(Vec::as_slice).unwrap_or_default();
    let ip = |entry: &LoadBalancerIngress| entry.ip.as_deref()?.parse::<IpAddr>().ok();
    let addresses: Vec<IpAddr> = entries.iter().filter_map(ip).collect();
    let kept = recorded.filter(|address| addresses.contains(address));
    if let Some(address) = kept.or_else(|| addresses.first().copied()) {
        return Ok(address);
    }
    match entries.iter().find_map(|entry| entry.hostname.clone()) {
        Some(hostname) => Err(Unassigned::OnlyHostname {
            service: name,
            hostname,
        }),
        None => Err(Unassigned::NoLoadBalancer(name)),
    }
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
