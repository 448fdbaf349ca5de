//! What does a `TenantControlPlane` say, once it has been read?
//!
//! Everything that can be wrong with a tenant's own text is found here, so that rendering cannot
//! fail afterwards.

use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kamaji_api::tenant::{TenantControlPlane, TenantControlPlaneSpec, TenantControlPlaneStatus};

use crate::{dns, names::Names};

mod mended;

pub use kamaji_api::NEWEST_MINOR;
pub use mended::Mended;

/// Oldest Kubernetes minor that new tenants may run: kubeadm of older ones cannot read what workers are
/// told, and the images that belong to them were never published.
pub const OLDEST_MINOR: u64 = 30;

/// A tenant control plane whose text has been parsed.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Name of the object.
    pub name: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Uid of the object: the default schema and user in the datastore.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// Names of everything that belongs to it.
    pub names: Names,
    /// Kubernetes version.
    pub version: Version,
    /// Addresses and ranges.
    pub network: Network,
    /// The spec as it stands.
    pub spec: TenantControlPlaneSpec,
    /// The last published status; empty for a new tenant.
    pub status: TenantControlPlaneStatus,
}

/// A Kubernetes version: the text as the user wrote it, which is also the image tag, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// As written, for example `v1.36.3`.
    pub text: String,
    /// Parsed.
    pub semver: semver::Version,
}

impl Version {
    /// Reads `v1.36.3` or `1.36.3`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        semver::Version::parse(text.strip_prefix('v').unwrap_or(text))
            .map(|semver| Self {
                text: text.to_owned(),
                semver,
            })
            .map_err(|source| ParseError::Version {
                text: text.to_owned(),
                source,
            })
    }

    /// The minor, 36 for v1.36.3.
    pub fn minor(&self) -> u64 {
        self.semver.minor
    }
}

/// The parsed network profile.
#[derive(Clone, Debug)]
pub struct Network {
    /// Port of the API server, 1 to 65535.
    pub port: u16,
    /// Service ranges in the order that is in force.
    pub service_cidrs: Vec<IpNet>,
    /// Pod ranges in the order that is in force.
    pub pod_cidrs: Vec<IpNet>,
    /// Addresses of the cluster DNS service.
    pub dns_service_ips: Vec<IpAddr>,
    /// Domain of the cluster, `cluster.local` by default.
    pub cluster_domain: String,
    /// Address given by the user instead of the Service's own.
    pub address: Option<IpAddr>,
    /// Address to tell the world where it differs.
    pub advertise_address: Option<IpAddr>,
    /// Further names and addresses for the API server's certificate.
    pub cert_sans: Vec<String>,
}

impl Network {
    /// The service ranges as kube-apiserver and kubeadm write them: joined by commas.
    pub fn service_subnet(&self) -> String {
        join(&self.service_cidrs)
    }

    /// True if pods get addresses of both families.
    pub fn pods_are_dual_stack(&self) -> bool {
        let ipv4 = |range: &IpNet| matches!(range, IpNet::V4(_));
        self.pod_cidrs.iter().any(ipv4) && !self.pod_cidrs.iter().all(ipv4)
    }

    /// The pod ranges, joined by commas.
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

/// What is wrong with a tenant's text.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// The object has no name, namespace or uid: it did not come from an API server.
    #[error("the TenantControlPlane has no metadata.{0}: read it from the API server, or add it")]
    Metadata(&'static str),
    /// Names end up in labels, services and certificates.
    #[error(
        "metadata.name {name:?} is not a DNS label of at most 63 characters (a-z, 0-9 and -, a letter first): recreate the TenantControlPlane under such a name"
    )]
    Name {
        /// What it is.
        name: String,
    },
    /// Not a version.
    #[error("spec.kubernetes.version {text:?} is not a version such as v1.36.3: {source}")]
    Version {
        /// What was written.
        text: String,
        /// Why not.
        source: semver::Error,
    },
    /// Not an address.
    #[error("{field} {text:?} is not an IP address: write one such as 192.0.2.10 or 2001:db8::10")]
    Address {
        /// Which field.
        field: &'static str,
        /// What was written.
        text: String,
    },
    /// Not a range.
    #[error("{field} {text:?} is not a CIDR: write one such as 10.96.0.0/16 or 2001:db8:1::/112")]
    Cidr {
        /// Which field.
        field: &'static str,
        /// What was written.
        text: String,
    },
    /// A tenant needs services.
    #[error("spec.networkProfile.serviceCidrs is empty: name at least one range")]
    NoServiceCidr,
    /// Services and pods would have the same addresses.
    #[error("{one} overlaps {other} in spec.networkProfile: choose ranges that do not overlap")]
    Overlap {
        /// One range.
        one: String,
        /// The other.
        other: String,
    },
    /// The DNS service could not be made.
    #[error(
        "spec.networkProfile.dnsServiceIPs has {address}, which is in none of the service ranges {ranges}: choose an address inside"
    )]
    DnsOutside {
        /// The address.
        address: IpAddr,
        /// The ranges.
        ranges: String,
    },
    /// A range of one or two addresses has no tenth.
    #[error(
        "the service range {range} is too small to hold the DNS address: use /28 (IPv4) or /123 (IPv6) or larger"
    )]
    TooSmall {
        /// The range.
        range: IpNet,
    },
    /// A port that no socket has.
    #[error("spec.networkProfile.port {port} is not a port: choose one from 1 to 65535")]
    Port {
        /// What was written.
        port: i32,
    },
    /// More than any cluster can have.
    #[error("{field} has {count} items, of which there may be {most}: remove some")]
    TooMany {
        /// Which field.
        field: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// A SAN that no certificate can carry.
    #[error(
        "spec.networkProfile.certSANs has {text:?}, which is neither an IP address nor a DNS name or wildcard (no scheme, no port): correct or remove it"
    )]
    CertSan {
        /// What was written.
        text: String,
    },
}

