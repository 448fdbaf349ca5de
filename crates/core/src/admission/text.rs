//! Can the tenant's text be read? All of it, not only up to the first mistake.

use kamaji_api::tenant::TenantControlPlane;

use super::Findings;
use crate::tenant::{ParseError, Tenant};

/// Reads the tenant; `None` if something in it was refused.
pub(super) fn examine(object: &TenantControlPlane, found: &mut Findings) -> Option<Tenant> {
    let mut object = object.clone();
    complete(&mut object);
    let mut clean = true;
    loop {
        match Tenant::parse(&object) {
            Ok(tenant) => return clean.then_some(tenant),
            Err(error) => {
                let goes_on = mend(&mut object, &error);
                clean = false;
                found.refuse(error);
                if !goes_on {
                    return None;
                }
            }
        }
    }
}

/// What the API server fills in between admission and storage.
fn complete(object: &mut TenantControlPlane) {
    let meta = &mut object.metadata;
    meta.uid
        .get_or_insert_with(|| "00000000-0000-0000-0000-000000000000".to_owned());
    meta.namespace.get_or_insert_with(|| "default".to_owned());
    if meta.name.is_none() {
        meta.name = meta
            .generate_name
            .as_ref()
            .map(|prefix| format!("{prefix}00000"));
    }
}

/// Puts something readable in the place of what was refused, so that the rest is looked at too.
/// Each mistake is mended for good, so that this ends; false if it cannot be.
fn mend(object: &mut TenantControlPlane, error: &ParseError) -> bool {
    let network = &mut object.spec.network_profile;
    match error {
        ParseError::Metadata(_) => return false,
        ParseError::Name { .. } => object.metadata.name = Some("placeholder".to_owned()),
        ParseError::Version { .. } => "v1.0.0".clone_into(&mut object.spec.kubernetes.version),
        ParseError::Port { .. } => network.port = 6443,
        ParseError::CertSan { text } => network.cert_sans.retain(|san| san != text),
        ParseError::DnsOutside { address, .. } => {
            network
                .dns_service_ips
                .retain(|text| text.parse() != Ok(*address));
            usual_ranges_if_no_dns(object);
        }
        ParseError::Address { field, text } => match *field {
            "spec.networkProfile.address" => network.address = None,
            "spec.networkProfile.advertiseAddress" => network.advertise_address = None,
            _ => {
                network.dns_service_ips.retain(|other| other != text);
                usual_ranges_if_no_dns(object);
            }
        },
        ParseError::Cidr { .. }
        | ParseError::NoServiceCidr
        | ParseError::Overlap { .. }
        | ParseError::TooSmall { .. } => usual_ranges(object),
    }
    true
}

/// Without DNS addresses the ranges must be large enough for the default ones: not this mistake.
fn usual_ranges_if_no_dns(object: &mut TenantControlPlane) {
    if object.spec.network_profile.dns_service_ips.is_empty() {
        usual_ranges(object);
    }
}

fn usual_ranges(object: &mut TenantControlPlane) {
    let network = &mut object.spec.network_profile;
    network.service_cidrs = vec!["10.96.0.0/16".to_owned()];
    network.pod_cidrs = vec!["10.244.0.0/16".to_owned()];
    network.dns_service_ips.clear();
}

/// Edits that are of no use.
pub(super) fn compare(new: &TenantControlPlane, old: &TenantControlPlane, found: &mut Findings) {
    let (now, before) = (&new.spec.network_profile, &old.spec.network_profile);
    let singles = [
        (
            "serviceCidr",
            &now.service_cidr,
            &before.service_cidr,
            &now.service_cidrs,
        ),
        ("podCidr", &now.pod_cidr, &before.pod_cidr, &now.pod_cidrs),
    ];
    for (field, now, before, list) in singles {
        if now != before && !list.is_empty() {
            found.warn(format!(
                "spec.networkProfile.{field} is ignored: {field}s is set and wins, change that"
            ));
        }
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
