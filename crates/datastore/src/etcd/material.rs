//! Check of a connection's TLS material, before the network is used.
//!
//! A wrong key pair is then reported as such and not as a handshake that some endpoint refused.

use std::sync::Arc;

use etcd_client::{Certificate, Identity as TonicIdentity, TlsOptions};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use x509_parser::time::ASN1Time;

use crate::connection::{Connection, Identity, Tls};
use crate::error::{Error, Site};

const AUTHORITY: &str = "certificate authority";
const CERTIFICATE: &str = "client certificate";
const KEY: &str = "client key";

/// Checked material, in both forms in which it is used.
pub(super) struct Material {
    /// Options of the gRPC client.
    pub(super) options: TlsOptions,
    /// Configuration of rustls, for the diagnosis of a connection that fails.
    pub(super) config: Arc<ClientConfig>,
}

/// A part of the material that cannot work, and the reason.
#[derive(Debug, PartialEq, Eq)]
struct Flaw {
    what: &'static str,
    reason: String,
}

impl Flaw {
    fn new(what: &'static str, reason: impl Into<String>) -> Self {
        Self {
            what,
            reason: reason.into(),
        }
    }
}

impl Material {
    /// Checks the material of a connection; [`Error::InvalidMaterial`] names the part that is wrong.
    pub(super) fn parse(connection: &Connection) -> Result<Self, Error> {
        Self::check(connection.tls.as_ref(), ASN1Time::now()).map_err(|flaw| {
            Error::InvalidMaterial {
                site: Site::new(connection, "reading the TLS material"),
                what: flaw.what,
                reason: flaw.reason,
            }
        })
    }

    fn check(tls: Option<&Tls>, now: ASN1Time) -> Result<Self, Flaw> {
        let tls =
            tls.ok_or_else(|| Flaw::new(AUTHORITY, "is missing: etcd is only used with TLS"))?;
        let roots = authorities(&tls.ca_pem, now)?;
        let client = tls.client.as_ref().ok_or_else(|| {
            Flaw::new(
                CERTIFICATE,
                "is missing: etcd knows its administrator by certificate",
            )
        })?;
        let (chain, key) = key_pair(client, now)?;
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| Flaw::new(AUTHORITY, format!("can't be used: {error}")))?
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, key);
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                Flaw::new(KEY, "does not belong to the client certificate")
            }
            other => Flaw::new(KEY, format!("can't be used: {other}")),
        })?;
        config.alpn_protocols.push(b"h2".to_vec());
        let options = TlsOptions::new()
            .ca_certificate(Certificate::from_pem(&tls.ca_pem))
            .identity(TonicIdentity::from_pem(&client.cert_pem, &client.key_pem));
        Ok(Self {
            options,
            config: Arc::new(config),
        })
    }
}

fn authorities(pem: &[u8], now: ASN1Time) -> Result<RootCertStore, Flaw> {
    let certificates = certificates(AUTHORITY, pem)?;
    let mut roots = RootCertStore::empty();
    let mut expired = None;
    for certificate in certificates {
        match expiry(AUTHORITY, &certificate)? {
            end if end < now => expired = Some(end),
            _ => roots
                .add(certificate)
                .map_err(|error| Flaw::new(AUTHORITY, format!("can't be used: {error}")))?,
        }
    }
    match expired {
        // A bundle may have an expired authority beside a valid one.
        Some(end) if roots.is_empty() => Err(Flaw::new(AUTHORITY, format!("expired on {end}"))),
        _ => Ok(roots),
    }
}

type KeyPair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn key_pair(client: &Identity, now: ASN1Time) -> Result<KeyPair, Flaw> {
    let chain = certificates(CERTIFICATE, &client.cert_pem)?;
    let end = expiry(CERTIFICATE, &chain[0])?;
    if end < now {
        return Err(Flaw::new(CERTIFICATE, format!("expired on {end}")));
    }
    // The parser's own words may quote what it stumbled over: a key is not quoted.
    let key = PrivateKeyDer::from_pem_slice(&client.key_pem)
        .map_err(|_| Flaw::new(KEY, "is not a PEM private key (PKCS#1, PKCS#8 or SEC1)"))?;
    Ok((chain, key))
}

/// Parses the certificates of a PEM text, at least one.
fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Flaw::new(what, format!("is not valid PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(Flaw::new(what, "has no PEM certificate in it"));
    }
    Ok(certificates)
}

fn expiry(what: &'static str, der: &CertificateDer<'_>) -> Result<ASN1Time, Flaw> {
    match x509_parser::parse_x509_certificate(der) {
        Ok((_, certificate)) => Ok(certificate.validity().not_after),
        Err(error) => Err(Flaw::new(
            what,
            format!("is not an X.509 certificate: {error}"),
        )),
    }
}

#[cfg(test)]
mod tests;
