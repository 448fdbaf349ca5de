use p256::pkcs8::{EncodePrivateKey, LineEnding};

use super::*;
use crate::pki::fixture::entropy;

fn p256() -> p256::SecretKey {
    p256::SecretKey::random(&mut entropy("p256"))
}

fn p384() -> p384::SecretKey {
    p384::SecretKey::random(&mut entropy("p384"))
}

fn rsa() -> rsa::RsaPrivateKey {
    rsa::RsaPrivateKey::new(&mut entropy("rsa"), 1024).unwrap()
}

#[test]
fn the_names_of_algorithms_are_read_as_they_are_written() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Rsa2048] {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
    assert_eq!("rsa-2048".parse(), Ok(KeyAlgorithm::Rsa2048));
    assert!("RSA-4096".parse::<KeyAlgorithm>().is_err());
}

#[test]
fn every_kind_of_key_is_read() {
    const LF: LineEnding = LineEnding::LF;
    let table = [
        (p256().to_sec1_pem(LF).unwrap(), "EC-secp256r1"),
        (p256().to_pkcs8_pem(LF).unwrap(), "EC-secp256r1"),
        (p384().to_sec1_pem(LF).unwrap(), "EC-secp384r1"),
        (p384().to_pkcs8_pem(LF).unwrap(), "EC-secp384r1"),
        (rsa().to_pkcs1_pem(LF).unwrap(), "RSA-1024"),
        (rsa().to_pkcs8_pem(LF).unwrap(), "RSA-1024"),
    ];
    for (pem, kind) in table {
        let key = Key::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(key.kind(), kind);
        let again = Key::from_pem(key.to_pem().as_bytes()).unwrap();
        assert_eq!(again.public_der(), key.public_der(), "{kind}");
        assert_eq!(again.to_pem(), key.to_pem(), "{kind}");
    }
}

#[test]
fn an_ec_key_is_read_behind_its_parameters_and_a_comment() {
    let key = Key::generate(KeyAlgorithm::EcdsaP256, &mut entropy("key")).to_pem();
    let parameters = text("EC PARAMETERS", der::oid(&SECP256R1));
    let file = format!("# from openssl\n{parameters}{key}");
    assert_eq!(Key::from_pem(file.as_bytes()).unwrap().to_pem(), key);
}

#[test]
fn ec_keys_name_their_curve() {
    let pem = Key::generate(KeyAlgorithm::EcdsaP256, &mut entropy("key")).to_pem();
    let block = pem::parse(&pem).unwrap();
    assert_eq!(block.tag(), "EC PRIVATE KEY");
    let name = der::value(0xa0, &der::oid(&SECP256R1));
    assert!(
        block
            .contents()
            .windows(name.len())
            .any(|part| part == name)
    );
}

#[test]
fn what_is_no_key_says_why() {
    let ed25519 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END PRIVATE KEY-----\n";
    for (text, error) in [
        ("", KeyError::Missing),
        (" \n", KeyError::Missing),
        (
            "hello",
            KeyError::NotPem("no block of a private key".into()),
        ),
        (ed25519, KeyError::Unsupported("PRIVATE KEY".into())),
        (
            "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
            KeyError::Unsupported("EC PRIVATE KEY".into()),
        ),
    ] {
        assert_eq!(Key::from_pem(text.as_bytes()).unwrap_err(), error, "{text}");
    }
}

#[test]
fn the_same_stream_makes_the_same_key_and_another_another() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Rsa2048] {
        let make = |purpose: &str| Key::generate(algorithm, &mut entropy(purpose)).to_pem();
        assert_eq!(make("a"), make("a"), "{algorithm}");
        assert_ne!(make("a"), make("b"), "{algorithm}");
    }
}

#[test]
fn signatures_do_not_depend_on_the_randomness_that_blinds_them() {
    for key in [
        Key::new(Inner::P256(Box::new(p256().into()))),
        Key::new(Inner::P384(Box::new(p384().into()))),
        Key::new(Inner::Rsa(Box::new(rsa()))),
    ] {
        let sign = |purpose: &str| key.sign(b"message", &mut entropy(purpose));
        assert_eq!(sign("a"), sign("b"), "{key:?}");
    }
}

#[test]
fn debug_output_has_no_key_in_it() {
    let key = Key::generate(KeyAlgorithm::EcdsaP256, &mut entropy("key"));
    assert_eq!(format!("{key:?}"), "Key(EC-secp256r1)");
}
