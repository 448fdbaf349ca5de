//! What signs a tenant's service-account tokens? (management-cluster specification 5.6)

use super::{
    key::{Key, KeyAlgorithm, KeyError},
    verification_cache,
};
use crate::rng::Entropy;

/// A pair of keys, as PEM.
pub struct ServiceAccountKeys {
    /// The public half.
    pub public_pem: String,
    /// The private half.
    pub key_pem: String,
}

/// What is wrong with a pair. None of it is ever mended by making a new one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceAccountError {
    /// The private half.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No public half.
    #[error("sa.pub is missing")]
    PublicMissing,
    /// A public half that cannot be read.
    #[error("sa.pub holds no block PUBLIC KEY")]
    PublicUnreadable,
    /// Another public half.
    #[error("sa.pub is not the public half of sa.key")]
    Mismatch,
}

/// Makes a pair.
pub fn generate(algorithm: KeyAlgorithm, entropy: &mut Entropy) -> ServiceAccountKeys {
    let key = Key::generate(algorithm, entropy);
    ServiceAccountKeys {
        public_pem: key.public_pem(),
        key_pem: key.to_pem(),
    }
}

/// Checks a pair that exists. `sa.pub` may hold more keys: tokens signed by former ones stay valid.
pub fn load(key: &[u8], public: &[u8]) -> Result<(), ServiceAccountError> {
    verification_cache::once("service account", &[key, public], || check(key, public))
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
    let own = key.public_der();
    if known.any(|block| block.contents() == own) {
        Ok(())
    } else {
        Err(ServiceAccountError::Mismatch)
    }
}

#[cfg(test)]
#[path = "service_account_tests.rs"]
mod tests;
