//! Values that say who wrote them, and random numbers from a seed.

use crate::checker::Id;

/// Random numbers from a seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The value of `id`: who wrote it, and up to 1.5 KB of random bytes that follow from it.
pub fn value(id: Id) -> Vec<u8> {
    let mut bytes: Vec<u8> = [id.writer.to_be_bytes(), id.number.to_be_bytes()].concat();
    let mut random = Random(u64::from(id.writer) << 32 | u64::from(id.number));
    let words = 10 + random.below(180);
    bytes.extend((0..words).flat_map(|_| random.next().to_be_bytes()));
    bytes
}

/// Who wrote a value; fails the test if a byte of it has changed.
pub fn parse(key: &str, bytes: &[u8]) -> Id {
    let number = |at: usize| {
        let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
        word.map_or(0, u32::from_be_bytes)
    };
    let id = Id {
        writer: number(0),
        number: number(4),
    };
    assert!(bytes == value(id), "the bytes of {key} are not {id:?}");
    id
}
