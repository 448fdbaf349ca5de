//! Reads the tenant's text: all of it, not only up to the first mistake.

use kamaji_api::tenant::TenantControlPlane;

use super::types::Findings;
use crate::tenant::{ParseError, Tenant, is_san};

/// Reads the tenant; `None` if something in it was refused.
pub(super) fn examine(object: &TenantControlPlane, found: &mut Findings) -> Option<Tenant> {
    let mut object = object.clone();
    complete(&mut object);
    let mut clean = sans(&mut object, found);
    // As many turns as there are kinds of mistakes, and ranges and addresses that may be wrong: all of
    // those are few.
    loop {
        match Tenant::parse(&object) {
            Ok(tenant) => return clean.then_some(tenant),
            Err(error) => {
                let goes_on = mend(&mut object, &error);
                clean = false;
                // They have been read.
                object.spec.network_profile.cert_sans.clear();
                found.refuse(error);
                if !goes_on {
                    return None;
                }
            }
        }
    }
}

/// Refuses every name that no certificate can carry, in one pass over a list that may be long; false
/// if there was any.
fn sans(object: &mut TenantControlPlane, found: &mut Findings) -> bool {
    let sans = std::mem::take(&mut object.spec.network_profile.cert_sans);
    let count = sans.len();
    let (sound, wrong): (Vec<_>, Vec<_>) = sans.into_iter().partition(|san| is_san(san));
    for text in wrong {
        found.refuse(ParseError::CertSan { text });
    }
    let clean = sound.len() == count;
    object.spec.network_profile.cert_sans = sound;
    clean
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
        ParseError::CertSan { .. } => network.cert_sans.clear(),
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
        | ParseError::TooMany { .. }
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
