//! Certificates of lone API servers and of datastores with TLS.
//!
//! The authority is in memory only. The management cluster has its certificates from kubeadm.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A certificate and its private key, both PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Certificate in the PEM format.
    pub cert: String,
    /// Private key in PEM, PKCS#8.
    pub key: String,
}

/// Certificate authority in memory.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pair: Pair,
}

impl Authority {
    /// A new authority with this common name.
    pub fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate().context("make a key")?;
        let mut params = params(name, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = params
            .self_signed(&key)
            .with_context(|| format!("sign {name}"))?;
        let pair = Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        };
        Ok(Self {
            issuer: Issuer::new(params, key),
            pair,
        })
    }

    /// Certificate and private key of the authority.
    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// A serving certificate for `hosts` (names and addresses).
    pub fn server(&self, name: &str, hosts: &[&str]) -> Result<Pair> {
        let mut params = params(name, hosts)?;
        // etcd calls itself with its serving certificate.
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.sign(params)
    }

    /// A client certificate for a user and, optionally, a group.
    pub fn client(&self, user: &str, group: Option<&str>) -> Result<Pair> {
        let mut params = params(user, &[])?;
        if let Some(group) = group {
            params
                .distinguished_name
                .push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Pair> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().context("make a key")?;
        let cert = params
            .signed_by(&key, &self.issuer)
            .context("sign a certificate")?;
        Ok(Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// A key pair without a certificate, as PEM of the private and of the public key.
pub fn bare_key() -> Result<(String, String)> {
    let key = KeyPair::generate().context("make a key")?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}

fn params(name: &str, hosts: &[&str]) -> Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts).with_context(|| format!("names of {name}"))?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
