use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding as RsaLineEnding};

use super::*;
use crate::pki::fixture::entropy;

fn p256() -> p256::SecretKey {
    p256_key(&mut entropy("p256")).into()
}

fn p384() -> p384::SecretKey {
    let mut bytes = p384::FieldBytes::default();
    entropy("p384").fill_bytes(&mut bytes);
    p384::SecretKey::from_bytes(&bytes).unwrap()
}

fn rsa() -> rsa::RsaPrivateKey {
    rsa::RsaPrivateKey::new(&mut entropy("rsa"), 2048).unwrap()
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
    const RSA_LF: RsaLineEnding = RsaLineEnding::LF;
    let table = [
        (p256().to_sec1_pem(LF).unwrap(), "EC-secp256r1"),
        (p256().to_pkcs8_pem(LF).unwrap(), "EC-secp256r1"),
        (p384().to_sec1_pem(LF).unwrap(), "EC-secp384r1"),
        (p384().to_pkcs8_pem(LF).unwrap(), "EC-secp384r1"),
        (rsa().to_pkcs1_pem(RSA_LF).unwrap(), "RSA-2048"),
        (rsa().to_pkcs8_pem(RSA_LF).unwrap(), "RSA-2048"),
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
fn text_that_is_not_a_key_is_refused_with_the_reason() {
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
fn the_same_stream_gives_the_same_key_and_another_stream_another() {
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

/// An RSA key as a Secret might have it, whatever its numbers are.
fn rsa_pem(numbers: [&rsa::BigUint; 8]) -> String {
    let unsigned = |number: &rsa::BigUint| {
        let mut bytes = number.to_bytes_be();
        bytes.insert(0, 0);
        let zeros = bytes
            .windows(2)
            .take_while(|w| w[0] == 0 && w[1] < 0x80)
            .count();
        der::value(0x02, &bytes[zeros.min(bytes.len() - 1)..])
    };
    let mut items = vec![der::integer(0)];
    items.extend(numbers.into_iter().map(unsigned));
    text("RSA PRIVATE KEY", der::sequence(&items))
}

/// A consistent key of these factors, prime or not.
fn of_factors(p: &rsa::BigUint, q: &rsa::BigUint) -> String {
    use num_bigint_dig::{BigUint, ModInverse};
    let one = &BigUint::from(1u8);
    let e = &BigUint::from(65537u32);
    let both = (p - one) * (q - one);
    let d = &e.mod_inverse(&both).unwrap().to_biguint().unwrap();
    let qinv = q.mod_inverse(p).unwrap().to_biguint().unwrap();
    rsa_pem([
        &(p * q),
        e,
        d,
        p,
        q,
        &(d % (p - one)),
        &(d % (q - one)),
        &qinv,
    ])
}

/// The refusal of `rsa_parts`, which comes before a key is built: [`Key::from_pem`] has the same one. `Size` and
/// `Long` are found by comparing lengths, without arithmetic on the numbers; a key that was built first would be
/// refused as `Unsupported`, or not at all.
fn refused(pem: &str) -> KeyError {
    let der = pem::parse(pem).unwrap();
    let error = rsa_parts::check(der.contents()).unwrap_err();
    assert_eq!(Key::from_pem(pem.as_bytes()).unwrap_err(), error);
    error
}

#[test]
fn rsa_keys_that_are_too_large_or_too_small_are_refused_before_they_are_built() {
    let n = &((rsa::BigUint::from(1u8) << 99_999) + 1u8);
    let one = &rsa::BigUint::from(1u8);
    let large = rsa_pem([n, one, n, n, one, n, one, one]);
    assert_eq!(refused(&large), KeyError::Size { bits: 100_000 });
    let small = rsa::RsaPrivateKey::new(&mut entropy("small"), 1024).unwrap();
    for pem in [
        small.to_pkcs1_pem(RsaLineEnding::LF).unwrap(),
        small.to_pkcs8_pem(RsaLineEnding::LF).unwrap(),
    ] {
        assert_eq!(refused(&pem), KeyError::Size { bits: 1024 });
    }
    // A modulus of the right size beside an exponent of any.
    let right = &((rsa::BigUint::from(1u8) << 2047) + 1u8);
    let long = rsa_pem([right, one, n, right, one, n, one, one]);
    assert!(matches!(refused(&long), KeyError::Long { .. }));
    let text = refused(&large).to_string();
    assert!(text.contains("use one of 2048 to 8192 bits"), "{text}");
}

#[test]
fn rsa_keys_that_could_not_sign_are_refused() {
    use num_bigint_dig::{BigUint, RandPrime};
    let mut random = entropy("primes");
    let mut prime = |bits| random.gen_prime(bits);
    let (p, q): (BigUint, BigUint) = (prime(1024), prime(1024));
    assert!(Key::from_pem(of_factors(&p, &q).as_bytes()).is_ok());
    // The same size, of two factors itself.
    let (r, s) = (prime(512), prime(512));
    assert_eq!(refused(&of_factors(&p, &(r * s))), KeyError::Unsound);
    // A prime so small that the arithmetic would not end: both are prime, so that their lengths alone refuse them.
    assert_eq!(
        refused(&of_factors(&prime(32), &prime(2040))),
        KeyError::Unsound
    );
}

#[test]
fn text_that_is_no_key_or_certificate_is_refused_without_a_word_of_it() {
    for tag in ["PRIVATE KEY", "CERTIFICATE"] {
        let text = format!("-----BEGIN {tag}-----\nhunter22\n\nAAAA\n-----END {tag}-----\n");
        let key = Key::from_pem(text.as_bytes()).unwrap_err().to_string();
        let certificate = Certificate::from_pem(text.as_bytes());
        let certificate = certificate.unwrap_err().to_string();
        for error in [key, certificate] {
            assert!(!error.contains("hunter22"), "{error}");
        }
    }
}
