//! How are a tenant's certificates? Told by a metric, decided by nobody.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::labels;
use kamaji_core::pki::{certificate::Certificate, kubeconfig};

use kamaji_shell::telemetry::Certificates;

/// How the certificates in Secrets of their own are, and those in kubeconfigs; one that ends before
/// `deadline` is expiring.
pub fn census(
    secrets: &BTreeMap<String, Secret>,
    now: Timestamp,
    deadline: Timestamp,
) -> (Certificates, Certificates) {
    let (mut x509, mut kubeconfigs) = (Certificates::default(), Certificates::default());
    for secret in secrets.values() {
        let labels = secret.metadata.labels.as_ref();
        let lifecycle = labels.and_then(|labels| labels.get(labels::LIFECYCLE));
        let data = secret.data.iter().flatten();
        match lifecycle.map(String::as_str) {
            Some("x509") => {
                for (_, bytes) in data.filter(|(key, _)| is_certificate(key)) {
                    let certificate = Certificate::from_pem(&bytes.0).ok();
                    count(&mut x509, certificate.as_ref(), (now, deadline));
                }
            }
            Some("kubeconfig") => {
                for (_, bytes) in data {
                    let certificate = kubeconfig::credentials(&bytes.0)
                        .ok()
                        .and_then(|c| Certificate::from_pem(&c.certificate).ok());
                    count(&mut kubeconfigs, certificate.as_ref(), (now, deadline));
                }
            }
            _ => {}
        }
    }
    (x509, kubeconfigs)
}

/// Beside each certificate lies its key.
fn is_certificate(key: &str) -> bool {
    key.rsplit_once('.').is_some_and(|(_, kind)| kind == "crt")
}

fn count(
    numbers: &mut Certificates,
    certificate: Option<&Certificate>,
    (now, deadline): (Timestamp, Timestamp),
) {
    match certificate {
        Some(certificate) if certificate.not_after > deadline => numbers.valid += 1,
        Some(certificate) if certificate.not_after > now => numbers.expiring += 1,
        _ => numbers.invalid += 1,
    }
}

#[cfg(test)]
#[path = "certificates_tests.rs"]
mod tests;
