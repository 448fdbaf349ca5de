//! Explanation of a TLS handshake that failed, for people: the side that refused, and the reason.

use std::io;

use kamaji_core::endpoint::HostPort;
use rustls::CertificateError;

/// Result of a handshake that was repeated by hand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Diagnosis {
    /// The endpoint answers, perhaps again.
    Answers,
    /// The endpoint cannot be reached, for this reason.
    Unreachable(String),
    /// One side refuses the other's certificate, for this reason.
    TlsRefused(String),
}

/// Explains the error of a connection to `endpoint`; what is no refusal of TLS is [`Diagnosis::Unreachable`].
pub(crate) fn explain(endpoint: &HostPort, error: &io::Error) -> Diagnosis {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        None => Diagnosis::Unreachable(format!("{endpoint}: {error}")),
        Some(refused) => Diagnosis::TlsRefused(refusal(endpoint, refused)),
    }
}

/// The refusal of TLS at `endpoint` in words.
pub(crate) fn refusal(endpoint: &HostPort, error: &rustls::Error) -> String {
    match error {
        rustls::Error::AlertReceived(alert) => {
            format!("{endpoint} refused our client certificate (its alert: {alert:?})")
        }
        rustls::Error::InvalidCertificate(reason) => distrust(endpoint, reason),
        rustls::Error::InvalidMessage(_) => {
            format!("{endpoint} does not speak TLS, as the server of another driver may not")
        }
        other => format!("{endpoint}: {other}"),
    }
}

fn distrust(endpoint: &HostPort, reason: &CertificateError) -> String {
    match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!("the certificate of {endpoint} is not signed by the certificate authority")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {endpoint} has expired")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "the certificate of {endpoint} is not valid for the name {}",
                endpoint.host
            )
        }
        other => format!("the certificate of {endpoint} is not accepted: {other}"),
    }
}
