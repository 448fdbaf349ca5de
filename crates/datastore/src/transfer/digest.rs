//! Counts and digests of records by range of keys.
//!
//! A digest is the sum of the SHA-256 of each record, modulo 2^256: it does not depend on the order of the records,
//! and a record can be taken out again. It finds accidents; a tenant who looks for two sets of records with the same
//! sum may find them, so that copies are compared record by record, too.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::record::Record;

/// Most ranges that are told apart; the keys of all others are counted together.
const RANGES: usize = 1000;
/// Most bytes of a range's name; longer ones are counted with the others.
const NAME: usize = 253;
/// Name of the range that holds the keys beyond the bounds. No first segment of a key has a `/`.
const OTHERS: &str = "others/";

/// Number, size and sum of the records of one range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest {
    /// Number of records of the range.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Sum of the SHA-256 of the records, the least significant word first.
    sum: [u64; 4],
}

impl Digest {
    fn of(record: &Record) -> Self {
        let mut hash = Sha256::new();
        hash.update((record.key.len() as u64).to_le_bytes());
        hash.update(&record.key);
        hash.update(&record.value);
        let hash: [u8; 32] = hash.finalize().into();
        let mut sum = [0; 4];
        for (word, bytes) in sum.iter_mut().zip(hash.chunks_exact(8)) {
            *word = bytes
                .iter()
                .rev()
                .fold(0, |word, byte| (word << 8) | u64::from(*byte));
        }
        Self {
            keys: 1,
            bytes: (record.key.len() + record.value.len()) as u64,
            sum,
        }
    }

    fn add(&mut self, other: &Self) {
        self.keys = self.keys.wrapping_add(other.keys);
        self.bytes = self.bytes.wrapping_add(other.bytes);
        let mut carry = false;
        for (word, more) in self.sum.iter_mut().zip(other.sum) {
            let (sum, over) = word.overflowing_add(more);
            let (sum, again) = sum.overflowing_add(u64::from(carry));
            (*word, carry) = (sum, over || again);
        }
    }

    fn subtract(&mut self, other: &Self) {
        self.keys = self.keys.wrapping_sub(other.keys);
        self.bytes = self.bytes.wrapping_sub(other.bytes);
        let mut borrow = false;
        for (word, less) in self.sum.iter_mut().zip(other.sum) {
            let (difference, under) = word.overflowing_sub(less);
            let (difference, again) = difference.overflowing_sub(u64::from(borrow));
            (*word, borrow) = (difference, under || again);
        }
    }
}

/// The sum in hexadecimal, 64 digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for word in self.sum.iter().rev() {
            write!(f, "{word:016x}")?;
        }
        Ok(())
    }
}

/// Digests of records by the first segment of their keys. Records with a time to live are left out, since each store
/// lets them expire by its own clock.
#[derive(Debug, Clone, Default)]
pub struct Digests {
    ranges: BTreeMap<String, Digest>,
}

impl Digests {
    /// Adds a record that was not added before.
    pub fn add(&mut self, record: &Record) {
        if record.ttl.is_none() {
            self.range_of(&record.key).add(&Digest::of(record));
        }
    }

    /// Takes out a record that was added before with the same key and value.
    pub fn subtract(&mut self, record: &Record) {
        if record.ttl.is_none() {
            self.range_of(&record.key).subtract(&Digest::of(record));
        }
    }

    /// Ranges in the order of their names, the empty ones left out.
    pub fn ranges(&self) -> impl Iterator<Item = (&str, &Digest)> {
        let filled = self.ranges.iter().filter(|(_, digest)| digest.keys > 0);
        filled.map(|(name, digest)| (name.as_str(), digest))
    }

    /// Digest of all ranges together.
    pub fn total(&self) -> Digest {
        let mut total = Digest::default();
        for digest in self.ranges.values() {
            total.add(digest);
        }
        total
    }

    /// Digest of the range of `key`. An empty one stays, so that a record is taken out where it was added.
    fn range_of(&mut self, key: &[u8]) -> &mut Digest {
        let name = key.split(|byte| *byte == b'/').next().unwrap_or_default();
        let name = String::from_utf8_lossy(&name[..name.len().min(NAME + 1)]);
        let fits = name.len() <= NAME
            && (self.ranges.len() < RANGES || self.ranges.contains_key(name.as_ref()));
        let name = if fits { name.as_ref() } else { OTHERS };
        self.ranges.entry(name.to_owned()).or_default()
    }
}

impl PartialEq for Digests {
    fn eq(&self, other: &Self) -> bool {
        self.ranges().eq(other.ranges())
    }
}

impl Eq for Digests {}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &str) -> Record {
        Record {
            key: key.into(),
            value: value.into(),
            created: 1,
            modified: 1,
            ttl: None,
        }
    }

    #[test]
    fn digests_of_the_same_records_agree_in_every_order() {
        let records: Vec<Record> = (0..100)
            .map(|n| record(&format!("pods/{n}"), &n.to_string()))
            .collect();
        let (mut one, mut other) = (Digests::default(), Digests::default());
        for record in &records {
            one.add(record);
        }
        for record in records.iter().rev() {
            other.add(record);
        }
        assert_eq!(one, other);
        assert_eq!(one.total().keys, 100);
    }

    #[test]
    fn a_digest_tells_key_from_value_and_each_byte() {
        let of = |key, value| {
            let mut digests = Digests::default();
            digests.add(&record(key, value));
            digests.total()
        };
        for other in [of("a/bc", "d"), of("a/b", "ce"), of("a/c", "cd")] {
            assert_ne!(of("a/b", "cd"), other);
        }
    }

    #[test]
    fn a_record_that_is_taken_out_leaves_no_trace() {
        let mut digests = Digests::default();
        let before = record("pods/a", "1");
        digests.add(&before);
        let mut changed = digests.clone();
        for n in 0..50 {
            let more = record(&format!("pods/{n}"), "x");
            changed.add(&more);
            changed.subtract(&more);
        }
        assert_eq!(changed, digests);
        digests.subtract(&before);
        assert_eq!(digests.total(), Digest::default());
        assert_eq!(digests.ranges().count(), 0);
    }

    #[test]
    fn ranges_beyond_the_bound_are_counted_together() {
        let mut digests = Digests::default();
        for n in 0..RANGES + 50 {
            digests.add(&record(&format!("group-{n}/x"), "y"));
        }
        digests.add(&record(&"long".repeat(100), "y"));
        assert_eq!(digests.ranges().count(), RANGES + 1);
        let others = digests.ranges().find(|(name, _)| *name == OTHERS);
        assert_eq!(others.unwrap().1.keys, 51);
        assert_eq!(digests.total().keys, RANGES as u64 + 51);
    }
}
