//! The pair of keys that signs and verifies a tenant's service-account tokens.

use super::{
    key::{Key, KeyAlgorithm, KeyError},
    verification_cache::{self, Check},
};
use crate::rng::Entropy;

/// A new pair of service-account keys, as PEM.
pub struct ServiceAccountKeys {
    /// PUBLIC KEY block, the content of `sa.pub`.
    pub public_pem: String,
    /// Private key, the content of `sa.key`.
    pub key_pem: String,
}

/// A reason why a stored pair cannot be used. No pair is replaced because of one: a person has to repair the Secret
/// or ask for new keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceAccountError {
    /// The private key is missing or cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file `sa.pub` is missing or blank.
    #[error("sa.pub is missing")]
    PublicMissing,
    /// The file `sa.pub` has no public key that can be read.
    #[error("sa.pub holds no block PUBLIC KEY")]
    PublicUnreadable,
    /// None of the public keys belongs to the private key.
    #[error("sa.pub is not the public half of sa.key")]
    Mismatch,
}

/// Generates a pair. The same `entropy` gives the same pair.
pub fn generate(algorithm: KeyAlgorithm, entropy: &mut Entropy) -> ServiceAccountKeys {
    let key = Key::generate(algorithm, entropy);
    let (public_pem, key_pem) = (key.public_pem(), key.to_pem());
    let parts: [&[u8]; 2] = [key_pem.as_bytes(), public_pem.as_bytes()];
    verification_cache::record(Check::ServiceAccount, &parts);
    ServiceAccountKeys {
        public_pem,
        key_pem,
    }
}

/// Checks a stored pair: `key` of `sa.key`, `public` of `sa.pub`. `sa.pub` may hold more keys: tokens signed by
/// former ones stay valid.
pub fn load(key: &[u8], public: &[u8]) -> Result<(), ServiceAccountError> {
    verification_cache::once(Check::ServiceAccount, &[key, public], || check(key, public))
}

fn check(key: &[u8], public: &[u8]) -> Result<(), ServiceAccountError> {
    let key = Key::from_pem(key)?;
    if public.iter().all(u8::is_ascii_whitespace) {
        return Err(ServiceAccountError::PublicMissing);
    }
    let blocks = pem::parse_many(public).unwrap_or_default();
    let mut known = blocks
        .iter()
        .filter(|block| block.tag() == "PUBLIC KEY")
        .peekable();
    if known.peek().is_none() {
        return Err(ServiceAccountError::PublicUnreadable);
    }
    let expected = key.public_der();
    if known.any(|block| block.contents() == expected) {
        Ok(())
    } else {
        Err(ServiceAccountError::Mismatch)
    }
}

#[cfg(test)]
mod tests;
