//! Requests for leaf certificates, and the pair of certificate and key that an authority answers them with.

use std::{net::IpAddr, time::Duration};

use k8s_openapi::jiff::Timestamp;

use super::{certificate::Usage, key::KeyAlgorithm};
use crate::dns;

/// The content of a leaf certificate that is to be issued.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafRequest {
    /// Common name of the subject: the user name, for client certificates.
    pub common_name: String,
    /// Organisations of the subject: the groups of a user. Empty for none.
    pub organizations: Vec<String>,
    /// Extended key usages, in order.
    pub usages: Vec<Usage>,
    /// DNS names, in order. Text that is not a DNS name is left out of the certificate.
    pub dns_names: Vec<String>,
    /// IP addresses, in order.
    pub ip_addresses: Vec<IpAddr>,
    /// Lifetime from now on; cut at the end of the authority that signs.
    pub validity: Duration,
    /// Algorithm of the new key.
    pub algorithm: KeyAlgorithm,
}

impl LeafRequest {
    /// Returns the DNS names that a certificate can carry: Go refuses to read a certificate with any other.
    pub(super) fn dns_names(&self) -> impl Iterator<Item = &str> {
        let names = self.dns_names.iter().map(String::as_str);
        names.filter(|name| is_dns_name(name))
    }
}

/// A certificate and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The leaf certificate, without the certificate of its authority.
    pub certificate_pem: String,
    /// The private key of the certificate.
    pub key_pem: String,
    /// Time at which the certificate ends.
    pub not_after: Timestamp,
}

impl std::fmt::Debug for Pair {
    /// Leaves the private key out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair")
            .field("certificate_pem", &self.certificate_pem)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// True for a DNS name that a certificate can carry: RFC 1123 in either case, at most 253 characters with a
/// leading `*.`.
pub(super) fn is_dns_name(text: &str) -> bool {
    text.len() <= dns::LONGEST_NAME && dns::is_name(dns::without_wildcard(text))
}

#[cfg(test)]
mod tests;
