//! State that the operations of a snapshot end in, found in two passes with bounded memory.
//!
//! A copy reads keys in ascending order, and repeats those that change meanwhile. So a key that is above all before it occurs for
//! the first time; the first pass ([`Order`]) remembers the others with their last value, the second
//! ([`Replay`]) adds everything that the first did not remember.

use std::collections::HashMap;

use kamaji_datastore::transfer::Op;
use sha2::{Digest, Sha256};

use crate::{
    error::Error,
    limits,
    state::{Hashed, State},
};

/// Bytes of a key's hash in memory.
type Short = [u8; 16];

fn short(key: &[u8]) -> Short {
    let mut short = Short::default();
    short.copy_from_slice(&Sha256::digest(key)[..16]);
    short
}

/// First pass: keys that do not occur in ascending order, with their last value.
#[derive(Default)]
pub struct Order {
    highest: Vec<u8>,
    last: HashMap<Short, Option<Hashed>>,
}

impl Order {
    /// Takes the next operation.
    pub fn add(&mut self, op: &Op) -> Result<(), Error> {
        if op.key() > self.highest.as_slice() {
            self.highest = op.key().to_vec();
            return Ok(());
        }
        if self.last.len() >= limits::CHANGED {
            return Err(Error::changed());
        }
        self.last.insert(short(op.key()), counted(op));
        Ok(())
    }

    /// Number of keys that were changed after they had been read.
    pub fn changed(&self) -> usize {
        self.last.len()
    }

    /// Starts the second pass over the same operations.
    pub fn replay(self) -> Replay {
        let mut state = State::default();
        self.last
            .values()
            .flatten()
            .for_each(|hashed| state.add_hashed(*hashed));
        Replay {
            highest: Vec::new(),
            last: self.last,
            state,
        }
    }
}

/// Second pass: the state after all operations.
pub struct Replay {
    highest: Vec<u8>,
    last: HashMap<Short, Option<Hashed>>,
    state: State,
}

impl Replay {
    /// Takes the next operation.
    pub fn add(&mut self, op: &Op) {
        if op.key() <= self.highest.as_slice() {
            return;
        }
        self.highest = op.key().to_vec();
        let Op::Put(record) = op else { return };
        if record.ttl.is_none() && !self.last.contains_key(&short(&record.key)) {
            self.state.add(&record.key, &record.value);
        }
    }

    /// The state after the last operation.
    pub fn finish(self) -> State {
        self.state
    }
}

/// Hash of what an operation leaves behind; `None` for a deletion and for a key that expires by itself.
fn counted(op: &Op) -> Option<Hashed> {
    match op {
        Op::Put(record) if record.ttl.is_none() => Some(Hashed::of(&record.key, &record.value)),
        Op::Put(_) | Op::Delete { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kamaji_datastore::transfer::Record;
    use proptest::prelude::*;

    use super::*;

    fn any_op() -> impl Strategy<Value = Op> {
        let key = "[a-c]{1,2}/[a-c]{0,2}";
        (
            key,
            any::<Option<u8>>(),
            prop::option::weighted(0.1, 1u32..9),
        )
            .prop_map(|(key, value, ttl)| match value {
                Some(value) => Op::Put(Record {
                    key: key.into_bytes(),
                    value: vec![value],
                    created: 1,
                    modified: 1,
                    ttl,
                }),
                None => Op::Delete {
                    key: key.into_bytes(),
                    revision: 1,
                },
            })
    }

    proptest! {
        #[test]
        fn the_state_is_that_of_all_operations_applied_in_order(
            ops in prop::collection::vec(any_op(), 0..200), sorted: bool,
        ) {
            let mut ops = ops;
            if sorted {
                ops[..].sort_by(|one, two| one.key().cmp(two.key()));
            }
            let mut order = Order::default();
            for op in &ops { order.add(op).unwrap(); }
            let mut replay = order.replay();
            for op in &ops { replay.add(op); }
            let mut applied = BTreeMap::new();
            for op in &ops {
                match op {
                    Op::Put(record) => applied.insert(op.key(), Some(record)),
                    Op::Delete { .. } => applied.insert(op.key(), None),
                };
            }
            let mut expected = State::default();
            for record in applied.into_values().flatten().filter(|record| record.ttl.is_none()) {
                expected.add(&record.key, &record.value);
            }
            prop_assert_eq!(replay.finish().difference(&expected), None);
        }
    }

    #[test]
    fn a_lost_a_changed_and_a_moved_value_make_another_state() {
        let state = |pairs: &[(&str, &str)]| {
            let mut state = State::default();
            for (key, value) in pairs {
                state.add(key.as_bytes(), value.as_bytes());
            }
            state
        };
        let whole = state(&[("pods/a", "1"), ("pods/b", "2"), ("secrets/c", "3")]);
        assert_eq!(
            whole.difference(&state(&[
                ("secrets/c", "3"),
                ("pods/b", "2"),
                ("pods/a", "1")
            ])),
            None
        );
        let lost = whole.difference(&state(&[("pods/a", "1"), ("secrets/c", "3")]));
        assert_eq!(
            lost.as_deref(),
            Some("pods: 2 keys in the snapshot, 1 found")
        );
        assert!(
            whole
                .difference(&state(&[
                    ("pods/a", "2"),
                    ("pods/b", "1"),
                    ("secrets/c", "3")
                ]))
                .is_some()
        );
        assert!(
            whole
                .difference(&state(&[
                    ("pods/a", "1"),
                    ("pods/b", "4"),
                    ("secrets/c", "3")
                ]))
                .is_some()
        );
    }
}
