//! [`StoreMetrics`]: answers of DataStores to probes, and the size of each tenant's data in them.
//!
//! Label sets are bounded: one per DataStore, and one per tenant and DataStore that holds data of it.

use std::{
    sync::atomic::AtomicU64,
    time::{Duration, SystemTime},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::ObjectKey;

/// Labels of a DataStore.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Store {
    datastore_name: String,
}

/// Labels of a tenant's data in a DataStore.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Share {
    tcp_namespace: String,
    tcp_name: String,
    datastore_name: String,
}

/// Gauges of DataStores and of the tenants' data in them. Clones share them.
#[derive(Clone, Default)]
pub struct StoreMetrics {
    up: Family<Store, Gauge>,
    latency: Family<Store, Gauge<f64, AtomicU64>>,
    probed: Family<Store, Gauge>,
    keys: Family<Share, Gauge<u64, AtomicU64>>,
    bytes: Family<Share, Gauge<u64, AtomicU64>>,
}

impl StoreMetrics {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "kamaji_datastore_up",
            "1 if the datastore passed its last probe, 0 if not",
            self.up.clone(),
        );
        all.register(
            "kamaji_datastore_latency_seconds",
            "Seconds that one request of the last probe with an answer took",
            self.latency.clone(),
        );
        all.register(
            "kamaji_datastore_probe_timestamp_seconds",
            "Unix time of the last probe",
            self.probed.clone(),
        );
        all.register(
            "kamaji_datastore_tenant_keys",
            "Keys, or rows of kine's table, that each tenant has in a datastore",
            self.keys.clone(),
        );
        all.register(
            "kamaji_datastore_tenant_bytes",
            "Bytes that each tenant has in a datastore",
            self.bytes.clone(),
        );
    }

    /// Records a probe of the DataStore `name`: whether it passed, and the time of one request if there was an
    /// answer.
    pub fn probed(&self, name: &str, passed: bool, latency: Option<Duration>) {
        let store = Store {
            datastore_name: name.to_owned(),
        };
        self.up.get_or_create(&store).set(i64::from(passed));
        if let Some(latency) = latency {
            self.latency
                .get_or_create(&store)
                .set(latency.as_secs_f64());
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_secs());
        let seconds = i64::try_from(now).unwrap_or(i64::MAX);
        self.probed.get_or_create(&store).set(seconds);
    }

    /// Removes the gauges of a deleted DataStore.
    pub fn forget(&self, name: &str) {
        let store = Store {
            datastore_name: name.to_owned(),
        };
        self.up.remove(&store);
        self.latency.remove(&store);
        self.probed.remove(&store);
    }

    /// Sets keys and bytes of a tenant in the DataStore `store`; bytes that were not measured stay as they are.
    pub fn used(&self, tenant: &ObjectKey, store: &str, (keys, bytes): (u64, Option<u64>)) {
        let share = share(tenant, store);
        self.keys.get_or_create(&share).set(keys);
        if let Some(bytes) = bytes {
            self.bytes.get_or_create(&share).set(bytes);
        }
    }

    /// Removes the gauges of a tenant that has no data in the DataStore `store` any more.
    pub fn unused(&self, tenant: &ObjectKey, store: &str) {
        let share = share(tenant, store);
        self.keys.remove(&share);
        self.bytes.remove(&share);
    }
}

fn share(tenant: &ObjectKey, store: &str) -> Share {
    Share {
        tcp_namespace: tenant.namespace.clone(),
        tcp_name: tenant.name.clone(),
        datastore_name: store.to_owned(),
    }
}
