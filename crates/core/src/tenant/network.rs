//! The network profile of a tenant: ranges, addresses, port and names.

use std::net::IpAddr;

use ipnet::IpNet;
use kamaji_api::tenant::{NetworkProfile, TenantControlPlaneSpec};

use super::error::ParseError;
use crate::dns;

/// The parsed `spec.networkProfile`, with defaults filled in.
#[derive(Clone, Debug)]
pub struct Network {
    /// Port of the API server, 1 to 65535.
    pub port: u16,
    /// Service ranges without repetitions, in the order written; at least one.
    pub service_cidrs: Vec<IpNet>,
    /// Pod ranges without repetitions, in the order written; empty for none.
    pub pod_cidrs: Vec<IpNet>,
    /// Addresses of the cluster DNS Service; by default [`default_dns`] of each service range.
    pub dns_service_ips: Vec<IpAddr>,
    /// DNS domain of the tenant cluster, `cluster.local` by default.
    pub cluster_domain: String,
    /// Address set by the user instead of the one that the Service gets; `None` to take the Service's.
    pub address: Option<IpAddr>,
    /// Address that clients are given where it differs from the assigned one.
    pub advertise_address: Option<IpAddr>,
    /// Further DNS names and addresses for the API server's certificate.
    pub cert_sans: Vec<String>,
}

impl Network {
    /// Returns the service ranges as kube-apiserver and kubeadm write them: joined by commas.
    pub fn service_subnet(&self) -> String {
        join(&self.service_cidrs)
    }

    /// True if there are pod ranges of both IPv4 and IPv6.
    pub fn pods_are_dual_stack(&self) -> bool {
        let ipv4 = |range: &IpNet| matches!(range, IpNet::V4(_));
        self.pod_cidrs.iter().any(ipv4) && !self.pod_cidrs.iter().all(ipv4)
    }

    /// Returns the pod ranges, joined by commas.
    pub fn pod_subnet(&self) -> String {
        join(&self.pod_cidrs)
    }
}

fn join(cidrs: &[IpNet]) -> String {
    cidrs
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

/// Most ranges of one kind, and most DNS addresses: many times the number that kube-apiserver and kubelets take, so
/// that a running tenant is never refused for it.
const MOST_RANGES: usize = 16;

/// Parses and checks `spec.networkProfile`; the first mistake is returned.
pub(super) fn network(spec: &TenantControlPlaneSpec) -> Result<Network, ParseError> {
    let profile = &spec.network_profile;
    refuse_long_lists(profile)?;
    let port = u16::try_from(profile.port)
        .ok()
        .filter(|port| *port > 0)
        .ok_or(ParseError::Port { port: profile.port })?;
    let service_cidrs = effective(
        &profile.service_cidrs,
        profile.service_cidr.as_deref(),
        "spec.networkProfile.serviceCidrs",
    )?;
    let pod_cidrs = effective(
        &profile.pod_cidrs,
        profile.pod_cidr.as_deref(),
        "spec.networkProfile.podCidrs",
    )?;
    if service_cidrs.is_empty() {
        return Err(ParseError::NoServiceCidr);
    }
    refuse_overlaps(service_cidrs.iter().chain(&pod_cidrs))?;
    let dns_service_ips = dns_addresses(&profile.dns_service_ips, &service_cidrs)?;
    if let Some(san) = profile.cert_sans.iter().find(|san| !is_san(san)) {
        return Err(ParseError::CertSan { text: san.clone() });
    }
    Ok(Network {
        port,
        service_cidrs,
        pod_cidrs,
        dns_service_ips,
        cluster_domain: profile.cluster_domain.clone(),
        address: address(profile.address.as_deref(), "spec.networkProfile.address")?,
        advertise_address: address(
            profile.advertise_address.as_deref(),
            "spec.networkProfile.advertiseAddress",
        )?,
        cert_sans: profile.cert_sans.clone(),
    })
}

fn refuse_long_lists(profile: &NetworkProfile) -> Result<(), ParseError> {
    let lists = [
        ("spec.networkProfile.serviceCidrs", &profile.service_cidrs),
        ("spec.networkProfile.podCidrs", &profile.pod_cidrs),
        (
            "spec.networkProfile.dnsServiceIPs",
            &profile.dns_service_ips,
        ),
    ];
    match lists.into_iter().find(|(_, l)| l.len() > MOST_RANGES) {
        Some((field, list)) => Err(ParseError::TooMany {
            field,
            count: list.len(),
            most: MOST_RANGES,
        }),
        None => Ok(()),
    }
}

fn address(text: Option<&str>, field: &'static str) -> Result<Option<IpAddr>, ParseError> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| ParseError::Address {
            field,
            text: text.to_owned(),
        }),
    }
}

