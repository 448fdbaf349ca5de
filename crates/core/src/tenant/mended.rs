//! A tenant whose text breaks a rule, read without what breaks it: enough to renew what it has.

use std::net::IpAddr;

use ipnet::IpNet;
use kamaji_api::tenant::{NetworkProfile, TenantControlPlane};

use super::{ParseError, Tenant, default_dns};

/// Fields that can be mended one after the other; each certSAN is one more.
const FIELDS: usize = 16;

/// A tenant that can be read without the parts of its text that are wrong. What is wrong may be new
/// text, or old text that a rule of today refuses.
#[derive(Debug)]
pub struct Mended {
    /// What could be read.
    pub tenant: Tenant,
    /// The first part that is wrong.
    pub problem: ParseError,
    /// True if its addresses and names are known: certificates and kubeconfigs say them.
    pub addressed: bool,
}

impl Mended {
    /// Reads `object` without what is wrong with it; `problem` is what reading it said.
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

/// Takes out what is wrong. True if names and addresses are as known as before; `None` if there is
/// nothing to take out.
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
        ParseError::Overlap { .. } => Some(part(profile)),
        ParseError::DnsOutside { .. } | ParseError::TooSmall { .. } => {
            profile.dns_service_ips = dns(profile);
            Some(true)
        }
        ParseError::Address { field, .. } if field.ends_with("dnsServiceIPs") => {
            profile.dns_service_ips = dns(profile);
            Some(true)
        }
        ParseError::Address { .. } => {
            (profile.address, profile.advertise_address) = (None, None);
            Some(false)
        }
        ParseError::Cidr { field, .. } if field.ends_with("podCidrs") => {
            forget_pods(profile);
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
        // Further rules say here what of their fields certificates need.
        _ => None,
    }
}

/// Ranges that overlap: no certificate names a pod's address, and only the first service range is sure
/// to be in force. True if no service range was lost.
fn part(profile: &mut NetworkProfile) -> bool {
    let pods = !profile.pod_cidrs.is_empty() || profile.pod_cidr.is_some();
    if pods {
        forget_pods(profile);
        return true;
    }
    profile.service_cidrs.truncate(1);
    false
}

fn forget_pods(profile: &mut NetworkProfile) {
    profile.pod_cidr = None;
    profile.pod_cidrs.clear();
}

/// One address inside the first service range.
fn dns(profile: &NetworkProfile) -> Vec<String> {
    let first = profile.service_cidrs.first();
    let range = first.or(profile.service_cidr.as_ref());
    let range = range.and_then(|text| text.parse::<IpNet>().ok());
    let tenant_cluster =
        |range: IpNet| -> IpAddr { default_dns(&range).unwrap_or(range.network()) };
    range
        .map(tenant_cluster)
        .map(|ip| ip.to_string())
        .into_iter()
        .collect()
}

#[cfg(test)]
#[path = "mended_tests.rs"]
mod tests;
