use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::*;

struct Sample {
    ca_pem: String,
    cert_pem: String,
    key_pem: String,
}

fn sample(ca_until: i32, client_until: i32) -> Sample {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = date_time_ymd(ca_until, 1, 1);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.not_after = date_time_ymd(client_until, 1, 1);
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &ca).unwrap();
    Sample {
        ca_pem: ca.pem(),
        cert_pem: leaf.pem(),
        key_pem: key.serialize_pem(),
    }
}

fn good() -> Sample {
    sample(4000, 4000)
}

fn flaw(sample: &Sample) -> Option<(&'static str, String)> {
    let client = Identity {
        cert_pem: sample.cert_pem.clone().into_bytes(),
        key_pem: sample.key_pem.clone().into_bytes(),
    };
    let tls = Tls {
        ca_pem: sample.ca_pem.clone().into_bytes(),
        client: Some(client),
    };
    client_config(&tls, ASN1Time::now())
        .err()
        .map(|flaw| (flaw.what, flaw.reason))
}

#[track_caller]
fn assert_flaw(sample: &Sample, what: &str, reason: &str) {
    let (found, words) = flaw(sample).expect("a flaw");
    assert_eq!(found, what);
    assert!(words.contains(reason), "{words}");
}

#[test]
fn valid_material_is_accepted() {
    assert_eq!(flaw(&good()), None);
}

#[test]
fn the_key_of_another_certificate_is_reported() {
    let mixed = Sample {
        key_pem: good().key_pem,
        ..good()
    };
    assert_flaw(
        &mixed,
        "client key",
        "does not belong to the client certificate",
    );
}

#[test]
fn material_that_is_not_pem_is_reported() {
    assert_flaw(
        &Sample {
            ca_pem: String::new(),
            ..good()
        },
        AUTHORITY,
        "no PEM certificate",
    );
    assert_flaw(
        &Sample {
            cert_pem: "x".to_owned(),
            ..good()
        },
        CERTIFICATE,
        "no PEM certificate",
    );
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    assert_flaw(
        &Sample {
            cert_pem: broken,
            ..good()
        },
        CERTIFICATE,
        "not an X.509 certificate",
    );
}

#[test]
fn an_invalid_key_is_reported_without_its_content() {
    let broken = Sample {
        key_pem: "hunter2".to_owned(),
        ..good()
    };
    assert_flaw(&broken, KEY, "is not a PEM private key");
    assert!(!flaw(&broken).unwrap().1.contains("hunter2"));
}

#[test]
fn certificates_that_are_not_pem_are_reported_without_their_content() {
    let mut sample = good();
    sample.ca_pem = "-----BEGIN hunter22\nhunter22\n".to_owned();
    let (_, why) = flaw(&sample).unwrap();
    assert_eq!(why, "is not valid PEM");
}

#[test]
fn expired_certificates_are_reported_with_their_date() {
    assert_flaw(
        &sample(2001, 4000),
        AUTHORITY,
        "expired on Jan  1 00:00:00 2001",
    );
    assert_flaw(
        &sample(4000, 2001),
        CERTIFICATE,
        "expired on Jan  1 00:00:00 2001",
    );
}

#[test]
fn a_bundle_may_keep_an_expired_authority_beside_a_valid_one() {
    let current = good();
    let bundle = Sample {
        ca_pem: sample(2001, 4000).ca_pem + &current.ca_pem,
        ..current
    };
    assert_eq!(flaw(&bundle), None);
}

#[test]
fn material_without_a_client_certificate_is_accepted() {
    let tls = Tls {
        ca_pem: good().ca_pem.into_bytes(),
        client: None,
    };
    assert!(client_config(&tls, ASN1Time::now()).is_ok());
}
