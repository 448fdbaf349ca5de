//! Reasons why a private key is refused, and the limits behind them.

use std::ops::RangeInclusive;

/// Bits of an RSA modulus: shorter ones can be broken, longer ones take seconds to sign. rustls has the same limits.
pub(super) const RSA_BITS: RangeInclusive<usize> = 2048..=8192;
/// Bytes of the DER of any key: RSA of 8192 bits has some 4700.
pub(super) const LARGEST: usize = 8 << 10;

/// A reason why text cannot be used as a private key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is empty or blank.
    #[error("the private key is missing")]
    Missing,
    /// The text is not PEM, or has no block of a private key.
    #[error("the private key is not PEM: {0}")]
    NotPem(String),
    /// An RSA key has fewer bits than are safe, or so many that using it takes minutes.
    #[error("the RSA private key has {bits} bits: use one of {} to {} bits", RSA_BITS.start(), RSA_BITS.end())]
    Size {
        /// Number of bits of the modulus.
        bits: usize,
    },
    /// The key's DER is longer than that of any key that can be used.
    #[error(
        "the private key has {bytes} bytes, of which there may be {}: no key is as long",
        LARGEST
    )]
    Long {
        /// Number of bytes of the DER.
        bytes: usize,
    },
    /// The numbers are not those of an RSA key: signatures made with them would not be valid.
    #[error("the RSA private key is not made of two primes of like size: it cannot sign")]
    Unsound,
    /// A block, of this PEM tag, that is damaged, encrypted or of another algorithm.
    #[error("the private key ({0}) is damaged, encrypted, or neither RSA nor ECDSA P-256 or P-384")]
    Unsupported(String),
}
