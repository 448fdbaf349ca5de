//! Control plane endpoint of a tenant: the assigned address, the advertised one, and the host and port
//! that workers and users dial.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service};
use kamaji_api::{condition::Reason, tenant::ServiceType};

use crate::tenant::Tenant;

pub mod host_port;

pub use host_port::{HostPort, HostPortError};

/// The addresses of one control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address of the Service: the spec's `networkProfile.address`, else the Service's own, else its load
    /// balancer's. The tenant's status carries it as `controlPlaneEndpoint`.
    pub assigned: IpAddr,
    /// Address that kube-apiserver advertises: the spec's `networkProfile.advertiseAddress`, else the
    /// assigned one.
    pub advertised: IpAddr,
    /// Port of the API server, 1 to 65535.
    pub port: u16,
    /// Host and port that workers and users dial, by [`published`]; kubeconfigs and certificates name it.
    pub published: HostPort,
}

/// Hosts that may be published for a control plane; `None` and empty texts mean that there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hosts<'a> {
    /// Host name of the ingress, with or without a port.
    pub ingress: Option<&'a str>,
    /// Host name of the gateway, with or without a port.
    pub gateway: Option<&'a str>,
}

/// The host and port that workers and users dial: the ingress' host name, else the gateway's, else
/// `advertised`. A host name without a port gets the port of `advertised`.
pub fn published(hosts: Hosts, advertised: HostPort) -> HostPort {
    let name = hosts.ingress.or(hosts.gateway);
    match name.filter(|name| !name.is_empty()) {
        Some(name) => HostPort::parse(name, advertised.port),
        None => advertised,
    }
}

/// Reason for which a control plane has no endpoint yet; its text names the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unassigned {
    /// The Service does not exist yet.
    #[error("the Service {0} does not exist yet: it is about to be created")]
    NoService(String),
    /// The API server of the management cluster has not given the Service a cluster IP.
    #[error("the Service {0} has no cluster IP yet")]
    NoClusterIp(String),
    /// No load balancer controller has given the Service an address.
    #[error(
        "the Service {0} of type LoadBalancer has no address in status.loadBalancer yet: is a load balancer controller running, and has it free addresses? Or set spec.networkProfile.address"
    )]
    NoLoadBalancer(String),
    /// The load balancer has host names only, which `--advertise-address` cannot use.
    #[error(
        "the load balancer of Service {service} has the host name {hostname} but no IP address: set spec.networkProfile.address to one of its addresses"
    )]
    OnlyHostname {
        /// The Service as `namespace/name`.
        service: String,
        /// Host name of the load balancer.
        hostname: String,
    },
    /// A Service of type NodePort has no address of its own.
    #[error(
        "the Service {0} of type NodePort has no address of its own: set spec.networkProfile.address to the address of a node"
    )]
    NodePort(String),
}

impl Unassigned {
    /// Reason of the condition that waits for the endpoint.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoService(_) | Self::NoClusterIp(_) => Reason::ServicePending,
            Self::NoLoadBalancer(_) => Reason::LoadBalancerPending,
            Self::OnlyHostname { .. } => Reason::LoadBalancerHostnameOnly,
            Self::NodePort(_) => Reason::AddressMissing,
        }
    }
}

/// Resolves the endpoint of `tenant` from its spec and its live Service; `None` is a Service that does not
/// exist yet.
pub fn resolve(tenant: &Tenant, service: Option<&Service>) -> Result<Endpoint, Unassigned> {
    let assigned = assigned(tenant, service)?;
    let port = tenant.network.port;
    let advertised = tenant.network.advertise_address.unwrap_or(assigned);
    let control_plane = &tenant.spec.control_plane;
    let hosts = Hosts {
        ingress: control_plane
            .ingress
            .as_ref()
            .and_then(|ingress| ingress.hostname.as_deref()),
        gateway: control_plane
            .gateway
            .as_ref()
            .and_then(|gateway| gateway.hostname.as_deref()),
    };
    let published = published(
        hosts,
        HostPort {
            host: advertised.to_string(),
            port,
        },
    );
    Ok(Endpoint {
        assigned,
        advertised,
        port,
        published,
    })
}

/// Most addresses of a Service that are read.
const ADDRESSES: usize = 16;

/// Every address of a Service: its cluster IPs, then those of its load balancer, at most 16.
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

/// The address in the tenant's status: certificates and kubeconfigs are made for it.
fn recorded(tenant: &Tenant) -> Option<IpAddr> {
    let text = tenant.status.control_plane_endpoint.as_deref()?;
    HostPort::parse(text, tenant.network.port).host.parse().ok()
}

/// The recorded address as long as the load balancer has it, whatever the order of its entries; else
/// the first IP address of the load balancer.
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
    let current = recorded.filter(|address| addresses.contains(address));
    if let Some(address) = current.or_else(|| addresses.first().copied()) {
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
mod tests;
