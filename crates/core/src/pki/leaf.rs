//! How is a leaf certificate issued?

use std::{net::IpAddr, time::Duration};

use k8s_openapi::jiff::Timestamp;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyIdMethod, KeyUsagePurpose, SanType,
};
use time::OffsetDateTime;

use super::{
    authority::{Authority, BACKDATE, serial},
    certificate::Usage,
    key::{Key, KeyAlgorithm},
};
use crate::entropy::Entropy;

/// What a leaf certificate is to say.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafRequest {
    /// Common name.
    pub common_name: String,
    /// Organisations: the groups of a user.
    pub organizations: Vec<String>,
    /// What it is for.
    pub usages: Vec<Usage>,
    /// DNS names, in order.
    pub dns_names: Vec<String>,
    /// IP addresses, in order.
    pub ip_addresses: Vec<IpAddr>,
    /// How long it is valid.
    pub validity: Duration,
    /// What its key is.
    pub algorithm: KeyAlgorithm,
}

/// A certificate and its key, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate_pem: String,
    /// Its key.
    pub key_pem: String,
    /// When the certificate ends.
    pub not_after: Timestamp,
}

/// Issues a leaf; it never outlives its authority.
pub(super) fn issue(
    authority: &Authority,
    request: &LeafRequest,
    now: Timestamp,
    entropy: &mut Entropy,
) -> Pair {
    let key = Key::generate(request.algorithm, entropy);
    let not_after = (now + request.validity).min(authority.certificate().not_after);
    let mut params = CertificateParams::default();
    params.distinguished_name = name(request);
    params.subject_alt_names = request
        .dns_names
        .iter()
        .filter_map(|name| dns_name(name).map(SanType::DnsName))
        .chain(request.ip_addresses.iter().copied().map(SanType::IpAddress))
        .collect();
    params.is_ca = IsCa::NoCa;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = request.usages.iter().map(|usage| purpose(*usage)).collect();
    params.custom_extensions = vec![not_a_ca()];
    params.use_authority_key_identifier_extension = true;
    params.not_before = time((now - BACKDATE).max(authority.certificate().not_before));
    params.not_after = time(not_after);
    params.serial_number = Some(serial(entropy));
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.identifier());
    let made = params
        .signed_by(&key, &authority.issuer())
        .expect("parameters of our own are complete");
    Pair {
        certificate_pem: made.pem().replace("\r\n", "\n"),
        key_pem: key.to_pem(),
        not_after,
    }
}

/// Organisations before the common name, as Go writes them.
fn name(request: &LeafRequest) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for organization in &request.organizations {
        name.push(DnType::OrganizationName, organization.as_str());
    }
    name.push(DnType::CommonName, request.common_name.as_str());
    name
}

fn purpose(usage: Usage) -> ExtendedKeyUsagePurpose {
    match usage {
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::CodeSigning => ExtendedKeyUsagePurpose::CodeSigning,
    }
}

/// Critical basic constraints without the CA flag: an empty sequence, as kubeadm's leaves have.
fn not_a_ca() -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 19], vec![0x30, 0x00]);
    extension.set_criticality(true);
    extension
}

/// A DNS name, if certificates can carry it.
pub(super) fn dns_name(text: &str) -> Option<rcgen::string::Ia5String> {
    text.try_into().ok()
}

/// Whole seconds, which is all that certificates have.
pub(super) fn time(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
