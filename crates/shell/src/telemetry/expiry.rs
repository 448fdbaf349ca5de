//! [`Expiries`]: seconds until the first certificate of each purpose expires, over all tenants and DataStores.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use k8s_openapi::jiff::Timestamp;
use kamaji_core::pki::expiry::{Expiry, Purpose};
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::labels::ExpiryLabels;
use crate::lock::lock;

/// Purpose and end of certificates by owner.
type Ends = HashMap<String, Vec<(Purpose, Timestamp)>>;

/// Ends of the certificates that the operator does not renew, by owner. Clones share them.
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

    /// Replaces the certificates of `owner`: a tenant as `namespace/name`, or the name of a DataStore.
    pub fn set(&self, owner: &str, expiries: &[Expiry]) {
        let ends = expiries.iter().map(|expiry| (expiry.purpose, expiry.ends));
        lock(&self.ends).insert(owner.to_owned(), ends.collect());
    }

    /// Removes the certificates of a deleted `owner`.
    pub fn forget(&self, owner: &str) {
        lock(&self.ends).remove(owner);
    }

    /// Updates the gauges to the time `now`.
    pub(super) fn refresh(&self, now: Timestamp) {
        let ends = lock(&self.ends);
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
}
