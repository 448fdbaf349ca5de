use k8s_openapi::ByteString;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

/// Certificate and key, PEM; the certificate ends on the last day of `year`.
fn ending(year: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(year, 12, 31);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn secret(lifecycle: Option<&str>, data: &[(&str, String)]) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.labels =
        lifecycle.map(|text| BTreeMap::from([(labels::LIFECYCLE.to_owned(), text.to_owned())]));
    let bytes = |text: &String| ByteString(text.clone().into_bytes());
    secret.data = Some(
        data.iter()
            .map(|(key, text)| ((*key).to_owned(), bytes(text)))
            .collect(),
    );
    secret
}

#[test]
fn certificates_are_counted_by_remaining_lifetime_and_location() {
    let (long, key) = ending(2040);
    let access = kubeconfig::Access {
        cluster: "demo".to_owned(),
        user: "admin".to_owned(),
        server: "https://demo:6443".to_owned(),
    };
    let config = |certificate: &str| {
        kubeconfig::Kubeconfig::new(&access, b"ca", certificate.as_bytes(), key.as_bytes())
            .to_yaml()
    };
    let secrets = BTreeMap::from([
        (
            "api-server".to_owned(),
            secret(
                Some("x509"),
                &[
                    ("apiserver.crt", long.clone()),
                    ("apiserver.key", key.clone()),
                ],
            ),
        ),
        (
            "soon".to_owned(),
            secret(Some("x509"), &[("tls.crt", ending(2030).0)]),
        ),
        (
            "broken".to_owned(),
            secret(Some("x509"), &[("tls.crt", "garbage".to_owned())]),
        ),
        (
            "admin".to_owned(),
            secret(
                Some("kubeconfig"),
                &[
                    ("admin.conf", config(&long)),
                    ("admin.svc", config(&ending(2021).0)),
                ],
            ),
        ),
        (
            "config".to_owned(),
            secret(None, &[("ca.crt", long.clone())]),
        ),
    ]);
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let found = count(
        &secrets,
        at("2030-06-01T00:00:00Z"),
        at("2031-01-02T00:00:00Z"),
    );
    let x509 = Certificates {
        valid: 1,
        expiring: 1,
        invalid: 1,
    };
    let kubeconfigs = Certificates {
        valid: 1,
        expiring: 0,
        invalid: 1,
    };
    let expected = Counts {
        certificates: x509,
        kubeconfigs,
    };
    assert_eq!(found, expected);
}
