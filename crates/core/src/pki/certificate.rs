//! Parsed X.509 certificates, and the check of their signatures.

use std::net::IpAddr;

use k8s_openapi::jiff::Timestamp;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::{BigUint, Pkcs1v15Sign, RsaPublicKey, pkcs1};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::{
    extensions::{GeneralName, ParsedExtension},
    prelude::{FromDer, X509Certificate},
};

use super::{
    tally::{self, Work},
    verification_cache::{self, Check},
};
use crate::unquoted;

/// A parsed certificate: the fields that decisions are made by.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// DER of the whole certificate.
    pub der: Vec<u8>,
    /// Time from which the certificate is valid.
    pub not_before: Timestamp,
    /// Time at which the certificate ends.
    pub not_after: Timestamp,
    /// The subject as it is encoded: issuers are compared byte for byte.
    pub subject: Vec<u8>,
    /// Common name of the subject; the last if there are several, empty if there is none.
    pub common_name: String,
    /// Organisations of the subject, in order: the groups of a client.
    pub organizations: Vec<String>,
    /// DNS names among the subject alternative names, in order.
    pub dns_names: Vec<String>,
    /// IP addresses among the subject alternative names, in order.
    pub ip_addresses: Vec<IpAddr>,
    /// True for a CA whose key usage, if it has one, includes signing certificates.
    pub is_ca: bool,
    /// Extended key usages of the kinds that [`Usage`] knows.
    pub usages: Vec<Usage>,
    /// Bits of the public key, without the header that names the algorithm.
    pub raw_public: Vec<u8>,
    /// Subject key identifier; `None` if the certificate has none.
    pub key_identifier: Option<Vec<u8>>,
}

/// Extended key usage of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Client authentication in TLS.
    Client,
    /// Server authentication in TLS.
    Server,
    /// Code signing, which upstream's etcd and konnectivity certificates have.
    CodeSigning,
}

/// A reason why text cannot be read as a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The text is empty or blank.
    #[error("the certificate is missing")]
    Missing,
    /// The text is not PEM, or has no block of a certificate.
    #[error("the certificate is not PEM: {0}")]
    NotPem(String),
    /// The block is not an X.509 certificate.
    #[error("the certificate is not X.509: {0}")]
    NotX509(String),
}

