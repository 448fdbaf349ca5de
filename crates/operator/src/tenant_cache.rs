//! Memory of each tenant between two reconciles. Losing it costs requests, never
//! correctness.

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
use kamaji_shell::{ObjectKey, clock, lock::lock};

use crate::{expiry_metrics::Measured, fingerprint::Fingerprint};

/// The end of a reconcile that applied all of its plan.
#[derive(Clone, Copy, Debug)]
struct Completed {
    fingerprint: Fingerprint,
    requeue_at: Option<Instant>,
}

/// Objects to read by name, with what the last read found: no watch shows objects without our labels.
type ReadByName = BTreeMap<ObjectRef, Option<Child>>;

/// The memory of the tenant controller, by tenant.
#[derive(Debug, Default)]
pub struct TenantCache {
    completed: Mutex<HashMap<ObjectKey, Completed>>,
    read_by_name: Mutex<HashMap<ObjectKey, ReadByName>>,
    crowded: Mutex<HashSet<ObjectKey>>,
    measured: Mutex<HashMap<ObjectKey, Measured>>,
    silent_failures: Mutex<HashMap<ObjectKey, u32>>,
}

impl TenantCache {
    /// Counts a silent failure of `key`. Returns how many there were in a row.
    pub fn count_silent_failure(&self, key: &ObjectKey) -> u32 {
        let mut failures = lock(&self.silent_failures);
        let count = failures.entry(key.clone()).or_insert(0);
        *count = count.saturating_add(1);
        *count
    }

    /// The time until the next reconcile is due; `None` if it is due now, because the fingerprint changed
    /// or the time has passed. A tenant without a deadline is due after `longest`.
    pub fn unchanged(
        &self,
        key: &ObjectKey,
        fingerprint: Fingerprint,
        longest: Duration,
    ) -> Option<Duration> {
        let completed = *lock(&self.completed).get(key)?;
        let now = clock::instant();
        let left = completed
            .requeue_at
            .map_or(longest, |at| at.saturating_duration_since(now));
        (completed.fingerprint == fingerprint && !left.is_zero()).then_some(left)
    }

    /// Records that `key` needs no reconcile while its fingerprint is this one, until `requeue_after` has
    /// passed. Silent failures are counted from zero again.
    pub fn complete(
        &self,
        key: &ObjectKey,
        fingerprint: Fingerprint,
        requeue_after: Option<Duration>,
    ) {
        let completed = Completed {
            fingerprint,
            requeue_at: requeue_after.map(|after| clock::instant() + after),
        };
        lock(&self.silent_failures).remove(key);
        lock(&self.completed).insert(key.clone(), completed);
    }

    /// Has `key` planned at its next reconcile, whatever its fingerprint. True if a reconcile was complete.
    pub fn forget_completed(&self, key: &ObjectKey) -> bool {
        lock(&self.completed).remove(key).is_some()
    }

    /// True if this process has completed a reconcile of `key`.
    pub fn is_completed(&self, key: &ObjectKey) -> bool {
        lock(&self.completed).contains_key(key)
    }

    /// Records what the metrics show of the certificates of `key`.
    pub fn record_measured(&self, key: &ObjectKey, measured: Measured) {
        lock(&self.measured).insert(key.clone(), measured);
    }

    /// Metrics of the certificates of `key`, as recorded last; `None` until that is known.
    pub fn measured(&self, key: &ObjectKey) -> Option<Measured> {
        lock(&self.measured).get(key).cloned()
    }

    /// Has `object` of `key` read by name from now on. With one authority come all three: a person
    /// restores them together.
    pub fn read_by_name(&self, key: &ObjectKey, object: &ObjectRef) {
        let mut tenants = lock(&self.read_by_name);
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

    /// The objects of `key` to read by name, with what the last read found.
    pub fn names_to_read(&self, key: &ObjectKey) -> ReadByName {
        lock(&self.read_by_name)
            .get(key)
            .cloned()
            .unwrap_or_default()
    }

    /// Records what a read by name found.
    pub fn record_read(&self, key: &ObjectKey, object: &ObjectRef, child: Child) {
        if let Some(names) = lock(&self.read_by_name).get_mut(key) {
            names.insert(object.clone(), Some(child));
        }
    }

    /// Stops reading `object` by name: it is gone, or a watch shows it.
    pub fn stop_reading(&self, key: &ObjectKey, object: &ObjectRef) {
        if let Some(names) = lock(&self.read_by_name).get_mut(key) {
            names.remove(object);
        }
    }

    /// Records that too many Secrets carry the labels of `key` to be listed.
    pub fn mark_crowded(&self, key: &ObjectKey) {
        lock(&self.crowded).insert(key.clone());
    }

    /// True if the Secrets of `key` are read one by one instead of listed.
    pub fn is_crowded(&self, key: &ObjectKey) -> bool {
        lock(&self.crowded).contains(key)
    }

    /// Forgets everything about `key`.
    pub fn forget(&self, key: &ObjectKey) {
        lock(&self.completed).remove(key);
        lock(&self.read_by_name).remove(key);
        lock(&self.crowded).remove(key);
        lock(&self.measured).remove(key);
        lock(&self.silent_failures).remove(key);
    }
}
