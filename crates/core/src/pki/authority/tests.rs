use super::*;
use crate::pki::{
    fixture::{DAY, Foreign, authority, entropy, now},
    x509::Extension,
};

#[test]
fn a_new_authority_has_the_content_of_one_from_kubeadm() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Rsa2048] {
        let made = super::issue("front-proxy-ca", algorithm, now(), &mut entropy("ca"));
        let read = Authority::load(made.certificate_pem(), made.key_pem(), now()).unwrap();
        let certificate = read.certificate();
        assert_eq!(certificate, made.certificate());
        assert_eq!(certificate.common_name, "front-proxy-ca");
        assert!(certificate.organizations.is_empty());
        assert_eq!(certificate.dns_names, ["front-proxy-ca"]);
        assert!(certificate.is_ca && certificate.verifies(certificate));
        assert_eq!(certificate.not_before, now() - Duration::from_mins(5));
        assert_eq!(certificate.not_after, now() + 3650 * DAY);
    }
}

#[test]
fn the_same_seed_makes_the_same_authority() {
    let (one, two) = (authority(), authority());
    assert_eq!(one.certificate_pem(), two.certificate_pem());
    assert_eq!(one.key_pem(), two.key_pem());
}

#[test]
fn material_is_kept_byte_for_byte() {
    let (certificate, key) = Foreign::new().pems();
    let file = format!("# theirs\n{certificate}\n{certificate}");
    let read = Authority::load(file.as_bytes(), key.as_bytes(), now()).unwrap();
    assert_eq!(read.certificate_pem(), file.as_bytes());
    assert_eq!(read.key_pem(), key.as_bytes());
}

#[test]
fn each_kind_of_damage_has_its_own_error() {
    let (good, key) = Foreign::new().pems();
    let other = Key::generate(KeyAlgorithm::EcdsaP256, &mut entropy("other")).to_pem();
    let leaf = Foreign {
        extensions: vec![Extension::basic_constraints(false)],
        ..Foreign::new()
    };
    let ended = Foreign {
        not_after: now(),
        ..Foreign::new()
    };
    let load = |certificate: &str, key: &str| {
        Authority::load(certificate.as_bytes(), key.as_bytes(), now()).unwrap_err()
    };
    let no_block = "no block CERTIFICATE".to_owned();
    let table = [
        (load("", &key), CertificateError::Missing.into()),
        (load("x", &key), CertificateError::NotPem(no_block).into()),
        (load(&good, ""), KeyError::Missing.into()),
        (load(&good, &other), AuthorityError::Mismatch),
        (
            load(&leaf.pems().0, &key),
            AuthorityError::NotCa("theirs".into()),
        ),
        (load(&ended.pems().0, &key), AuthorityError::Ended(now())),
    ];
    for (have, want) in table {
        assert_eq!(have, want);
    }
}

#[test]
fn debug_output_has_no_key_in_it() {
    assert_eq!(format!("{:?}", authority()), "Authority(\"kubernetes\")");
}
