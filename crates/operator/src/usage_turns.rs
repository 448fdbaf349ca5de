//! Turns of measurements at each DataStore, so that a slow one does not hold those at others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use kamaji_shell::lock::lock;

/// Measurements at one DataStore at the same time.
const AT_ONCE: usize = 2;

/// Measurements that are under way, by DataStore. Clones share them.
#[derive(Clone, Default)]
pub struct Turns {
    running: Arc<Mutex<HashMap<String, usize>>>,
}

/// One measurement that is under way until the value is dropped.
pub struct Turn {
    turns: Turns,
    store: String,
}

impl Turns {
    /// Takes a turn at the DataStore `store`; `None` if it is as busy as it may be.
    pub fn take(&self, store: &str) -> Option<Turn> {
        let mut running = lock(&self.running);
        let count = running.entry(store.to_owned()).or_default();
        if *count >= AT_ONCE {
            return None;
        }
        *count += 1;
        Some(Turn {
            turns: self.clone(),
            store: store.to_owned(),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut running = lock(&self.turns.running);
        if let Some(count) = running.get_mut(&self.store) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.store);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_store_has_two_turns_and_leaves_those_of_others_alone() {
        let turns = Turns::default();
        let first = turns.take("slow").unwrap();
        let second = turns.take("slow").unwrap();
        assert!(turns.take("slow").is_none());
        let other = turns.take("other");
        assert!(other.is_some());
        drop(first);
        assert!(turns.take("slow").is_some());
        drop((second, other));
        assert!(lock(&turns.running).is_empty());
    }
}
