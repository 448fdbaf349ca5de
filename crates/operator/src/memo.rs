//! What was the world like when a tenant was last found to be as planned?
//!
//! A few bytes for each tenant. Forgetting them costs one more look, never correctness.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Mutex,
    time::{Duration, Instant},
};

use kamaji_core::{
    adoption::Child,
    names::Names,
    object::{Kind, ObjectRef},
};

use kamaji_shell::{ObjectKey, clock};

#[derive(Clone, Copy, Debug)]
struct Settled {
    fingerprint: u64,
    wake: Option<Instant>,
}

/// Objects that carry no label of ours under the names of a tenant's, and whose they are.
type Occupied = BTreeMap<ObjectRef, Option<Child>>;

/// The last settled fingerprint of each tenant.
#[derive(Debug, Default)]
pub struct Memo {
    settled: Mutex<HashMap<ObjectKey, Settled>>,
    occupied: Mutex<HashMap<ObjectKey, Occupied>>,
    crowded: Mutex<HashSet<ObjectKey>>,
    silent: Mutex<HashMap<ObjectKey, u32>>,
}

impl Memo {
    /// Counts one more failure of `key` that was nobody's fault; how many there were in a row.
    pub fn failed_silently(&self, key: &ObjectKey) -> u32 {
        let mut silent = locked(&self.silent);
        let count = silent.entry(key.clone()).or_insert(0);
        *count = count.saturating_add(1);
        *count
    }

    /// If nothing has changed since `key` was settled and its deadline has not passed: the time to
    /// that. A tenant without a deadline is looked at again after `longest`.
    pub fn unchanged(
        &self,
        key: &ObjectKey,
        fingerprint: u64,
        longest: Duration,
    ) -> Option<Duration> {
        let settled = *locked(&self.settled).get(key)?;
        let now = clock::instant();
        let left = settled
            .wake
            .map_or(longest, |at| at.saturating_duration_since(now));
        (settled.fingerprint == fingerprint && !left.is_zero()).then_some(left)
    }

    /// `key` is as planned in the world of `fingerprint`, until `wake`.
    pub fn settle(&self, key: &ObjectKey, fingerprint: u64, wake: Option<Duration>) {
        let wake = wake.map(|after| clock::instant() + after);
        locked(&self.silent).remove(key);
        locked(&self.settled).insert(key.clone(), Settled { fingerprint, wake });
    }

    /// Something that no watch tells of has the name of an object of `key`: it is read from now on. What
    /// a person puts there beforehand, the authorities, is there together.
    pub fn occupy(&self, key: &ObjectKey, object: &ObjectRef) {
        let mut tenants = locked(&self.occupied);
        let names = tenants.entry(key.clone()).or_default();
        names.entry(object.clone()).or_insert(None);
        let authorities = Names::of(&key.name).authorities();
        if object.kind == Kind::Secret && authorities.contains(&object.name) {
            for name in authorities {
                let authority = ObjectRef::namespaced(Kind::Secret, &key.namespace, &name);
                names.entry(authority).or_insert(None);
            }
        }
    }

    /// The names of `key` that are to be read, and what was found there last.
    pub fn occupied(&self, key: &ObjectKey) -> Occupied {
        locked(&self.occupied).get(key).cloned().unwrap_or_default()
    }

    /// What is there under one of those names.
    pub fn found(&self, key: &ObjectKey, object: &ObjectRef, child: Child) {
        if let Some(names) = locked(&self.occupied).get_mut(key) {
            names.insert(object.clone(), Some(child));
        }
    }

    /// The name is free again, or a watch tells of what is there.
    pub fn vacate(&self, key: &ObjectKey, object: &ObjectRef) {
        if let Some(names) = locked(&self.occupied).get_mut(key) {
            names.remove(object);
        }
    }

    /// Too much carries the labels of `key` to be listed.
    pub fn crowd(&self, key: &ObjectKey) {
        locked(&self.crowded).insert(key.clone());
    }

    /// True if the Secrets of `key` are to be read one by one.
    pub fn crowded(&self, key: &ObjectKey) -> bool {
        locked(&self.crowded).contains(key)
    }

    /// Nothing is known of `key` any more.
    pub fn forget(&self, key: &ObjectKey) {
        locked(&self.settled).remove(key);
        locked(&self.occupied).remove(key);
        locked(&self.crowded).remove(key);
        locked(&self.silent).remove(key);
    }
}

/// The data even if another task panicked while it held the lock: each write is a single insert
/// or remove, so nothing can be half done.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
