//! What signs a tenant's service-account tokens? (management-cluster specification 5.6)

use super::key::{Key, KeyAlgorithm, KeyError};
use crate::entropy::Entropy;

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
    /// The public half.
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

/// Checks a pair that exists.
pub fn load(key: &[u8], public: &[u8]) -> Result<(), ServiceAccountError> {
    let key = Key::from_pem(key)?;
    let body = |bytes: &[u8]| {
        pem::parse(bytes)
            .ok()
            .map(|block| block.contents().to_vec())
    };
    if body(public).is_some_and(|have| Some(have) == body(key.public_pem().as_bytes())) {
        Ok(())
    } else {
        Err(ServiceAccountError::Mismatch)
    }
}