impl Certificate {
    /// Reads the first certificate of PEM text, which may hold a chain and comments.
    pub fn from_pem(bytes: &[u8]) -> Result<Self, CertificateError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(CertificateError::Missing);
        }
        let blocks = pem::parse_many(bytes)
            .map_err(|error| CertificateError::NotPem(unquoted::pem(&error).to_owned()))?;
        let block = blocks
            .into_iter()
            .find(|block| block.tag() == "CERTIFICATE")
            .ok_or_else(|| CertificateError::NotPem("no block CERTIFICATE".to_owned()))?;
        Self::from_der(block.contents())
    }

    /// Reads the DER of one certificate. Bytes that follow it are an error.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        tally::count(Work::CertificateRead);
        let wrong = |text: String| CertificateError::NotX509(text);
        let (rest, x509) = X509Certificate::from_der(der).map_err(|e| wrong(e.to_string()))?;
        if !rest.is_empty() {
            return Err(wrong(format!("{} bytes follow it", rest.len())));
        }
        let mut certificate = Self {
            der: der.to_vec(),
            not_before: time(&x509.validity().not_before),
            not_after: time(&x509.validity().not_after),
            subject: x509.subject().as_raw().to_vec(),
            common_name: texts(x509.subject().iter_common_name())
                .pop()
                .unwrap_or_default(),
            organizations: texts(x509.subject().iter_organization()),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            is_ca: x509.is_ca() && may_sign(&x509),
            usages: Vec::new(),
            raw_public: x509.public_key().subject_public_key.data.to_vec(),
            key_identifier: None,
        };
        for extension in x509.extensions() {
            certificate.read_extension(extension.parsed_extension());
        }
        Ok(certificate)
    }

    fn read_extension(&mut self, extension: &ParsedExtension) {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    match name {
                        GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
                        GeneralName::IPAddress(bytes) => self.ip_addresses.extend(ip(bytes)),
                        _ => {}
                    }
                }
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.usages.extend(
                    [
                        (usage.client_auth, Usage::Client),
                        (usage.server_auth, Usage::Server),
                        (usage.code_signing, Usage::CodeSigning),
                    ]
                    .into_iter()
                    .filter_map(|(has, usage)| has.then_some(usage)),
                );
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.key_identifier = Some(id.0.to_vec()),
            _ => {}
        }
    }

    /// True if the names and the signature say that `issuer` signed this certificate. Validity in time is not
    /// checked. Good answers are cached.
    pub fn is_signed_by(&self, issuer: &Certificate) -> bool {
        let check = || self.verifies(issuer).then_some(()).ok_or(());
        verification_cache::once(Check::Signature, &[&self.der, &issuer.der], check).is_ok()
    }

    /// Verifies the signature as [`Certificate::is_signed_by`] does, without the cache.
    pub(crate) fn verifies(&self, issuer: &Certificate) -> bool {
        tally::count(Work::Verification);
        let (Ok((_, mine)), Ok((_, theirs))) = (
            X509Certificate::from_der(&self.der),
            X509Certificate::from_der(&issuer.der),
        ) else {
            return false;
        };
        if mine.issuer().as_raw() != theirs.subject().as_raw() {
            return false;
        }
        if mine.signature_algorithm != mine.tbs_certificate.signature {
            return false;
        }
        let message = mine.tbs_certificate.as_ref();
        let signature = &mine.signature_value.data;
        let key = &issuer.raw_public;
        match mine.signature_algorithm.algorithm.to_id_string().as_str() {
            "1.2.840.113549.1.1.11" => {
                let padding = Pkcs1v15Sign::new::<Sha256>();
                rsa(key, padding, &Sha256::digest(message), signature)
            }
            "1.2.840.113549.1.1.12" => {
                let padding = Pkcs1v15Sign::new::<Sha384>();
                rsa(key, padding, &Sha384::digest(message), signature)
            }
            "1.2.840.113549.1.1.13" => {
                let padding = Pkcs1v15Sign::new::<Sha512>();
                rsa(key, padding, &Sha512::digest(message), signature)
            }
            "1.2.840.10045.4.3.2" => ecdsa(key, &Sha256::digest(message), signature),
            "1.2.840.10045.4.3.3" => ecdsa(key, &Sha384::digest(message), signature),
            "1.2.840.10045.4.3.4" => ecdsa(key, &Sha512::digest(message), signature),
            _ => false,
        }
    }
}

/// Bits of the largest RSA key whose signatures are checked; others count as not signed.
const MAX_RSA_BITS: usize = 16_384;

fn rsa(key: &[u8], padding: Pkcs1v15Sign, digest: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = pkcs1::RsaPublicKey::try_from(key) else {
        return false;
    };
    let number = |number: pkcs1::UintRef| BigUint::from_bytes_be(number.as_bytes());
    let (modulus, exponent) = (number(key.modulus), number(key.public_exponent));
    RsaPublicKey::new_with_max_size(modulus, exponent, MAX_RSA_BITS)
        .is_ok_and(|key| key.verify(padding, digest, signature).is_ok())
}

/// Verifies on either curve with either hash: openssl signs with SHA-256 on P-384 by default.
fn ecdsa(key: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    let p256 = || {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
        let signature = p256::ecdsa::Signature::from_der(signature).ok()?;
        key.verify_prehash(digest, &signature).ok()
    };
    let p384 = || {
        let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
        let signature = p384::ecdsa::Signature::from_der(signature).ok()?;
        key.verify_prehash(digest, &signature).ok()
    };
    p256().or_else(p384).is_some()
}

/// True if the key usage includes signing certificates; without a key usage everything is allowed.
fn may_sign(x509: &X509Certificate) -> bool {
    x509.key_usage()
        .ok()
        .flatten()
        .is_none_or(|usage| usage.value.key_cert_sign())
}

/// Converts a time; times that are out of range become the first or last timestamp. Certificates without an end say
/// 9999-12-31T23:59:59Z, which is later than a timestamp can be.
fn time(at: &x509_parser::time::ASN1Time) -> Timestamp {
    let end = if at.timestamp() < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_second(at.timestamp()).unwrap_or(end)
}

fn texts<'a>(
    attributes: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>,
) -> Vec<String> {
    attributes
        .filter_map(|a| a.as_str().ok())
        .map(str::to_owned)
        .collect()
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests;
