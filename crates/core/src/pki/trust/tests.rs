use super::*;
use crate::pki::{
    authority::{self, Authority},
    fixture::{DAY, authority, entropy, now},
    key::KeyAlgorithm,
    leaves,
};

fn another(purpose: &str) -> Authority {
    authority::issue(
        purpose,
        KeyAlgorithm::EcdsaP256,
        now() + DAY,
        &mut entropy(purpose),
    )
}

fn bundle(authorities: &[&Authority]) -> Vec<u8> {
    let pems = authorities.iter().map(|ca| ca.certificate_pem());
    pems.collect::<Vec<_>>().concat()
}

#[test]
fn a_bundle_of_three_authorities_is_written_as_it_was_read() {
    let (one, two, three) = (authority(), another("two"), another("three"));
    let pem = bundle(&[&one, &two, &three]);
    let read = TrustBundle::parse(&pem);
    assert_eq!(read.len(), 3);
    assert_eq!(read.to_pem(), pem);
    let names = read.certificates().map(|ca| ca.common_name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["kubernetes", "two", "three"]);
}

#[test]
fn a_damaged_block_is_left_out_and_the_others_stay() {
    let one = authority();
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let pem = [damaged.as_bytes(), one.certificate_pem(), b"cut off"].concat();
    assert_eq!(TrustBundle::parse(&pem).to_pem(), one.certificate_pem());
    assert!(TrustBundle::parse(b"").is_empty());
}

#[test]
fn a_leaf_is_trusted_if_any_authority_of_the_bundle_signed_it() {
    let (one, two) = (authority(), another("two"));
    let request = leaves::front_proxy_client(KeyAlgorithm::EcdsaP256);
    let leaf = two.sign(&request, now() + DAY, &mut entropy("leaf"));
    let leaf = Certificate::from_pem(leaf.certificate_pem.as_bytes()).unwrap();
    let mut both = TrustBundle::parse(&bundle(&[&one, &two]));
    assert!(both.trusts(&leaf));
    assert!(both.retain(|ca| ca.common_name == "kubernetes"));
    assert!(!both.retain(|ca| ca.common_name == "kubernetes"));
    assert!(!both.trusts(&leaf));
}
