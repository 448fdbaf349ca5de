//! Private keys: generating, reading, writing, and signing with them.
//!
//! A key may come from anybody who can write a Secret. The numbers of an RSA key decide how long it takes to build,
//! and whether it signs at all, so they are checked before the key is built (`rsa_parts.rs`). Every [`Key`] signs
//! within milliseconds.

mod error;
mod rsa_parts;

pub use error::KeyError;

use p256::{
    ecdsa::signature::Signer,
    pkcs8::{DecodePrivateKey as _, EncodePublicKey as _},
};
use rand_core::RngCore;
use rsa::{
    pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey, EncodeRsaPublicKey},
    pkcs1v15,
    pkcs8::{DecodePrivateKey as _, EncodePublicKey as _},
    signature::{RandomizedSigner, SignatureEncoding},
};
use sha2::{Digest, Sha256};

use super::{
    certificate::Certificate,
    der,
    tally::{self, Work},
};
use crate::{excerpt::excerpt, rng::Entropy, unquoted};

/// Algorithm and size of new keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA on the curve P-256, the default: small and quick to generate.
    #[default]
    EcdsaP256,
    /// RSA of 2048 bits, as upstream generates: takes seconds of CPU a tenant.
    Rsa2048,
}

impl KeyAlgorithm {
    /// Returns kubeadm's name of the algorithm: `ECDSA-P256` or `RSA-2048`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ECDSA-P256",
            Self::Rsa2048 => "RSA-2048",
        }
    }
}

impl std::fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for KeyAlgorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::EcdsaP256, Self::Rsa2048]
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("{text:?} is not a key algorithm: use ECDSA-P256 or RSA-2048"))
    }
}

const SECP256R1: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const SECP384R1: [u8; 5] = [0x2b, 0x81, 0x04, 0x00, 0x22];
const ECDSA_WITH_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ECDSA_WITH_SHA384: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
const RSA_WITH_SHA256: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];

/// A private key: RSA, or ECDSA on P-256 or P-384.
#[derive(Clone)]
pub struct Key {
    inner: Inner,
    /// The public key as certificates carry it, without its header.
    raw_public: Vec<u8>,
}

#[derive(Clone)]
enum Inner {
    P256(Box<p256::ecdsa::SigningKey>),
    P384(Box<p384::ecdsa::SigningKey>),
    Rsa(Box<rsa::RsaPrivateKey>),
}

impl Key {
    /// Generates a new key. The same `entropy` gives the same key.
    ///
    /// # Panics
    ///
    /// Never: the sizes of keys are fixed, and allowed.
    pub fn generate(algorithm: KeyAlgorithm, entropy: &mut Entropy) -> Self {
        tally::count(Work::KeyGenerated);
        match algorithm {
            KeyAlgorithm::EcdsaP256 => Self::new(Inner::P256(Box::new(p256_key(entropy)))),
            KeyAlgorithm::Rsa2048 => {
                let key = rsa::RsaPrivateKey::new(entropy, 2048)
                    .expect("2048 bits are enough for an RSA key with the default exponent");
                Self::new(Inner::Rsa(Box::new(key)))
            }
        }
    }

    fn new(inner: Inner) -> Self {
        let raw_public = match &inner {
            Inner::P256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Inner::P384(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Inner::Rsa(key) => key
                .to_public_key()
                .to_pkcs1_der()
                .expect("a public key has an encoding")
                .as_bytes()
                .to_vec(),
        };
        Self { inner, raw_public }
    }

    /// Reads the first private key of PEM text: RSA PRIVATE KEY, EC PRIVATE KEY or PRIVATE KEY (PKCS #8).
    pub fn from_pem(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(KeyError::Missing);
        }
        let blocks = pem::parse_many(bytes)
            .map_err(|error| KeyError::NotPem(unquoted::pem(&error).to_owned()))?;
        // openssl puts an EC PARAMETERS block before the key.
        let block = blocks
            .iter()
            .find(|block| block.tag().ends_with("PRIVATE KEY"))
            .ok_or_else(|| KeyError::NotPem("no block of a private key".to_owned()))?;
        let der = block.contents();
        rsa_parts::check(der)?;
        Self::from_der(der).ok_or_else(|| KeyError::Unsupported(excerpt(block.tag(), 60)))
    }

    /// Reads DER of any supported kind. RSA numbers must have been checked before.
    fn from_der(der: &[u8]) -> Option<Self> {
        tally::count(Work::KeyRead);
        let rsa = rsa::RsaPrivateKey::from_pkcs1_der(der)
            .or_else(|_| rsa::RsaPrivateKey::from_pkcs8_der(der))
            .map(|key| Inner::Rsa(Box::new(key)));
        let p256 = p256::SecretKey::from_sec1_der(der)
            .ok()
            .or_else(|| p256::SecretKey::from_pkcs8_der(der).ok())
            .map(|key| Inner::P256(Box::new(key.into())));
        let p384 = || {
            p384::SecretKey::from_sec1_der(der)
                .ok()
                .or_else(|| p384::SecretKey::from_pkcs8_der(der).ok())
                .map(|key| Inner::P384(Box::new(key.into())))
        };
        rsa.ok().or(p256).or_else(p384).map(Self::new)
    }

