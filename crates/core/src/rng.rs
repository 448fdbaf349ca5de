//! Randomness as a value: a seed that is passed in, and streams of bytes drawn from it. Each purpose draws from its own stream, so that one certificate
//! more or less changes none of the others.

use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, RngCore, SeedableRng};
use sha2::{Digest, Sha256};

/// 32 random bytes that everything else follows from.
#[derive(Clone)]
pub struct Seed([u8; 32]);

impl std::fmt::Debug for Seed {
    /// Without the bytes: whoever has them has the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Seed {
    /// Takes bytes from a source of randomness.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A seed that anybody can compute: for output that must repeat, never for keys in use.
    pub fn from_text(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// The stream of one purpose.
    pub fn for_purpose(&self, purpose: &str) -> Entropy {
        let seed = Sha256::new()
            .chain_update(self.0)
            .chain_update(purpose)
            .finalize();
        Entropy(ChaCha20Rng::from_seed(seed.into()))
    }
}

/// A stream of random bytes.
pub struct Entropy(ChaCha20Rng);

impl Entropy {
    /// A random UUID, as text.
    pub fn uuid_v4(&mut self) -> String {
        let mut bytes = [0; 16];
        self.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }
}

impl RngCore for Entropy {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.try_fill_bytes(dest)
    }
}

impl CryptoRng for Entropy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_are_independent_and_repeatable() {
        let seed = Seed::new([7; 32]);
        let draw = |purpose: &str| seed.for_purpose(purpose).uuid_v4();
        assert_eq!(draw("ca"), draw("ca"));
        assert_ne!(draw("ca"), draw("sa"));
        assert_ne!(draw("ca"), Seed::new([8; 32]).for_purpose("ca").uuid_v4());
    }
    #[test]
    fn one_purpose_more_changes_no_other() {
        let seed = Seed::from_text("x");
        let alone = seed.for_purpose("b").next_u64();
        let mut before = seed.for_purpose("a");
        before.fill_bytes(&mut [0; 100]);
        assert_eq!(seed.for_purpose("b").next_u64(), alone);
    }

    #[test]
    fn passwords_are_uuids_of_version_4() {
        let text = Seed::from_text("x").for_purpose("password").uuid_v4();
        let parsed = uuid::Uuid::parse_str(&text).unwrap();
        assert_eq!(parsed.get_version_num(), 4);
        assert_eq!(parsed.to_string(), text);
    }

    #[test]
    fn debug_output_has_no_seed_in_it() {
        assert_eq!(format!("{:?}", Seed::new([7; 32])), "Seed(..)");
    }
}
