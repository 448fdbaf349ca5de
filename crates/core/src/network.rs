//! Checks of a tenant's ranges and addresses that parse, but with which Kubernetes would not run.
//!
//! Admission refuses them. A tenant that is stored with them is rendered as written. A condition reports what
//! is only known once the control plane has its address.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    render::deployment::args,
    tenant::{Tenant, first_address},
};

/// Default prefix length of a node's IPv4 pod range.
pub const NODE_MASK_IPV4: u8 = 24;
/// Default prefix length of a node's IPv6 pod range.
pub const NODE_MASK_IPV6: u8 = 64;
/// Most bits between a range of IPv6 pods and a node's.
const NODE_BITS_IPV6: u8 = 16;
/// Most host bits of a service range before Kubernetes 1.34.
const SERVICE_BITS: u8 = 20;
/// Kubernetes minor from which service ranges may have any size.
const ANY_SERVICE_RANGE: u64 = 34;

const PODS: &str = "spec.networkProfile.podCidrs";
const SERVICES: &str = "spec.networkProfile.serviceCidrs";
const DNS: &str = "spec.networkProfile.dnsServiceIPs";

/// A field with which Kubernetes would not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field, for example `spec.networkProfile.podCidrs`.
    pub field: &'static str,
    /// Flaw and remedy; the text goes after the field.
    pub problem: String,
}

/// Every problem that the tenant's spec has by itself; empty if there is none.
pub fn problems(tenant: &Tenant) -> Vec<Problem> {
    let network = &tenant.network;
    let mut found = Vec::new();
    let announced = [
        (
            "spec.networkProfile.advertiseAddress",
            network.advertise_address,
        ),
        ("spec.networkProfile.address", network.address),
    ];
    let announced = announced
        .into_iter()
        .find_map(|(field, ip)| Some((field, ip?)));
    if let Some((field, address)) = announced {
        found.extend(family(tenant, field, address));
    }
    found.extend(
        network
            .pod_cidrs
            .iter()
            .filter_map(|range| pods(tenant, *range)),
    );
    found.extend(
        network
            .service_cidrs
            .iter()
            .filter_map(|range| services(tenant, *range)),
    );
    found.extend(
        network
            .dns_service_ips
            .iter()
            .filter_map(|ip| dns(tenant, *ip)),
    );
    found
}

/// Checks that the first service range has the family of the address that kube-apiserver announces: it exits
/// at start if not. `field` names the source of the address in the message.
pub fn family(tenant: &Tenant, field: &str, announced: IpAddr) -> Option<Problem> {
    let range = tenant.network.service_cidrs.first()?;
    let announced = announced.to_canonical();
    if is_ipv4(*range) == announced.is_ipv4() {
        return None;
    }
    let (has, wants) = if announced.is_ipv4() {
        ("IPv4", "IPv6")
    } else {
        ("IPv6", "IPv4")
    };
    Some(Problem {
        field: SERVICES,
        problem: format!(
            "begins with {range}, while {field} is {announced}, and kube-apiserver needs both of one family: put an {has} range first, or give the control plane an {wants} address"
        ),
    })
}

/// Checks a pod range: kube-controller-manager exits at start if no node's range fits into it, or far too
/// many do.
fn pods(tenant: &Tenant, range: IpNet) -> Option<Problem> {
    let (mask, flag) = node_mask(tenant, range)?;
    let prefix = range.prefix_len();
    if prefix > mask {
        return Some(Problem {
            field: PODS,
            problem: format!(
                "has {range}, which is smaller than the /{mask} that each node gets: choose a range of /{mask} or larger, or set {flag} in spec.controlPlane.deployment.extraArgs.controllerManager"
            ),
        });
    }
    let too_large = !is_ipv4(range) && mask - prefix > NODE_BITS_IPV6;
    too_large.then(|| Problem {
        field: PODS,
        problem: format!(
            "has {range}, which is more than {NODE_BITS_IPV6} bits larger than the /{mask} that each node gets: choose a range of /{} or smaller, or set {flag} in spec.controlPlane.deployment.extraArgs.controllerManager",
            mask - NODE_BITS_IPV6
        ),
    })
}

/// Prefix length of a node's range and the flag that sets it; `None` if kube-controller-manager allocates no
/// ranges.
fn node_mask(tenant: &Tenant, range: IpNet) -> Option<(u8, &'static str)> {
    let flags = flags(tenant, |extra| &extra.controller_manager);
    let given = |name: &str| {
        let mut values = flags.iter().filter(|arg| args::name(arg) == name);
        let last = values.next_back()?;
        Some(last.split_once('=').map_or("", |(_, value)| value))
    };
    let other_allocators = ["--cluster-cidr", "--cidr-allocator-type", "--controllers"];
    if given("--allocate-node-cidrs").is_some_and(|value| value == "false")
        || other_allocators
            .into_iter()
            .any(|name| given(name).is_some())
    {
        return None;
    }
    let (default, flag) = if is_ipv4(range) {
        (NODE_MASK_IPV4, "--node-cidr-mask-size-ipv4")
    } else {
        (NODE_MASK_IPV6, "--node-cidr-mask-size-ipv6")
    };
    let given = given(flag).or_else(|| given("--node-cidr-mask-size"));
    match given {
        // An unreadable value is left to kube-controller-manager to refuse.
        Some(value) => Some((value.parse().ok()?, flag)),
        None => Some((default, flag)),
    }
}

/// Checks the size of a service range: kube-apiserver before 1.34 exits at start if it is large.
fn services(tenant: &Tenant, range: IpNet) -> Option<Problem> {
    let bits = range.max_prefix_len() - range.prefix_len();
    let lifted = flags(tenant, |extra| &extra.api_server)
        .iter()
        .any(|arg| arg.contains("DisableAllocatorDualWrite=true"));
    if bits <= SERVICE_BITS || tenant.version.minor() >= ANY_SERVICE_RANGE || lifted {
        return None;
    }
    Some(Problem {
        field: SERVICES,
        problem: format!(
            "has {range}, which is too large for kube-apiserver {}: choose a range of /{} or smaller, or Kubernetes v1.{ANY_SERVICE_RANGE} or newer",
            tenant.version.text,
            range.max_prefix_len() - SERVICE_BITS
        ),
    })
}

/// Checks an address of the cluster DNS: the first of the range belongs to the Service `kubernetes`, and no
/// Service may have the ends of a range.
fn dns(tenant: &Tenant, address: IpAddr) -> Option<Problem> {
    let ranges = &tenant.network.service_cidrs;
    let problem = |why: &str| {
        Some(Problem {
            field: DNS,
            problem: format!(
                "has {address}, which {why}: choose another address of the service range"
            ),
        })
    };
    if ranges.first().map(first_address) == Some(address) {
        return problem("the Service kubernetes has");
    }
    let range = ranges.iter().find(|range| range.contains(&address))?;
    let ends = range.network() == address || is_ipv4(*range) && range.broadcast() == address;
    if ends {
        return problem("is an end of its range, which no Service can have");
    }
    None
}

fn is_ipv4(range: IpNet) -> bool {
    matches!(range, IpNet::V4(_))
}

fn flags(
    tenant: &Tenant,
    of: impl Fn(&kamaji_api::tenant::ExtraArgs) -> &Vec<String>,
) -> Vec<String> {
    let extra = tenant.spec.control_plane.deployment.extra_args.as_ref();
    extra.map(of).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