    /// Returns the key as PEM: RSA PRIVATE KEY (PKCS #1) or EC PRIVATE KEY (SEC 1).
    ///
    /// # Panics
    ///
    /// Never: every key has an encoding.
    pub fn to_pem(&self) -> String {
        let (tag, der) = match &self.inner {
            Inner::P256(key) => ("EC PRIVATE KEY", self.sec1(&key.to_bytes(), &SECP256R1)),
            Inner::P384(key) => ("EC PRIVATE KEY", self.sec1(&key.to_bytes(), &SECP384R1)),
            Inner::Rsa(key) => {
                let der = key.to_pkcs1_der().expect("a private key has an encoding");
                ("RSA PRIVATE KEY", der.as_bytes().to_vec())
            }
        };
        text(tag, der)
    }

    /// Encodes SEC 1 with the name of the curve, which Go and openssl require and RustCrypto leaves out.
    fn sec1(&self, secret: &[u8], curve: &[u8]) -> Vec<u8> {
        der::sequence(&[
            der::integer(1),
            der::octets(secret),
            der::value(0xa0, &der::oid(curve)),
            der::value(0xa1, &der::bits(0, &self.raw_public)),
        ])
    }

    /// Returns the public key as PEM: PUBLIC KEY.
    pub fn public_pem(&self) -> String {
        text("PUBLIC KEY", self.public_der())
    }

    /// True if `certificate` carries the public key of this private key.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        self.raw_public == certificate.raw_public
    }

    /// Returns the kind of the key for summaries: `EC-secp256r1`, `EC-secp384r1` or `RSA-2048`.
    pub fn kind(&self) -> String {
        match &self.inner {
            Inner::P256(_) => "EC-secp256r1".to_owned(),
            Inner::P384(_) => "EC-secp384r1".to_owned(),
            Inner::Rsa(key) => {
                format!(
                    "RSA-{}",
                    rsa::traits::PublicKeyParts::size(key.as_ref()) * 8
                )
            }
        }
    }

    /// Returns the identifier by which certificates name the key: the first 20 bytes of the SHA-256 of the public
    /// key (RFC 7093, method 1).
    pub fn identifier(&self) -> Vec<u8> {
        Sha256::digest(&self.raw_public)[..20].to_vec()
    }
}

/// A P-256 key from the next 32 bytes of `entropy` that are one: all but one draw in four billion are.
fn p256_key(entropy: &mut Entropy) -> p256::ecdsa::SigningKey {
    let mut bytes = p256::FieldBytes::default();
    loop {
        entropy.fill_bytes(&mut bytes);
        if let Ok(key) = p256::ecdsa::SigningKey::from_bytes(&bytes) {
            return key;
        }
    }
}

fn text(tag: &str, der: Vec<u8>) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}

/// Encodings and signatures for the writer of certificates.
impl Key {
    /// Returns the public key as certificates carry it: the DER of a `SubjectPublicKeyInfo`.
    pub(super) fn public_der(&self) -> Vec<u8> {
        const WHY: &str = "a public key has an encoding";
        match &self.inner {
            Inner::P256(key) => {
                let der = key.verifying_key().to_public_key_der().expect(WHY);
                der.into_vec()
            }
            Inner::P384(key) => {
                let der = key.verifying_key().to_public_key_der().expect(WHY);
                der.into_vec()
            }
            Inner::Rsa(key) => {
                let der = key.to_public_key().to_public_key_der().expect(WHY);
                der.into_vec()
            }
        }
    }

    /// Returns the algorithm of this key's signatures: the DER of an `AlgorithmIdentifier`.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        match &self.inner {
            Inner::P256(_) => der::sequence(&[der::oid(&ECDSA_WITH_SHA256)]),
            Inner::P384(_) => der::sequence(&[der::oid(&ECDSA_WITH_SHA384)]),
            Inner::Rsa(_) => der::sequence(&[der::oid(&RSA_WITH_SHA256), der::value(0x05, &[])]),
        }
    }

    /// Signs a message. The signature is the same each time; `entropy` only blinds the arithmetic of RSA.
    ///
    /// # Panics
    ///
    /// Never: RSA keys of two distinct primes and at least 2048 bits sign everything, and no other is read
    /// or made.
    pub(super) fn sign(&self, message: &[u8], entropy: &mut Entropy) -> Vec<u8> {
        tally::count(Work::Signature);
        match &self.inner {
            Inner::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
            Inner::P384(key) => {
                let signature: p384::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
            Inner::Rsa(key) => pkcs1v15::SigningKey::<Sha256>::new(key.as_ref().clone())
                .try_sign_with_rng(entropy, message)
                .expect("an RSA key that was checked when it was read signs everything")
                .to_vec(),
        }
    }
}

impl std::fmt::Debug for Key {
    /// Shows the kind of the key and leaves its numbers out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.kind())
    }
}

#[cfg(test)]
mod tests;
