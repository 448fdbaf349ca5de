//! Sizes of the tenants' data as they were measured last, and the state of each measurement.

use std::{
    collections::HashMap,
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

impl Share {
    /// Namespace and name of the tenant as metrics carry them.
    pub fn tenant(&self) -> (&str, &str) {
        (&self.tenant.namespace, &self.tenant.name)
    }
}

/// Sizes of the tenants' data, by tenant and DataStore.
#[derive(Default)]
pub struct UsageRecords {
    shares: Mutex<HashMap<Share, Record>>,
}

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
        let mut shares = self.locked();
        let is_new = !shares.contains_key(share);
        if is_new {
            shares.insert(share.clone(), Record::default());
        }
        is_new
    }

    /// The measurement of `share` that the status shall have.
    pub fn due(&self, share: &Share) -> Option<Measured> {
        self.locked().get(share)?.due
    }

    /// True if the next measurement of `share` reads its size, too.
    pub fn is_size_due(&self, share: &Share) -> bool {
        let shares = self.locked();
        let counts = shares.get(share).and_then(|record| record.counts);
        counts.is_none_or(|counts| counts + 1 >= SIZES)
    }

    /// Records a measurement; `publish` says that the status shall have it. False if the share has no record any
    /// more.
    pub fn record(&self, share: &Share, measured: Measured, publish: bool) -> bool {
        let mut shares = self.locked();
        let Some(record) = shares.get_mut(share) else {
            return false;
        };
        record.counts = Some(match (measured.bytes, record.counts) {
            (Some(_), _) | (_, None) => 0,
            (None, Some(counts)) => counts + 1,
        });
        if publish {
            record.due = Some(measured);
        }
        true
    }

    /// Drops the record of one share.
    pub fn end(&self, share: &Share) {
        self.locked().remove(share);
    }

    /// Drops all records of a deleted tenant, with their metrics.
    pub fn forget(&self, key: &ObjectKey, metrics: &StoreMetrics) {
        self.locked().retain(|share, _| {
            if share.tenant == *key {
                metrics.unused(share.tenant(), &share.store);
            }
            share.tenant != *key
        });
    }

    /// Hash of what plans of the tenant `key` depend on.
    pub fn digest(&self, key: &ObjectKey) -> u64 {
        let shares = self.locked();
        let of_tenant = shares.iter().filter(|(share, _)| share.tenant == *key);
        let due = of_tenant.filter_map(|(share, record)| Some((&share.store, record.due?)));
        let mut due: Vec<_> = due.collect();
        due.sort_unstable_by_key(|(store, _)| *store);
        let mut hasher = DefaultHasher::new();
        due.hash(&mut hasher);
        hasher.finish()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Share, Record>> {
        lock(&self.shares)
    }
}

#[cfg(test)]
mod tests {
    use kamaji_core::data_store::usage::Measured;

    use super::*;

    fn share(store: &str) -> Share {
        let key = ObjectKey {
            namespace: "ns".to_owned(),
            name: "t".to_owned(),
        };
        Share {
            tenant: key,
            store: store.to_owned(),
        }
    }

    fn measured(keys: u64, bytes: Option<u64>) -> Measured {
        Measured {
            keys,
            bytes,
            at: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_size_is_read_first_and_then_every_sixth_time() {
        let (records, share) = (UsageRecords::default(), share("s"));
        assert!(records.start(&share) && !records.start(&share));
        let mut sizes = Vec::new();
        for _ in 0..14 {
            let with_size = records.is_size_due(&share);
            sizes.push(with_size);
            let bytes = with_size.then_some(7);
            assert!(records.record(&share, measured(1, bytes), false));
        }
        let at: Vec<_> = (0..14).filter(|n| sizes[*n]).collect();
        assert_eq!(at, [0, 6, 12]);
    }

    #[test]
    fn only_a_measurement_that_is_due_changes_the_digest() {
        let (records, share) = (UsageRecords::default(), share("s"));
        records.start(&share);
        let before = records.digest(&share.tenant);
        records.record(&share, measured(1, Some(1)), false);
        assert_eq!(records.digest(&share.tenant), before);
        assert_eq!(records.due(&share), None);
        records.record(&share, measured(2, Some(1)), true);
        records.record(&share, measured(3, None), false);
        assert_ne!(records.digest(&share.tenant), before);
        assert_eq!(records.due(&share).unwrap().keys, 2);
    }

    #[test]
    fn a_measurement_of_a_deleted_tenant_is_not_recorded() {
        let (records, metrics) = (UsageRecords::default(), StoreMetrics::default());
        records.start(&share("a"));
        records.start(&share("b"));
        records.end(&share("a"));
        assert!(!records.record(&share("a"), measured(1, None), true));
        records.forget(&share("b").tenant, &metrics);
        assert!(!records.record(&share("b"), measured(1, None), true));
    }
}