/// Returns the plural list without repetitions, in the order written; else the deprecated single value.
fn effective(
    plural: &[String],
    single: Option<&str>,
    field: &'static str,
) -> Result<Vec<IpNet>, ParseError> {
    let mut out: Vec<IpNet> = Vec::new();
    let texts: Vec<&str> = if plural.is_empty() {
        single.into_iter().filter(|text| !text.is_empty()).collect()
    } else {
        plural.iter().map(String::as_str).collect()
    };
    for text in texts {
        let cidr = text.parse().map_err(|_| ParseError::Cidr {
            field,
            text: text.to_owned(),
        })?;
        if !out.contains(&cidr) {
            out.push(cidr);
        }
    }
    Ok(out)
}

fn refuse_overlaps<'a>(cidrs: impl Iterator<Item = &'a IpNet>) -> Result<(), ParseError> {
    let cidrs: Vec<_> = cidrs.collect();
    for (index, first) in cidrs.iter().enumerate() {
        for other in &cidrs[index + 1..] {
            if first.contains(&other.network()) || other.contains(&first.network()) {
                return Err(ParseError::Overlap {
                    one: first.to_string(),
                    other: other.to_string(),
                });
            }
        }
    }
    Ok(())
}

/// Returns the DNS addresses that were written, each within a service range; else [`default_dns`] of each range.
fn dns_addresses(given: &[String], ranges: &[IpNet]) -> Result<Vec<IpAddr>, ParseError> {
    if given.is_empty() {
        return ranges
            .iter()
            .map(|range| default_dns(range).ok_or(ParseError::TooSmall { range: *range }))
            .collect();
    }
    given
        .iter()
        .map(|text| {
            let field = "spec.networkProfile.dnsServiceIPs";
            let address: IpAddr = text.parse().map_err(|_| ParseError::Address {
                field,
                text: text.clone(),
            })?;
            if ranges.iter().any(|range| range.contains(&address)) {
                Ok(address)
            } else {
                Err(ParseError::DnsOutside {
                    address,
                    ranges: join(ranges),
                })
            }
        })
        .collect()
}

/// Returns the default DNS address of a service range, as upstream's webhook chooses it: the tenth address (IPv4)
/// or the sixteenth (IPv6, written `::10`). `None` if the range is too small.
pub fn default_dns(range: &IpNet) -> Option<IpAddr> {
    let address = match range {
        IpNet::V4(net) => IpAddr::V4((u32::from(net.network()).checked_add(10)?).into()),
        IpNet::V6(net) => IpAddr::V6((u128::from(net.network()).checked_add(16)?).into()),
    };
    range.contains(&address).then_some(address)
}

/// Returns the first usable address of a service range: the ClusterIP of `default/kubernetes`.
pub fn first_address(range: &IpNet) -> IpAddr {
    match range {
        IpNet::V4(net) => IpAddr::V4(u32::from(net.network()).saturating_add(1).into()),
        IpNet::V6(net) => IpAddr::V6(u128::from(net.network()).saturating_add(1).into()),
    }
}

#[cfg(test)]
thread_local! {
    /// Number of calls of [`is_san`] in the present thread: tests bound the work on long lists with it.
    pub(crate) static SAN_CHECKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// True if a certificate can carry `text` as a DNS name, with or without a leading `*.`, or as an IP address.
pub(crate) fn is_san(text: &str) -> bool {
    #[cfg(test)]
    SAN_CHECKS.set(SAN_CHECKS.get() + 1);
    text.parse::<IpAddr>().is_ok() || dns::is_name(dns::without_wildcard(text))
}