impl Tenant {
    /// Reads one object as the API server serves it.
    pub fn parse(object: &TenantControlPlane) -> Result<Self, ParseError> {
        let meta = &object.metadata;
        let name = meta.name.clone().ok_or(ParseError::Metadata("name"))?;
        if !(dns::is_label(&name, dns::LONGEST_LABEL)
            && name.starts_with(|c: char| c.is_ascii_lowercase()))
        {
            return Err(ParseError::Name { name });
        }
        Ok(Self {
            names: Names::of(&name),
            name,
            namespace: meta
                .namespace
                .clone()
                .ok_or(ParseError::Metadata("namespace"))?,
            uid: meta.uid.clone().ok_or(ParseError::Metadata("uid"))?,
            generation: meta.generation.unwrap_or_default(),
            version: Version::parse(&object.spec.kubernetes.version)?,
            network: network(&object.spec)?,
            spec: object.spec.clone(),
            status: object.status.clone().unwrap_or_default(),
        })
    }

    /// The controller reference that every object of the tenant carries.
    pub fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: "kamaji.clastix.io/v1alpha1".to_owned(),
            kind: "TenantControlPlane".to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    /// Replicas that are wanted; 0 means asleep.
    pub fn replicas(&self) -> i32 {
        self.spec.control_plane.deployment.replicas.unwrap_or(2)
    }

    /// `name.namespace.svc`, as the management cluster resolves it.
    pub fn service_host(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }

    /// Schema in the datastore: what was once set up wins, then the spec, then the uid.
    pub fn schema(&self) -> &str {
        let set_up = self.status.storage.as_ref().and_then(|s| s.setup.as_ref());
        first_filled([
            set_up.and_then(|s| s.schema.as_deref()),
            self.spec.data_store_schema.as_deref(),
            Some(&self.uid),
        ])
    }

    /// User in the datastore, by the same rule.
    pub fn data_store_user(&self) -> &str {
        let set_up = self.status.storage.as_ref().and_then(|s| s.setup.as_ref());
        first_filled([
            set_up.and_then(|s| s.user.as_deref()),
            self.spec.data_store_username.as_deref(),
            Some(&self.uid),
        ])
    }
}

fn first_filled<const N: usize>(candidates: [Option<&str>; N]) -> &str {
    candidates
        .into_iter()
        .flatten()
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// Ranges of one kind, and addresses of the cluster DNS: many times what kube-apiserver and kubelets
/// take, so that a tenant that runs is never refused for it.
const MOST_RANGES: usize = 16;

fn network(spec: &TenantControlPlaneSpec) -> Result<Network, ParseError> {
    let profile = &spec.network_profile;
    let lists = [
        ("spec.networkProfile.serviceCidrs", &profile.service_cidrs),
        ("spec.networkProfile.podCidrs", &profile.pod_cidrs),
        (
            "spec.networkProfile.dnsServiceIPs",
            &profile.dns_service_ips,
        ),
    ];
    if let Some((field, list)) = lists.into_iter().find(|(_, l)| l.len() > MOST_RANGES) {
        return Err(ParseError::TooMany {
            field,
            count: list.len(),
            most: MOST_RANGES,
        });
    }
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

fn address(text: Option<&str>, field: &'static str) -> Result<Option<IpAddr>, ParseError> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| ParseError::Address {
            field,
            text: text.to_owned(),
        }),
    }
}

/// The plural list without repetitions, in the order written; else the deprecated single value.
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
    for (index, one) in cidrs.iter().enumerate() {
        for other in &cidrs[index + 1..] {
            if one.contains(&other.network()) || other.contains(&one.network()) {
                return Err(ParseError::Overlap {
                    one: one.to_string(),
                    other: other.to_string(),
                });
            }
        }
    }
    Ok(())
}

/// The given addresses, each inside a service range; or by default the tenth (IPv4) or sixteenth
/// (IPv6, written `::10`) of each range, as upstream's webhook does.
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

/// The DNS address that a service range gets by default.
pub fn default_dns(range: &IpNet) -> Option<IpAddr> {
    let address = match range {
        IpNet::V4(net) => IpAddr::V4((u32::from(net.network()).checked_add(10)?).into()),
        IpNet::V6(net) => IpAddr::V6((u128::from(net.network()).checked_add(16)?).into()),
    };
    range.contains(&address).then_some(address)
}

/// The first usable address of a range: the ClusterIP of `default/kubernetes`.
pub fn first_address(range: &IpNet) -> IpAddr {
    match range {
        IpNet::V4(net) => IpAddr::V4(u32::from(net.network()).saturating_add(1).into()),
        IpNet::V6(net) => IpAddr::V6(u128::from(net.network()).saturating_add(1).into()),
    }
}

/// True if a certificate can carry this as a name or an address.
pub(crate) fn is_san(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || dns::is_name(dns::without_wildcard(text))
}

#[cfg(test)]
#[path = "tenant_tests.rs"]
mod tests;
