//! How is a CA made, and can it be trusted to sign?

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{
    certificate::{Certificate, CertificateError},
    key::{Key, KeyAlgorithm, KeyError},
    leaf::{self, LeafRequest, Pair},
    x509::{self, Body, Extension},
};
use crate::rng::Entropy;

/// Validity of a new CA: ten years, as kubeadm's.
pub const VALIDITY: Duration = Duration::from_hours(87_600);
/// Certificates are valid from this much before they are made, for clocks that are late.
pub const BACKDATE: Duration = Duration::from_mins(5);

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
    /// A leaf, or an authority for other things than certificates.
    #[error("the certificate {0:?} is not that of a CA: it may not sign certificates")]
    NotCa(String),
    /// Over.
    #[error("the certificate ended at {0}")]
    Ended(Timestamp),
}

/// Makes a CA.
///
/// # Panics
///
/// Never: what was just written can be read.
pub fn issue(
    common_name: &str,
    algorithm: KeyAlgorithm,
    now: Timestamp,
    entropy: &mut Entropy,
) -> Authority {
    let key = Key::generate(algorithm, entropy);
    let subject = x509::name(&[], common_name);
    let mut extensions = vec![
        Extension::key_usage(true),
        Extension::basic_constraints(true),
        Extension::key_identifier(&key.identifier()),
    ];
    if leaf::is_dns_name(common_name) {
        extensions.push(Extension::alternative_names([common_name].into_iter(), &[]));
    }
    let body = Body {
        issuer: &subject,
        subject: &subject,
        not_before: leaf::before(now, BACKDATE),
        not_after: leaf::after(now, VALIDITY),
        key: &key,
        extensions,
    };
    let der = x509::sign(body, &key, entropy);
    let certificate =
        Certificate::from_der(&der).expect("a certificate that was just made can be read");
    let key_pem = key.to_pem().into_bytes();
    Authority {
        certificate,
        certificate_pem: x509::pem(der).into_bytes(),
        key,
        key_pem,
    }
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

    /// The key that signs.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// How leaves name the key that signed them.
    pub(super) fn identifier(&self) -> Vec<u8> {
        self.certificate
            .key_identifier
            .clone()
            .unwrap_or_else(|| self.key.identifier())
    }
}

impl std::fmt::Debug for Authority {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({:?})", self.certificate.common_name)
    }
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
