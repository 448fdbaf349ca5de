use proptest::prelude::*;

use super::*;
use crate::{
    pki::{
        authority::{self, Authority},
        certificate::Certificate,
        fixture::{DAY, Foreign, authority, entropy, now},
        key::Key,
        leaves,
        renew::{Subject, Verdict, evaluate},
        validity::BACKDATE,
        x509,
    },
    rng::Seed,
};

fn request() -> LeafRequest {
    LeafRequest {
        organizations: vec!["one".into(), "two".into()],
        dns_names: vec!["a.example".into(), "*.b.example".into()],
        ip_addresses: vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        ..leaves::user("jo", None, KeyAlgorithm::EcdsaP256)
    }
}

fn read(pair: &Pair) -> Certificate {
    Certificate::from_pem(pair.certificate_pem.as_bytes()).unwrap()
}

#[test]
fn a_leaf_has_the_requested_content() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Rsa2048] {
        let ca = authority::issue("kubernetes", algorithm, now(), &mut entropy("ca"));
        let request = LeafRequest {
            algorithm,
            ..request()
        };
        let pair = ca.sign(&request, now(), &mut entropy("leaf"));
        let leaf = read(&pair);
        assert_eq!(leaf.common_name, request.common_name);
        assert_eq!(leaf.organizations, request.organizations);
        assert_eq!(leaf.dns_names, request.dns_names);
        assert_eq!(leaf.ip_addresses, request.ip_addresses);
        assert_eq!(leaf.usages, request.usages);
        assert_eq!(leaf.not_before, now() - BACKDATE);
        assert_eq!(leaf.not_after, now() + request.validity);
        assert_eq!(leaf.not_after, pair.not_after);
        assert!(!leaf.is_ca && leaf.verifies(ca.certificate()));
        assert!(
            Key::from_pem(pair.key_pem.as_bytes())
                .unwrap()
                .matches(&leaf)
        );
    }
}

#[test]
fn a_leaf_lives_within_the_life_of_its_authority() {
    let ca = Foreign {
        not_before: now() - Duration::from_mins(1),
        not_after: now() + DAY,
        ..Foreign::new()
    }
    .load();
    let leaf = read(&ca.sign(&request(), now(), &mut entropy("leaf")));
    assert_eq!(leaf.not_before, ca.certificate().not_before);
    assert_eq!(leaf.not_after, ca.certificate().not_after);
}

#[test]
fn the_issuer_is_named_byte_for_byte() {
    use crate::pki::der::{oid, sequence, set, text, value};
    // DC=com, DC=example, OU=x + CN=y: several of one kind, another string type, two in one set.
    let domain = [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19];
    let part = |name: &str| set(&sequence(&[oid(&domain), value(0x16, name.as_bytes())]));
    let pair = [
        sequence(&[oid(&[0x55, 4, 3]), text("y")]),
        sequence(&[oid(&[0x55, 4, 11]), value(0x13, b"x")]),
    ];
    let subject = sequence(&[part("com"), part("example"), set(&pair.concat())]);
    let ca = Foreign {
        subject,
        ..Foreign::new()
    }
    .load();
    assert!(read(&ca.sign(&request(), now(), &mut entropy("leaf"))).verifies(ca.certificate()));
}

#[test]
fn invalid_dns_names_are_left_out() {
    let request = LeafRequest {
        dns_names: [
            "",
            "a b",
            "ü.example",
            "-a",
            "a..b",
            "a.*.b",
            "*",
            "A-1.example",
        ]
        .map(str::to_owned)
        .into(),
        ip_addresses: vec![],
        ..request()
    };
    let leaf = read(&authority().sign(&request, now(), &mut entropy("leaf")));
    assert_eq!(leaf.dns_names, ["A-1.example"]);
}

#[test]
fn debug_output_has_no_key_in_it() {
    let pair = authority().sign(&request(), now(), &mut entropy("leaf"));
    assert!(!format!("{pair:?}").contains("PRIVATE"));
}

#[test]
fn a_name_too_long_for_a_host_is_not_a_dns_name() {
    assert!(is_dns_name(&"a".repeat(63)));
    assert!(!is_dns_name(&"a".repeat(64)));
    assert!(!is_dns_name(&"a.".repeat(127)));
    assert!(!is_dns_name(&format!("{}a", "a.".repeat(127))));
}

prop_compose! {
    fn any_request()(
        common_name in "[ -~äöü€]{1,64}",
        organizations in prop::collection::vec("[ -~]{1,30}", 0..3),
        dns_names in prop::collection::vec("(\\*\\.)?[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]{1,10}){0,3}", 0..6),
        ip_addresses in prop::collection::vec(any::<IpAddr>(), 0..6),
        hours in 1_u64..200_000,
    ) -> LeafRequest {
        LeafRequest {
            common_name,
            organizations,
            usages: vec![Usage::Server, Usage::Client],
            dns_names,
            ip_addresses,
            validity: Duration::from_hours(hours),
            algorithm: KeyAlgorithm::EcdsaP256,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_issued_is_read_back_verified_and_kept(
        request in any_request(),
        seed in any::<[u8; 32]>(),
        at in 0_i64..4_000_000_000,
    ) {
        let now = Timestamp::from_second(at).unwrap();
        let seed = Seed::new(seed);
        let made = authority::issue("kubernetes", KeyAlgorithm::EcdsaP256, now, &mut seed.for_purpose("ca"));
        let ca = Authority::load(made.certificate_pem(), made.key_pem(), now).unwrap();
        let pair = ca.sign(&request, now, &mut seed.for_purpose("leaf"));
        prop_assert_eq!(&pair, &made.sign(&request, now, &mut seed.for_purpose("leaf")));
        prop_assert!(pair != ca.sign(&request, now, &mut seed.for_purpose("other")));
        let leaf = read(&pair);
        prop_assert!(leaf.verifies(ca.certificate()));
        prop_assert_eq!(&leaf.common_name, &request.common_name);
        prop_assert_eq!(&leaf.organizations, &request.organizations);
        let subject = Subject {
            purpose: "leaf",
            request: &request,
            authority: &ca,
            certificate: Some(pair.certificate_pem.as_bytes()),
            key: Some(pair.key_pem.as_bytes()),
            rotate: false,
        };
        let Verdict::Keep { due } = evaluate(&subject, now, DAY) else {
            return Err(TestCaseError::fail("renewed right after its issue"));
        };
        prop_assert!(due > now && due <= leaf.not_after);
        let kept = evaluate(&subject, due - Duration::from_secs(1), DAY) == Verdict::Keep { due };
        prop_assert!(kept);
        let outlived = leaf.not_after >= ca.certificate().not_after;
        prop_assert_eq!(outlived, evaluate(&subject, due, DAY) == Verdict::Keep { due });
    }

    #[test]
    fn names_are_written_as_other_parsers_read_them(organization in "\\PC{1,40}", common_name in "\\PC{1,40}") {
        use x509_parser::{prelude::FromDer, x509::X509Name};
        let written = x509::name(std::slice::from_ref(&organization), &common_name);
        let (rest, name) = X509Name::from_der(&written).unwrap();
        prop_assert!(rest.is_empty());
        let read = |attribute: Option<&x509_parser::x509::AttributeTypeAndValue>| {
            attribute.and_then(|a| a.as_str().ok().map(str::to_owned))
        };
        prop_assert_eq!(read(name.iter_organization().next()), Some(organization));
        prop_assert_eq!(read(name.iter_common_name().next()), Some(common_name));
    }
}
