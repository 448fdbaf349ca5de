//! How is a leaf certificate issued?

use std::{net::IpAddr, time::Duration};

use k8s_openapi::jiff::Timestamp;

use super::{
    authority::{Authority, BACKDATE},
    certificate::Usage,
    key::{Key, KeyAlgorithm},
    x509::{self, Body, Extension},
};
use crate::rng::Entropy;

/// What a leaf certificate is to say.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafRequest {
    /// Common name.
    pub common_name: String,
    /// Organisations: the groups of a user.
    pub organizations: Vec<String>,
    /// What it is for.
    pub usages: Vec<Usage>,
    /// DNS names, in order. What is none is left out of certificates.
    pub dns_names: Vec<String>,
    /// IP addresses, in order.
    pub ip_addresses: Vec<IpAddr>,
    /// How long it is valid.
    pub validity: Duration,
    /// What its key is.
    pub algorithm: KeyAlgorithm,
}

impl LeafRequest {
    /// The DNS names that a certificate can carry: Go refuses to read one with any other.
    pub(super) fn dns_names(&self) -> impl Iterator<Item = &str> {
        let names = self.dns_names.iter().map(String::as_str);
        names.filter(|name| is_dns_name(name))
    }
}

/// A certificate and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate_pem: String,
    /// Its key.
    pub key_pem: String,
    /// When the certificate ends.
    pub not_after: Timestamp,
}

impl std::fmt::Debug for Pair {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair")
            .field("certificate_pem", &self.certificate_pem)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Issues a leaf; it never outlives its authority.
pub(super) fn issue(
    authority: &Authority,
    request: &LeafRequest,
    now: Timestamp,
    entropy: &mut Entropy,
) -> Pair {
    let key = Key::generate(request.algorithm, entropy);
    let signer = authority.certificate();
    let not_after = after(now, request.validity).min(signer.not_after);
    let mut extensions = vec![
        Extension::key_usage(false),
        Extension::extended_key_usage(&request.usages),
        Extension::basic_constraints(false),
        Extension::authority_key_identifier(&authority.identifier()),
    ];
    // An empty list is not allowed.
    if request.dns_names().next().is_some() || !request.ip_addresses.is_empty() {
        let names = Extension::alternative_names(request.dns_names(), &request.ip_addresses);
        extensions.push(names);
    }
    let body = Body {
        issuer: &signer.subject,
        subject: &x509::name(&request.organizations, &request.common_name),
        not_before: before(now, BACKDATE).max(signer.not_before),
        not_after,
        key: &key,
        extensions,
    };
    let der = x509::sign(body, authority.key(), entropy);
    Pair {
        certificate_pem: x509::pem(der),
        key_pem: key.to_pem(),
        not_after,
    }
}

/// True for a DNS name (RFC 1123, in any case), which may start with `*.`.
pub(super) fn is_dns_name(text: &str) -> bool {
    let inner = u8::is_ascii_alphanumeric;
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| inner(byte) || *byte == b'-')
            && bytes.first().is_some_and(inner)
            && bytes.last().is_some_and(inner)
    };
    let name = text.strip_prefix("*.").unwrap_or(text);
    text.len() <= 253 && name.split('.').all(is_label)
}

/// Later by `span`, in whole seconds, which is all that certificates have.
pub(super) fn after(at: Timestamp, span: Duration) -> Timestamp {
    whole(at.checked_add(span).unwrap_or(Timestamp::MAX))
}

/// Earlier by `span`, in whole seconds.
pub(super) fn before(at: Timestamp, span: Duration) -> Timestamp {
    whole(at.checked_sub(span).unwrap_or(Timestamp::MIN))
}

fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
#[path = "leaf_tests.rs"]
mod tests;
