//! What was the world like when a tenant was last found to be as planned?
//!
//! A few bytes for each tenant. Forgetting them costs one more look, never correctness.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{context::Key, shell::clock};

#[derive(Clone, Copy, Debug)]
struct Settled {
    fingerprint: u64,
    wake: Option<Instant>,
}

/// The last settled fingerprint of each tenant.
#[derive(Debug, Default)]
pub struct Memo {
    settled: Mutex<HashMap<Key, Settled>>,
    adopting: Mutex<HashSet<Key>>,
}

impl Memo {
    /// If nothing has changed since `key` was settled and its deadline has not passed: the time to
    /// that. A tenant without a deadline is looked at again after `longest`.
    pub fn unchanged(&self, key: &Key, fingerprint: u64, longest: Duration) -> Option<Duration> {
        let settled = *locked(&self.settled).get(key)?;
        let now = clock::instant();
        let left = settled
            .wake
            .map_or(longest, |at| at.saturating_duration_since(now));
        (settled.fingerprint == fingerprint && !left.is_zero()).then_some(left)
    }

    /// `key` is as planned in the world of `fingerprint`, until `wake`.
    pub fn settle(&self, key: &Key, fingerprint: u64, wake: Option<Duration>) {
        let wake = wake.map(|after| clock::instant() + after);
        locked(&self.settled).insert(key.clone(), Settled { fingerprint, wake });
    }

    /// The next look at `key` must also look for authorities that carry no label of ours.
    pub fn adopt(&self, key: &Key) {
        locked(&self.adopting).insert(key.clone());
    }

    /// True if the authorities of `key` are to be looked for by name.
    pub fn adopting(&self, key: &Key) -> bool {
        locked(&self.adopting).contains(key)
    }

    /// Nothing is known of `key` any more.
    pub fn forget(&self, key: &Key) {
        locked(&self.settled).remove(key);
        locked(&self.adopting).remove(key);
    }
}

/// The data even if another task panicked while it held the lock: each write is a single insert
/// or remove, so nothing can be half done.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
