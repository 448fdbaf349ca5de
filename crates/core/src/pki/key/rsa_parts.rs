//! Looks at the numbers of an RSA key before one is built of them.
//!
//! Building and using a key takes time that grows with the third power of its bits. With a factor that
//! is small, or no prime, a signature does not come out right, takes for ever, or is a panic in the library.

use std::ops::RangeInclusive;

use num_bigint_dig::{BigUint, prime::probably_prime};
use p256::pkcs8::PrivateKeyInfo;
use rsa::pkcs1;

use super::KeyError;
use crate::pki::verification_cache;

/// Bits of an RSA modulus: less is broken, more takes seconds to sign. rustls has the same limits.
pub(super) const BITS: RangeInclusive<usize> = 2048..=8192;
/// Bytes of any key: RSA of 8192 bits has some 4700.
pub(super) const LARGEST: usize = 8 << 10;

/// Refuses a key that cannot be used, or not in time. What is not RSA is left to others.
pub(super) fn check(der: &[u8]) -> Result<(), KeyError> {
    // An RSA key says its size before anything else, which is the better reason.
    let parts = parts(der);
    if let Some(key) = &parts {
        let bits = bits(key.modulus);
        if !BITS.contains(&bits) {
            return Err(KeyError::Size { bits });
        }
    }
    if der.len() > LARGEST {
        return Err(KeyError::Long { bytes: der.len() });
    }
    let Some(key) = parts else {
        return Ok(());
    };
    let (p, q) = (bits(key.prime1), bits(key.prime2));
    if p.abs_diff(q) > LIKE || key.prime1 == key.prime2 {
        return Err(KeyError::Unsound);
    }
    verification_cache::once(
        "primes",
        &[key.prime1.as_bytes(), key.prime2.as_bytes()],
        || {
            let prime = |number: pkcs1::UintRef| {
                probably_prime(&BigUint::from_bytes_be(number.as_bytes()), ROUNDS)
            };
            if prime(key.prime1) && prime(key.prime2) {
                Ok(())
            } else {
                Err(KeyError::Unsound)
            }
        },
    )
}

/// Bits by which the primes of a key may differ in length; those that anybody makes are as long as each other.
const LIKE: usize = 4;
/// Rounds of Miller and Rabin before the one of Lucas.
const ROUNDS: usize = 2;

fn parts(der: &[u8]) -> Option<pkcs1::RsaPrivateKey<'_>> {
    let wrapped = PrivateKeyInfo::try_from(der).ok();
    let inner = wrapped.map_or(der, |info| info.private_key);
    pkcs1::RsaPrivateKey::try_from(inner).ok()
}

fn bits(number: pkcs1::UintRef) -> usize {
    let bytes = number.as_bytes();
    let first = bytes.first().copied().unwrap_or_default();
    (bytes.len() * 8).saturating_sub(first.leading_zeros() as usize)
}
