//! Metrics of certificate expiry: counts of a tenant's certificates by remaining lifetime.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::labels;
use kamaji_core::pki::{certificate::Certificate, expiry::Expiry, kubeconfig};

use kamaji_shell::telemetry::Certificates;

/// Metrics of one tenant's certificates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Numbers of certificates by their remaining lifetime.
    pub counts: Counts,
    /// Ends of the authorities.
    pub expiries: Vec<Expiry>,
}

/// Counts of one tenant's certificates by where they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Certificates in Secrets of lifecycle `x509`.
    pub certificates: Certificates,
    /// Client certificates in kubeconfigs.
    pub kubeconfigs: Certificates,
}

/// Counts the certificates of a tenant's Secrets. One that ends between `now` and `deadline` is expiring;
/// one that has ended or cannot be parsed is invalid.
pub fn count(secrets: &BTreeMap<String, Secret>, now: Timestamp, deadline: Timestamp) -> Counts {
    let mut counts = Counts::default();
    for secret in secrets.values() {
        let labels = secret.metadata.labels.as_ref();
        let lifecycle = labels.and_then(|labels| labels.get(labels::LIFECYCLE));
        let data = secret.data.iter().flatten();
        match lifecycle.map(String::as_str) {
            Some("x509") => {
                for (_, bytes) in data.filter(|(key, _)| is_certificate(key)) {
                    let certificate = Certificate::from_pem(&bytes.0).ok();
                    add(
                        &mut counts.certificates,
                        certificate.as_ref(),
                        now,
                        deadline,
                    );
                }
            }
            Some("kubeconfig") => {
                for (_, bytes) in data {
                    let certificate = kubeconfig::credentials(&bytes.0)
                        .ok()
                        .and_then(|c| Certificate::from_pem(&c.certificate).ok());
                    add(&mut counts.kubeconfigs, certificate.as_ref(), now, deadline);
                }
            }
            _ => {}
        }
    }
    counts
}

/// True for the key of a certificate in a Secret; private keys lie beside them.
fn is_certificate(key: &str) -> bool {
    key.rsplit_once('.').is_some_and(|(_, kind)| kind == "crt")
}

fn add(
    numbers: &mut Certificates,
    certificate: Option<&Certificate>,
    now: Timestamp,
    deadline: Timestamp,
) {
    match certificate {
        Some(certificate) if certificate.not_after > deadline => numbers.valid += 1,
        Some(certificate) if certificate.not_after > now => numbers.expiring += 1,
        _ => numbers.invalid += 1,
    }
}

#[cfg(test)]
mod tests;
