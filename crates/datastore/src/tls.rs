//! TLS material of a connection: checked before the network is used, and turned into a configuration of rustls.
//!
//! A wrong key pair is reported as such and not as a handshake that some endpoint refused.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use x509_parser::time::ASN1Time;

use crate::connection::{Connection, Identity, Tls};
use crate::error::{Error, Site};

pub(crate) const AUTHORITY: &str = "certificate authority";
pub(crate) const CERTIFICATE: &str = "client certificate";
pub(crate) const KEY: &str = "client key";

/// A part of the material that cannot work, and the reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// The part, for example [`KEY`].
    pub(crate) what: &'static str,
    /// The reason, after the name of the part: `expired on DATE`.
    pub(crate) reason: String,
}

impl Flaw {
    pub(crate) fn new(what: &'static str, reason: impl Into<String>) -> Self {
        Self {
            what,
            reason: reason.into(),
        }
    }

    /// The error of a connection whose material has this flaw.
    pub(crate) fn into_error(self, connection: &Connection) -> Error {
        Error::InvalidMaterial {
            site: Site::new(connection, "reading the TLS material"),
            what: self.what,
            reason: self.reason,
        }
    }
}

/// Configuration of rustls that trusts the authorities of `tls` alone and presents its client certificate, if it
/// has one. ALPN is empty. What has expired at `now` is a [`Flaw`], an expired authority beside a valid one is not.
pub(crate) fn client_config(tls: &Tls, now: ASN1Time) -> Result<ClientConfig, Flaw> {
    let roots = authorities(&tls.ca_pem, now)?;
    let client = tls.client.as_ref().map(|client| key_pair(client, now));
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Flaw::new(AUTHORITY, format!("can't be used: {error}")))?
            .with_root_certificates(roots);
    let Some((chain, key)) = client.transpose()? else {
        return Ok(builder.with_no_client_auth());
    };
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                Flaw::new(KEY, "does not belong to the client certificate")
            }
            other => Flaw::new(KEY, format!("can't be used: {other}")),
        })
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
        // As for keys: a DataStore may name any Secret.
        .map_err(|_| Flaw::new(what, "is not valid PEM"))?;
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
