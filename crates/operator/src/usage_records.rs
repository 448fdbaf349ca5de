//! Sizes of the tenants' data as they were measured last, and the state of each measurement.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard},
};

use kamaji_core::data_store::usage::Measured;
use kamaji_shell::{ObjectKey, lock::lock, telemetry::StoreMetrics};

/// Counts from one size to the next.
const SIZES: u32 = 6;

/// A tenant's data in one DataStore.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    /// Namespace and name of the TenantControlPlane.
    pub tenant: ObjectKey,
    /// Name of the DataStore.
    pub store: String,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.tenant, self.store)
    }
}

/// Sizes of the tenants' data, by tenant and DataStore.
#[derive(Default)]
pub struct UsageRecords {
    tenants: Mutex<HashMap<ObjectKey, Records>>,
}

/// State of the measurements of one tenant, by DataStore.
type Records = BTreeMap<String, Record>;

/// State of the measurements of one share.
#[derive(Default)]
struct Record {
    /// Counts since the last size; `None` before the first.
    counts: Option<u32>,
    /// The measurement that the status shall have.
    due: Option<Measured>,
}

impl UsageRecords {
    /// Starts the record of `share`. True unless there was one.
    pub fn start(&self, share: &Share) -> bool {
        let mut tenants = self.locked();
        let records = tenants.entry(share.tenant.clone()).or_default();
        let is_new = !records.contains_key(&share.store);
        if is_new {
            records.insert(share.store.clone(), Record::default());
        }
        is_new
    }

    /// The measurement of `share` that the status shall have.
    pub fn due(&self, share: &Share) -> Option<Measured> {
        self.locked().get(&share.tenant)?.get(&share.store)?.due
    }

    /// True if the next measurement of `share` reads its size, too.
    pub fn is_size_due(&self, share: &Share) -> bool {
        let tenants = self.locked();
        let records = tenants.get(&share.tenant);
        let record = records.and_then(|records| records.get(&share.store));
        let counts = record.and_then(|record| record.counts);
        counts.is_none_or(|counts| counts + 1 >= SIZES)
    }

    /// Records a measurement, in `metrics` too; `publish` says that the status shall have it. False if the tenant was
    /// deleted meanwhile, of which nothing is kept.
    pub fn record(
        &self,
        share: &Share,
        (measured, publish): (Measured, bool),
        metrics: &StoreMetrics,
    ) -> bool {
        let mut tenants = self.locked();
        let records = tenants.get_mut(&share.tenant);
        let Some(record) = records.and_then(|records| records.get_mut(&share.store)) else {
            return false;
        };
        let figures = (measured.keys, measured.bytes);
        metrics.used(&share.tenant, &share.store, figures);
        record.counts = Some(match (measured.bytes, record.counts) {
            (Some(_), _) | (_, None) => 0,
            (None, Some(counts)) => counts + 1,
        });
        if publish {
            record.due = Some(measured);
        }
        true
    }

    /// Starts the record of one share anew, which holds no data, and removes its metrics.
    pub fn clear(&self, share: &Share, metrics: &StoreMetrics) {
        let mut tenants = self.locked();
        let records = tenants.get_mut(&share.tenant);
        if let Some(record) = records.and_then(|records| records.get_mut(&share.store)) {
            *record = Record::default();
        }
        metrics.unused(&share.tenant, &share.store);
    }

    /// Drops the record of one share, with its metrics.
    pub fn end(&self, share: &Share, metrics: &StoreMetrics) {
        let mut tenants = self.locked();
        if let Some(records) = tenants.get_mut(&share.tenant) {
            records.remove(&share.store);
            if records.is_empty() {
                tenants.remove(&share.tenant);
            }
        }
        metrics.unused(&share.tenant, &share.store);
    }

    /// Drops all records of a deleted tenant, with their metrics.
    pub fn forget(&self, key: &ObjectKey, metrics: &StoreMetrics) {
        let mut tenants = self.locked();
        for store in tenants.remove(key).unwrap_or_default().keys() {
            metrics.unused(key, store);
        }
    }

    /// Hash of what plans of the tenant `key` depend on.
    pub fn digest(&self, key: &ObjectKey) -> u64 {
        let tenants = self.locked();
        let records = tenants.get(key).into_iter().flatten();
        let due = records.filter_map(|(store, record)| Some((store, record.due?)));
        let mut hasher = DefaultHasher::new();
        due.for_each(|due| due.hash(&mut hasher));
        hasher.finish()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<ObjectKey, Records>> {
        lock(&self.tenants)
    }
}

#[cfg(test)]
mod tests;
