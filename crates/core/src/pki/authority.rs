//! How is a CA made, and can it be trusted to sign?

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, SanType, SerialNumber,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    certificate::{Certificate, CertificateError},
    key::{Key, KeyAlgorithm, KeyError},
    leaf::{self, LeafRequest, Pair},
};
use crate::entropy::Entropy;

/// Validity of a new CA: ten years, as kubeadm's.
pub const VALIDITY: Duration = Duration::from_secs(87_600 * 3600);
/// Certificates are valid from this much before they are made, for clocks that are late.
pub const BACKDATE: Duration = Duration::from_secs(300);

/// A CA that can sign.
#[derive(Clone)]
pub struct Authority {
    certificate: Certificate,
    certificate_pem: Vec<u8>,
    key: Key,
    key_pem: Vec<u8>,
}

/// What is wrong with a CA. None of it is ever mended by making a new one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// Its certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Its key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Two halves of different pairs.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// A leaf.
    #[error("the certificate {0:?} is not a CA")]
    NotCa(String),
    /// Over.
    #[error("the certificate ended at {0}")]
    Ended(Timestamp),
}

/// Makes a CA.
pub fn issue(
    common_name: &str,
    algorithm: KeyAlgorithm,
    now: Timestamp,
    entropy: &mut Entropy,
) -> Authority {
    let key = Key::generate(algorithm, entropy);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.subject_alt_names = leaf::dns_name(common_name)
        .map(SanType::DnsName)
        .into_iter()
        .collect();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyCertSign,
    ];
    params.not_before = leaf::time(now - BACKDATE);
    params.not_after = leaf::time(now + VALIDITY);
    params.serial_number = Some(serial(entropy));
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.identifier());
    let made = params
        .self_signed(&key)
        .expect("parameters of our own are complete");
    let certificate_pem = made.pem().replace("\r\n", "\n").into_bytes();
    let certificate =
        Certificate::from_der(made.der()).expect("a certificate that was just made can be read");
    let key_pem = key.to_pem().into_bytes();
    Authority {
        certificate,
        certificate_pem,
        key,
        key_pem,
    }
}

/// A random serial of 63 bits, never 0.
pub(super) fn serial(entropy: &mut Entropy) -> SerialNumber {
    use rand_core::RngCore;
    SerialNumber::from((entropy.next_u64() >> 1) | 1)
}

impl Authority {
    /// Reads a CA that exists, and says what is wrong with it.
    pub fn load(
        certificate_pem: &[u8],
        key_pem: &[u8],
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let certificate = Certificate::from_pem(certificate_pem)?;
        let key = Key::from_pem(key_pem)?;
        if !key.matches(&certificate) {
            return Err(AuthorityError::Mismatch);
        }
        if !certificate.is_ca {
            return Err(AuthorityError::NotCa(certificate.common_name));
        }
        if certificate.not_after <= now {
            return Err(AuthorityError::Ended(certificate.not_after));
        }
        Ok(Self {
            certificate,
            certificate_pem: certificate_pem.to_vec(),
            key,
            key_pem: key_pem.to_vec(),
        })
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The certificate as it was given or made.
    pub fn certificate_pem(&self) -> &[u8] {
        &self.certificate_pem
    }

    /// The key as it was given or made.
    pub fn key_pem(&self) -> &[u8] {
        &self.key_pem
    }

    /// Issues a leaf.
    pub fn sign(&self, request: &LeafRequest, now: Timestamp, entropy: &mut Entropy) -> Pair {
        leaf::issue(self, request, now, entropy)
    }

    /// How rcgen knows us: the subject byte for byte, since verifiers compare it so.
    pub(super) fn issuer(&self) -> Issuer<'static, &Key> {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(&self.certificate);
        params.key_identifier_method = KeyIdMethod::PreSpecified(
            self.certificate
                .key_identifier
                .clone()
                .unwrap_or_else(|| self.key.identifier()),
        );
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Issuer::new(params, &self.key)
    }
}

fn subject(certificate: &Certificate) -> DistinguishedName {
    use x509_parser::der_parser::asn1_rs::Tag;
    let mut name = DistinguishedName::new();
    let Ok((_, x509)) = X509Certificate::from_der(&certificate.der) else {
        return name;
    };
    for attribute in x509.subject().iter_attributes() {
        let oid: Vec<u64> = attribute.attr_type().iter().into_iter().flatten().collect();
        let Ok(text) = attribute.as_str() else {
            continue;
        };
        let value = match attribute.attr_value().tag() {
            Tag::PrintableString => text.try_into().map(DnValue::PrintableString),
            Tag::Ia5String => text.try_into().map(DnValue::Ia5String),
            Tag::TeletexString => text.try_into().map(DnValue::TeletexString),
            _ => Ok(DnValue::Utf8String(text.to_owned())),
        };
        name.push(
            DnType::from_oid(&oid),
            value.unwrap_or_else(|_| DnValue::Utf8String(text.to_owned())),
        );
    }
    name
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
