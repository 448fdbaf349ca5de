use super::*;
use crate::pki::{
    authority,
    fixture::{DAY, Foreign, authority, entropy, now},
    key::KeyAlgorithm,
    leaves,
    x509::Extension,
};

/// Made by `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha256`.
const P384_WITH_SHA256: &str = "-----BEGIN CERTIFICATE-----
MIIBsDCCATagAwIBAgIUGQK5BV+rTG/ArojL+rX/AVMIH6cwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEcDM4NDAeFw0yNjExMjMxNjA3NTdaFw0zNjExMjAxNjA3NTda
MA8xDTALBgNVBAMMBHAzODQwdjAQBgcqhkjOPQIBBgUrgQQAIgNiAARb889lWAau
cPifPkgiTk6CXr9PLgZvUZfv/aMvv4dW5aheMn6EuiTjlarROCImHd7ugwwGEDUu
N41uXTCwUyWImXE/6FdlrtL54VNEoRN9i9Glbk4naPYv0Xb8yjPm8xmjUzBRMB0G
A1UdDgQWBBQVB+WTkT29l3kyKa68rwcYtXK9bzAfBgNVHSMEGDAWgBQVB+WTkT29
l3kyKa68rwcYtXK9bzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA2gAMGUC
MBZhFWIX1vpvKkqSNWlTda7QKUi9Z8meCX+jGbsxLv6PsBiIQ76ZmJbZ78GGxFPm
SAIxAOlgx+FivXSRQU4DP+FLQ7W6wnOZNsoLCkrxkawuwbXSCTUqjr2CEpbogd3q
+wywDw==
-----END CERTIFICATE-----
";

fn leaf() -> String {
    let request = leaves::user("jo", Some("staff"), KeyAlgorithm::EcdsaP256);
    authority()
        .sign(&request, now(), &mut entropy("leaf"))
        .certificate_pem
}

#[test]
fn the_first_certificate_counts_in_a_chain_with_comments() {
    let ca = String::from_utf8(authority().certificate_pem().to_vec()).unwrap();
    let file = format!("# jo\r\n{}# the CA\n{ca}", leaf().replace('\n', "\r\n"));
    let read = Certificate::from_pem(file.as_bytes()).unwrap();
    assert_eq!(read.common_name, "jo");
    assert_eq!(read.organizations, ["staff"]);
    assert_eq!(read.usages, [Usage::Client]);
    assert!(!read.is_ca);
}

#[test]
fn text_that_is_not_a_certificate_is_refused_with_the_reason() {
    let key = Foreign::new().pems().1;
    let longer = {
        let mut der = Certificate::from_pem(leaf().as_bytes()).unwrap().der;
        der.push(0);
        crate::pki::x509::pem(der)
    };
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let read = |text: &str| Certificate::from_pem(text.as_bytes()).unwrap_err();
    assert_eq!(read(" \n"), CertificateError::Missing);
    for text in ["hello", &key, "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
        assert!(matches!(read(text), CertificateError::NotPem(_)), "{text}");
    }
    for text in [junk, &longer] {
        assert!(matches!(read(text), CertificateError::NotX509(_)), "{text}");
    }
}

#[test]
fn a_signature_is_accepted_only_from_the_authority_that_made_it() {
    let ours = authority();
    let signed = Certificate::from_pem(leaf().as_bytes()).unwrap();
    assert!(signed.verifies(ours.certificate()));
    assert!(ours.certificate().verifies(ours.certificate()));
    // Same name, another key; then the same key, another name.
    let other = authority::issue(
        "kubernetes",
        KeyAlgorithm::EcdsaP256,
        now(),
        &mut entropy("x"),
    );
    assert!(!signed.verifies(other.certificate()));
    let renamed = authority::issue("k", KeyAlgorithm::EcdsaP256, now(), &mut entropy("ca"));
    assert!(!signed.verifies(renamed.certificate()));
}

#[test]
fn a_certificate_changed_after_signing_is_not_accepted() {
    let ours = authority();
    let mut der = Certificate::from_pem(leaf().as_bytes()).unwrap().der;
    let name = der.windows(5).position(|part| part == b"staff").unwrap();
    der[name..name + 5].copy_from_slice(b"admin");
    let forged = Certificate::from_der(&der).unwrap();
    assert_eq!(forged.organizations, ["admin"]);
    assert!(!forged.verifies(ours.certificate()));
}

#[test]
fn ecdsa_signatures_with_another_hash_than_the_curves_are_accepted() {
    let read = Certificate::from_pem(P384_WITH_SHA256.as_bytes()).unwrap();
    assert!(read.is_ca);
    assert!(read.verifies(&read));
}

#[test]
fn a_certificate_is_a_ca_only_if_it_may_sign_certificates() {
    let table = [
        (vec![Extension::basic_constraints(true)], true),
        (
            vec![
                Extension::basic_constraints(true),
                Extension::key_usage(true),
            ],
            true,
        ),
        (
            vec![
                Extension::basic_constraints(true),
                Extension::key_usage(false),
            ],
            false,
        ),
        (vec![Extension::basic_constraints(false)], false),
        (vec![Extension::key_usage(true)], false),
    ];
    for (row, (extensions, is_ca)) in table.into_iter().enumerate() {
        let foreign = Foreign {
            extensions,
            ..Foreign::new()
        };
        let read = Certificate::from_pem(foreign.pems().0.as_bytes()).unwrap();
        assert_eq!(read.is_ca, is_ca, "row {row}");
    }
}

#[test]
fn a_certificate_that_never_ends_is_read() {
    let mut pem = Foreign {
        not_after: "9998-12-31T23:59:59Z".parse().unwrap(),
        ..Foreign::new()
    };
    pem.not_before = now() - DAY;
    let mut der = Certificate::from_pem(pem.pems().0.as_bytes()).unwrap().der;
    let year = der.windows(8).position(|part| part == b"99981231").unwrap();
    der[year + 3] = b'9';
    assert_eq!(
        Certificate::from_der(&der).unwrap().not_after,
        Timestamp::MAX
    );
}
