//! Parses the tenant and finds every mistake, where [`Tenant::parse`] stops at the first.

use kamaji_api::tenant::TenantControlPlane;

use super::types::Findings;
use crate::tenant::{ParseError, Tenant, is_san};

/// Parses the tenant and refuses every mistake; `None` if there was any.
pub(super) fn examine(object: &TenantControlPlane, found: &mut Findings) -> Option<Tenant> {
    let mut object = object.clone();
    complete(&mut object);
    let mut clean = take_invalid_sans(&mut object, found);
    // There are as many turns as kinds of mistakes, ranges and addresses: all of those are few.
    loop {
        match Tenant::parse(&object) {
            Ok(tenant) => return clean.then_some(tenant),
            Err(error) => {
                let can_continue = mend(&mut object, &error);
                clean = false;
                // Names have been checked above.
                object.spec.network_profile.cert_sans.clear();
                found.refuse(error);
                if !can_continue {
                    return None;
                }
            }
        }
    }
}

/// Refuses and removes every name that no certificate can carry, in one pass over a list that may be long; false if
/// there was any.
fn take_invalid_sans(object: &mut TenantControlPlane, found: &mut Findings) -> bool {
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

/// Fills in the metadata that the API server sets between admission and storage.
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

/// Replaces the value that was refused by a valid one, so that the rest is checked, too. No mistake comes twice, so
/// that this ends; false if the value cannot be replaced.
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
            default_ranges_if_no_dns(object);
        }
        ParseError::Address { field, text } => match *field {
            "spec.networkProfile.address" => network.address = None,
            "spec.networkProfile.advertiseAddress" => network.advertise_address = None,
            _ => {
                network.dns_service_ips.retain(|other| other != text);
                default_ranges_if_no_dns(object);
            }
        },
        ParseError::Cidr { .. }
        | ParseError::NoServiceCidr
        | ParseError::Overlap { .. }
        | ParseError::TooMany { .. }
        | ParseError::TooSmall { .. } => default_ranges(object),
    }
    true
}

/// Replaces ranges that may be too small for default DNS addresses, once there are no others.
fn default_ranges_if_no_dns(object: &mut TenantControlPlane) {
    if object.spec.network_profile.dns_service_ips.is_empty() {
        default_ranges(object);
    }
}

fn default_ranges(object: &mut TenantControlPlane) {
    let network = &mut object.spec.network_profile;
    network.service_cidrs = vec!["10.96.0.0/16".to_owned()];
    network.pod_cidrs = vec!["10.244.0.0/16".to_owned()];
    network.dns_service_ips.clear();
}

/// Warns of edits that have no effect.
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
mod tests;
