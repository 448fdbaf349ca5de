use super::*;
use crate::pki::fixture::entropy;

#[test]
fn a_new_pair_passes_the_check_and_has_the_requested_algorithm() {
    for (algorithm, kind) in [
        (KeyAlgorithm::EcdsaP256, "EC PRIVATE KEY"),
        (KeyAlgorithm::Rsa2048, "RSA PRIVATE KEY"),
    ] {
        let pair = generate(algorithm, &mut entropy("sa"));
        assert!(
            pair.key_pem
                .starts_with(&format!("-----BEGIN {kind}-----\n"))
        );
        assert!(pair.public_pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
        assert_eq!(
            load(pair.key_pem.as_bytes(), pair.public_pem.as_bytes()),
            Ok(())
        );
    }
}

#[test]
fn each_kind_of_damage_has_its_own_error() {
    let one = generate(KeyAlgorithm::EcdsaP256, &mut entropy("one"));
    let two = generate(KeyAlgorithm::EcdsaP256, &mut entropy("two"));
    for (key, public, error) in [
        ("", one.public_pem.as_str(), KeyError::Missing.into()),
        (&one.key_pem, "", ServiceAccountError::PublicMissing),
        (&one.key_pem, "x", ServiceAccountError::PublicUnreadable),
        (
            &one.key_pem,
            &one.key_pem,
            ServiceAccountError::PublicUnreadable,
        ),
        (&one.key_pem, &two.public_pem, ServiceAccountError::Mismatch),
    ] {
        assert_eq!(
            load(key.as_bytes(), public.as_bytes()),
            Err(error),
            "{public}"
        );
    }
}

#[test]
fn former_public_keys_beside_the_present_one_are_accepted() {
    let one = generate(KeyAlgorithm::EcdsaP256, &mut entropy("one"));
    let two = generate(KeyAlgorithm::EcdsaP256, &mut entropy("two"));
    let both = format!("{}{}", two.public_pem, one.public_pem);
    assert_eq!(load(one.key_pem.as_bytes(), both.as_bytes()), Ok(()));
}
