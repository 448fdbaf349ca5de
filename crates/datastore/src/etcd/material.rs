//! TLS material of an etcd connection, checked and in the forms in which it is used.

use std::sync::Arc;

use etcd_client::{Certificate, Identity as TonicIdentity, TlsOptions};
use rustls::ClientConfig;
use x509_parser::time::ASN1Time;

use crate::connection::{Connection, Tls};
use crate::error::Error;
use crate::tls::{AUTHORITY, CERTIFICATE, Flaw, client_config};

/// Checked material, in both forms in which it is used.
pub(super) struct Material {
    /// Options of the gRPC client.
    pub(super) options: TlsOptions,
    /// Configuration of rustls, for the diagnosis of a connection that fails.
    pub(super) config: Arc<ClientConfig>,
}

impl Material {
    /// Checks the material of a connection; [`Error::InvalidMaterial`] names the part that is wrong.
    pub(super) fn parse(connection: &Connection) -> Result<Self, Error> {
        Self::check(connection.tls.as_ref(), ASN1Time::now())
            .map_err(|flaw| flaw.into_error(connection))
    }

    fn check(tls: Option<&Tls>, now: ASN1Time) -> Result<Self, Flaw> {
        let tls =
            tls.ok_or_else(|| Flaw::new(AUTHORITY, "is missing: etcd is only used with TLS"))?;
        let client = tls.client.as_ref().ok_or_else(|| {
            Flaw::new(
                CERTIFICATE,
                "is missing: etcd knows its administrator by certificate",
            )
        })?;
        let mut config = client_config(tls, now)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_without_tls_or_without_a_client_certificate_is_refused() {
        let missing = Material::check(None, ASN1Time::now()).err().unwrap();
        assert!(missing.reason.contains("only used with TLS"));
        let tls = Tls {
            ca_pem: Vec::new(),
            client: None,
        };
        let missing = Material::check(Some(&tls), ASN1Time::now()).err().unwrap();
        assert_eq!(missing.what, CERTIFICATE);
    }
}
