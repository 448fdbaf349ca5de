//! Count and hash of a tenant's keys, to compare a snapshot with a datastore.

use sha2::{Digest, Sha256};

use crate::encoder::hex;

/// Number of groups of keys that are told apart.
const GROUPS: usize = 256;
/// Longest name of a group that is shown, in bytes.
const NAME: usize = 128;

/// Count and hash of keys and values, in groups of resources. Two states are equal if they have the same keys with the same
/// values, in whatever order they were added. Keys with a time to live are left out by the callers.
#[derive(Clone, PartialEq, Eq)]
pub struct State(Vec<Group>);

/// Keys whose first segments have the same hash.
#[derive(Clone, Default)]
struct Group {
    keys: u64,
    /// Sum of the hashes of keys with values, in four numbers that overflow on their own.
    sum: [u64; 4],
    /// First segment of one of the keys, for messages.
    name: String,
}

impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        (self.keys, self.sum) == (other.keys, other.sum)
    }
}

impl Eq for Group {}

/// Hash of one key with its value, and the group that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hashed {
    group: u8,
    hash: [u64; 4],
}

impl Hashed {
    pub fn of(key: &[u8], value: &[u8]) -> Self {
        let length = key.len() as u64;
        let hash = Sha256::new()
            .chain_update(length.to_le_bytes())
            .chain_update(key)
            .chain_update(value)
            .finalize();
        let mut numbers = [0; 4];
        for (number, bytes) in numbers.iter_mut().zip(hash.chunks_exact(8)) {
            *number = bytes.try_into().map_or(0, u64::from_le_bytes);
        }
        Self {
            group: Sha256::digest(segment(key))[0],
            hash: numbers,
        }
    }
}

/// First segment of a key: the resource, or the group of a custom resource.
fn segment(key: &[u8]) -> &[u8] {
    key.split(|byte| *byte == b'/').next().unwrap_or_default()
}

impl Default for State {
    fn default() -> Self {
        Self(vec![Group::default(); GROUPS])
    }
}

impl State {
    /// Adds a key that was not added before.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let hashed = Hashed::of(key, value);
        self.add_hashed(hashed);
        let group = &mut self.0[usize::from(hashed.group)];
        if group.name.is_empty() {
            let name = segment(key);
            group.name = String::from_utf8_lossy(&name[..name.len().min(NAME)]).into_owned();
        }
    }

    pub(crate) fn add_hashed(&mut self, hashed: Hashed) {
        let group = &mut self.0[usize::from(hashed.group)];
        group.keys += 1;
        for (sum, number) in group.sum.iter_mut().zip(hashed.hash) {
            *sum = sum.wrapping_add(number);
        }
    }

    /// Number of keys in all groups.
    pub fn keys(&self) -> u64 {
        self.0.iter().map(|group| group.keys).sum()
    }

    /// Hash of all keys and values, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for number in self.0.iter().flat_map(|group| group.sum) {
            hash.update(number.to_le_bytes());
        }
        hex(&hash.finalize())
    }

    /// Difference to the state that was found elsewhere, as a clause with the groups that differ; `None` if both are equal.
    pub fn difference(&self, found: &Self) -> Option<String> {
        let differing = |(one, two): (&Group, &Group)| {
            let name = if one.name.is_empty() {
                &two.name
            } else {
                &one.name
            };
            let what = format!(
                "{name}: {} keys in the snapshot, {} found",
                one.keys, two.keys
            );
            (one != two).then_some(what)
        };
        let groups = self.0.iter().zip(&found.0);
        let differences: Vec<String> = groups.filter_map(differing).take(8).collect();
        (!differences.is_empty()).then(|| differences.join("; "))
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys, {}", self.keys(), self.digest())
    }
}
