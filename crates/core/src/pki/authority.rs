//! Certificate authorities that can sign: issuing a new one, loading one that exists, signing leaves with it.

use std::{sync::OnceLock, time::Duration};

use k8s_openapi::jiff::Timestamp;

use super::{
    certificate::{Certificate, CertificateError},
    key::{Key, KeyAlgorithm, KeyError},
    leaf::{self, LeafRequest, Pair},
    validity::{BACKDATE, after, before},
    verification_cache::{self, Check},
    x509::{self, Body, Extension},
};
use crate::rng::Entropy;

/// Lifetime of a new CA: ten years, as kubeadm's.
pub const VALIDITY: Duration = Duration::from_hours(87_600);

/// A CA certificate with its private key: an authority that can sign.
#[derive(Clone)]
pub struct Authority {
    certificate: Certificate,
    certificate_pem: Vec<u8>,
    /// Read when it is needed: most authorities are loaded and sign nothing.
    key: OnceLock<Key>,
    key_pem: Vec<u8>,
}

/// A reason why CA material cannot sign. No CA is replaced because of one: a person has to repair the Secret or
/// ask for a new CA.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate is missing or cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The private key is missing or cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Certificate and private key belong to different pairs.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// The certificate, of this common name, is a leaf, or its key usage does not include signing certificates.
    #[error("the certificate {0:?} is not that of a CA: it may not sign certificates")]
    NotCa(String),
    /// The certificate is past its end.
    #[error("the certificate ended at {0}")]
    Ended(Timestamp),
}

/// Issues a self-signed CA that is valid for [`VALIDITY`] from `now`. The same `entropy` gives the same CA.
///
/// # Panics
///
/// Never: a certificate that was just written can be read.
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
        not_before: before(now, BACKDATE),
        not_after: after(now, VALIDITY),
        key: &key,
        extensions,
    };
    let der = x509::sign(body, &key, entropy);
    let certificate =
        Certificate::from_der(&der).expect("a certificate that was just made can be read");
    let key_pem = key.to_pem().into_bytes();
    let certificate_pem = x509::pem(der).into_bytes();
    verification_cache::record(Check::Pair, &[&certificate_pem, &key_pem]);
    Authority {
        certificate,
        certificate_pem,
        key: key.into(),
        key_pem,
    }
}

impl Authority {
    /// Loads a CA from PEM and checks that it can sign at `now`. Both texts are kept byte for byte. A good pair of
    /// certificate and key is cached.
    pub fn load(
        certificate_pem: &[u8],
        key_pem: &[u8],
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let certificate = Certificate::from_pem(certificate_pem)?;
        let key = OnceLock::new();
        verification_cache::once(Check::Pair, &[certificate_pem, key_pem], || {
            let read = Key::from_pem(key_pem)?;
            if !read.matches(&certificate) {
                return Err(AuthorityError::Mismatch);
            }
            key.get_or_init(|| read);
            Ok(())
        })?;
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

    /// Returns the parsed CA certificate: the first of its PEM.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Returns the certificate's PEM as it was loaded or issued, with further certificates and comments if it
    /// was loaded with them.
    pub fn certificate_pem(&self) -> &[u8] {
        &self.certificate_pem
    }

    /// Returns the private key's PEM as it was loaded or issued.
    pub fn key_pem(&self) -> &[u8] {
        &self.key_pem
    }

    /// Issues a leaf with a new key. The leaf never outlives this authority, nor begins before it. Checks of the leaf
    /// against its key and this authority are recorded as successful.
    pub fn sign(&self, request: &LeafRequest, now: Timestamp, entropy: &mut Entropy) -> Pair {
        let key = Key::generate(request.algorithm, entropy);
        let signer = &self.certificate;
        let not_after = after(now, request.validity).min(signer.not_after);
        let mut extensions = vec![
            Extension::key_usage(false),
            Extension::extended_key_usage(&request.usages),
            Extension::basic_constraints(false),
            Extension::authority_key_identifier(&self.identifier()),
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
        let der = x509::sign(body, self.key(), entropy);
        verification_cache::record(Check::Signature, &[&der, &signer.der]);
        let (certificate_pem, key_pem) = (x509::pem(der), key.to_pem());
        let pair: [&[u8]; 2] = [certificate_pem.as_bytes(), key_pem.as_bytes()];
        verification_cache::record(Check::Pair, &pair);
        Pair {
            certificate_pem,
            key_pem,
            not_after,
        }
    }

    /// Returns the private key.
    ///
    /// # Panics
    ///
    /// Never: the key was read when the authority was loaded, or when equal bytes were.
    fn key(&self) -> &Key {
        let read = || Key::from_pem(&self.key_pem).expect("a key that was read before");
        self.key.get_or_init(read)
    }

    /// Returns the identifier by which leaves name the key that signed them: the certificate's own, else the
    /// one computed from the key.
    fn identifier(&self) -> Vec<u8> {
        self.certificate
            .key_identifier
            .clone()
            .unwrap_or_else(|| self.key().identifier())
    }
}

impl std::fmt::Debug for Authority {
    /// Leaves the private key out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({:?})", self.certificate.common_name)
    }
}

#[cfg(test)]
mod tests;
