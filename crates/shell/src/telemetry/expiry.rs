//! Seconds until the first certificate of each purpose ends, over all tenants and DataStores.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::jiff::Timestamp;
use kamaji_core::pki::expiry::{Expiry, Purpose};
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::labels::ExpiryLabels;

/// What ends when, by whose it is.
type Ends = HashMap<String, Vec<(Purpose, Timestamp)>>;

/// Ends of certificates that nobody renews by itself, by whose they are.
#[derive(Clone, Default)]
pub struct Expiries {
    ends: Arc<Mutex<Ends>>,
    seconds: Family<ExpiryLabels, Gauge<i64>>,
}

impl Expiries {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "kamaji_certificate_expiry_seconds",
            "Seconds until the first certificate of each kind ends that the operator does not renew",
            self.seconds.clone(),
        );
    }

    /// The certificates of `owner`, a tenant or a DataStore.
    pub fn set(&self, owner: &str, expiries: &[Expiry]) {
        let ends = expiries.iter().map(|expiry| (expiry.purpose, expiry.ends));
        self.locked().insert(owner.to_owned(), ends.collect());
    }

    /// `owner` is gone.
    pub fn forget(&self, owner: &str) {
        self.locked().remove(owner);
    }

    /// Puts the gauges right.
    pub(super) fn refresh(&self, now: Timestamp) {
        let ends = self.locked();
        for purpose in Purpose::ALL {
            let labels = ExpiryLabels {
                kind: purpose.as_str(),
            };
            let all = ends.values().flatten().filter(|(of, _)| *of == purpose);
            match all.map(|(_, at)| *at).min() {
                Some(first) => {
                    let seconds = first.as_second() - now.as_second();
                    self.seconds.get_or_create(&labels).set(seconds);
                }
                None => {
                    self.seconds.remove(&labels);
                }
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
