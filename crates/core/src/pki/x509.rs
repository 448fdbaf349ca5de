//! Writes and signs X.509 certificates.
//!
//! rcgen is not used: it can neither repeat an issuer's name byte for byte nor name two organisations, and verifiers
//! compare the bytes of names.

use std::net::IpAddr;

use k8s_openapi::jiff::Timestamp;
use rand_core::RngCore;

use super::{certificate::Usage, der, key::Key};
use crate::rng::Entropy;

const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];

const KEY_IDENTIFIER: [u8; 3] = [0x55, 0x1d, 0x0e];
const KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x0f];
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];
const AUTHORITY_KEY_IDENTIFIER: [u8; 3] = [0x55, 0x1d, 0x23];
const EXTENDED_KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x25];

/// The content of a certificate that is to be signed.
pub(super) struct Body<'a> {
    /// Encoded name of the signer.
    pub issuer: &'a [u8],
    /// Encoded name of the subject.
    pub subject: &'a [u8],
    /// Time from which the certificate is valid.
    pub not_before: Timestamp,
    /// Time at which the certificate ends.
    pub not_after: Timestamp,
    /// Key of the subject; only the public half is written.
    pub key: &'a Key,
    /// Extensions in the order in which they are written.
    pub extensions: Vec<Extension>,
}

/// DER of one X.509 extension.
pub(super) struct Extension(Vec<u8>);

impl Extension {
    fn new(kind: [u8; 3], content: &[u8]) -> Self {
        Self(der::sequence(&[der::oid(&kind), der::octets(content)]))
    }

    fn critical(kind: [u8; 3], content: &[u8]) -> Self {
        Self(der::sequence(&[
            der::oid(&kind),
            der::yes(),
            der::octets(content),
        ]))
    }

    /// Encodes the key usage: digital signature and key encipherment for every kind of key, as kubeadm does; an
    /// authority signs certificates, too.
    pub fn key_usage(authority: bool) -> Self {
        let (unused, flags) = if authority { (2, 0xa4) } else { (5, 0xa0) };
        Self::critical(KEY_USAGE, &der::bits(unused, &[flags]))
    }

    /// Encodes whether the subject is an authority.
    pub fn basic_constraints(authority: bool) -> Self {
        let content = if authority { vec![der::yes()] } else { vec![] };
        Self::critical(BASIC_CONSTRAINTS, &der::sequence(&content))
    }

    /// Encodes the extended key usages of a leaf.
    pub fn extended_key_usage(usages: &[Usage]) -> Self {
        let purpose = |usage: &Usage| {
            let last = match usage {
                Usage::Server => 1,
                Usage::Client => 2,
                Usage::CodeSigning => 3,
            };
            der::oid(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, last])
        };
        let purposes: Vec<_> = usages.iter().map(purpose).collect();
        Self::new(EXTENDED_KEY_USAGE, &der::sequence(&purposes))
    }

    /// Encodes the identifier of the certificate's own key.
    pub fn key_identifier(identifier: &[u8]) -> Self {
        Self::new(KEY_IDENTIFIER, &der::octets(identifier))
    }

    /// Encodes the identifier of the key that signs.
    pub fn authority_key_identifier(identifier: &[u8]) -> Self {
        let content = der::sequence(&[der::value(0x80, identifier)]);
        Self::new(AUTHORITY_KEY_IDENTIFIER, &content)
    }

    /// Encodes the subject alternative names: DNS names, then addresses.
    pub fn alternative_names<'a>(dns: impl Iterator<Item = &'a str>, ips: &[IpAddr]) -> Self {
        let dns = dns.map(|name| der::value(0x82, name.as_bytes()));
        let ips = ips.iter().map(|ip| match ip {
            IpAddr::V4(ip) => der::value(0x87, &ip.octets()),
            IpAddr::V6(ip) => der::value(0x87, &ip.octets()),
        });
        let names: Vec<_> = dns.chain(ips).collect();
        Self::new(ALTERNATIVE_NAMES, &der::sequence(&names))
    }
}

/// Encodes a name: organisations before the common name, as Go writes them.
pub(super) fn name(organizations: &[String], common_name: &str) -> Vec<u8> {
    let attribute =
        |kind: &[u8], text: &str| der::set(&der::sequence(&[der::oid(kind), der::text(text)]));
    let mut parts: Vec<_> = organizations
        .iter()
        .map(|organization| attribute(&ORGANIZATION, organization))
        .collect();
    parts.push(attribute(&COMMON_NAME, common_name));
    der::sequence(&parts)
}

/// Signs a certificate and returns its DER.
pub(super) fn sign(body: Body, signer: &Key, entropy: &mut Entropy) -> Vec<u8> {
    let version_3 = der::value(0xa0, &der::integer(2));
    let extensions: Vec<_> = body.extensions.into_iter().map(|e| e.0).collect();
    let to_be_signed = der::sequence(&[
        version_3,
        der::integer(serial(entropy)),
        signer.signature_algorithm(),
        body.issuer.to_vec(),
        der::sequence(&[der::time(body.not_before), der::time(body.not_after)]),
        body.subject.to_vec(),
        body.key.public_der(),
        der::value(0xa3, &der::sequence(&extensions)),
    ]);
    let signature = signer.sign(&to_be_signed, entropy);
    der::sequence(&[
        to_be_signed,
        signer.signature_algorithm(),
        der::bits(0, &signature),
    ])
}

/// Returns the PEM of a certificate's DER.
pub(super) fn pem(der: Vec<u8>) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", der), config)
}

/// Returns a random serial number of 63 bits that is never 0.
fn serial(entropy: &mut Entropy) -> u64 {
    (entropy.next_u64() >> 1).max(1)
}
