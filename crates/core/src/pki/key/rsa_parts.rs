//! Checks of the numbers of an RSA key, before a key is built of them.
//!
//! Building and using a key takes time that grows with the third power of its bits. With a factor that is small, or
//! not prime, signing gives a wrong signature, never ends, or panics in the library.

use num_bigint_dig::{BigUint, prime::probably_prime};
use rsa::pkcs1;
use rsa::pkcs8::PrivateKeyInfo;

use super::error::{KeyError, LARGEST, RSA_BITS};
use crate::pki::verification_cache::{self, Check};

/// Refuses the DER of an RSA key that cannot sign, or not within milliseconds. DER of other kinds passes.
///
/// Lengths are compared first, so that no arithmetic is done with numbers that are too long.
pub(super) fn check(der: &[u8]) -> Result<(), KeyError> {
    // The number of bits is the better reason, so it comes before the length of the whole.
    let parts = parts(der);
    if let Some(key) = &parts {
        let bits = bits(key.modulus);
        if !RSA_BITS.contains(&bits) {
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
    if p.abs_diff(q) > LENGTH_DIFFERENCE || key.prime1 == key.prime2 {
        return Err(KeyError::Unsound);
    }
    verification_cache::once(
        Check::Primes,
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

/// Bits by which the primes of a key may differ in length; common tools generate primes of the same length.
const LENGTH_DIFFERENCE: usize = 4;
/// Rounds of the Miller-Rabin test before the one of the Lucas test.
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
