//! Tenants whose text has mistakes, parsed without the parts that are wrong, so that certificates they have are
//! still renewed.

use std::net::IpAddr;

use ipnet::IpNet;
use kamaji_api::tenant::{NetworkProfile, TenantControlPlane};

use super::{error::ParseError, network::default_dns, parsed::Tenant};

/// Mistakes that are mended one after the other in one object; each certSAN may be one more.
const FIELDS: usize = 16;

/// A tenant that was parsed without the wrong parts of its text: new mistakes, or old text that a newer rule
/// refuses.
#[derive(Debug)]
pub struct Mended {
    /// The tenant, with defaults or recorded values in place of the wrong parts.
    pub tenant: Tenant,
    /// The first mistake of the original text.
    pub problem: ParseError,
    /// True if no address or name was replaced, so that certificates and kubeconfigs can be issued for them.
    pub addressed: bool,
}

impl Mended {
    /// Parses `object` without its wrong parts; `problem` is the error of [`Tenant::parse`], which is returned if a
    /// part cannot be replaced.
    pub fn of(object: &TenantControlPlane, problem: ParseError) -> Result<Self, ParseError> {
        let mut object = object.clone();
        let mut addressed = true;
        let mut wrong = None;
        for _ in 0..FIELDS + object.spec.network_profile.cert_sans.len() {
            match mend(&mut object, wrong.as_ref().unwrap_or(&problem)) {
                Some(known) => addressed &= known,
                None => return Err(problem),
            }
            match Tenant::parse(&object) {
                Ok(tenant) => {
                    return Ok(Self {
                        tenant,
                        problem,
                        addressed,
                    });
                }
                Err(next) => wrong = Some(next),
            }
        }
        Err(problem)
    }
}

/// Replaces the part that `wrong` is about. True if names and addresses stay known; `None` if the part cannot be
/// replaced.
fn mend(object: &mut TenantControlPlane, wrong: &ParseError) -> Option<bool> {
    let profile = &mut object.spec.network_profile;
    match wrong {
        ParseError::Version { .. } => {
            let status = object.status.as_ref();
            let installed = status
                .and_then(|status| status.kubernetes_resources.as_ref()?.version.as_ref())
                .and_then(|version| version.version.clone())
                .filter(|installed| *installed != object.spec.kubernetes.version);
            object.spec.kubernetes.version = installed.unwrap_or_else(|| "v0.0.0".to_owned());
            Some(true)
        }
        ParseError::CertSan { text } => {
            profile.cert_sans.retain(|san| san != text);
            Some(true)
        }
        ParseError::Overlap { .. } => Some(drop_overlap(profile)),
        ParseError::DnsOutside { .. } | ParseError::TooSmall { .. } => {
            profile.dns_service_ips = dns_addresses(profile);
            Some(true)
        }
        ParseError::Address { field, .. } if field.ends_with("dnsServiceIPs") => {
            profile.dns_service_ips = dns_addresses(profile);
            Some(true)
        }
        ParseError::Address { .. } => {
            (profile.address, profile.advertise_address) = (None, None);
            Some(false)
        }
        ParseError::Cidr { field, .. } if field.ends_with("podCidrs") => {
            drop_pod_ranges(profile);
            Some(true)
        }
        ParseError::Cidr { .. } | ParseError::NoServiceCidr => {
            profile.service_cidr = Some("10.96.0.0/16".to_owned());
            profile.service_cidrs.clear();
            profile.dns_service_ips.clear();
            Some(false)
        }
        ParseError::Port { .. } => {
            profile.port = 6443;
            Some(false)
        }
        // A new rule is listed above if certificates can do without its field.
        _ => None,
    }
}

/// Drops overlapping ranges: the pods', which no certificate names, else all service ranges but the first. True if
/// no service range was dropped.
fn drop_overlap(profile: &mut NetworkProfile) -> bool {
    let pods = !profile.pod_cidrs.is_empty() || profile.pod_cidr.is_some();
    if pods {
        drop_pod_ranges(profile);
        return true;
    }
    profile.service_cidrs.truncate(1);
    false
}

fn drop_pod_ranges(profile: &mut NetworkProfile) {
    profile.pod_cidr = None;
    profile.pod_cidrs.clear();
}

/// Returns an address of the first service range; empty if that cannot be parsed.
fn dns_addresses(profile: &NetworkProfile) -> Vec<String> {
    let first = profile.service_cidrs.first();
    let range = first.or(profile.service_cidr.as_ref());
    let range = range.and_then(|text| text.parse::<IpNet>().ok());
    let address = |range: IpNet| -> IpAddr { default_dns(&range).unwrap_or(range.network()) };
    range
        .map(address)
        .map(|ip| ip.to_string())
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests;
