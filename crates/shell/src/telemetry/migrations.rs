//! [`MigrationMetrics`]: migrations of tenants' data by phase and by outcome, and figures of their copies.
//!
//! Label sets are bounded: phases and outcomes are few, and figures are sums over all tenants.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Label of a part of a migration.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Phase {
    phase: &'static str,
}

/// Label of the end of an attempt.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Metrics of migrations. Clones share them.
#[derive(Clone, Default)]
pub struct MigrationMetrics {
    running: Family<Phase, Gauge>,
    ended: Family<Outcome, Counter>,
    keys: Counter,
    bytes: Counter,
    lag: Gauge,
    refused: Counter<f64, std::sync::atomic::AtomicU64>,
}

/// A part of a migration that is under way until the value is dropped.
pub struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl MigrationMetrics {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "kamaji_migrations_running",
            "Tenants whose data is moved now, by phase",
            self.running.clone(),
        );
        all.register(
            "kamaji_migrations_ended",
            "Attempts to move a tenant's data, by outcome",
            self.ended.clone(),
        );
        all.register(
            "kamaji_migration_copied_keys",
            "Keys that were copied",
            self.keys.clone(),
        );
        all.register(
            "kamaji_migration_copied_bytes",
            "Bytes of keys and values that were copied",
            self.bytes.clone(),
        );
        all.register(
            "kamaji_migration_lag_revisions",
            "Revisions of the source that the copy which reported last has not followed",
            self.lag.clone(),
        );
        all.register(
            "kamaji_migration_writes_refused_seconds",
            "Seconds for which writes were refused until a cut",
            self.refused.clone(),
        );
    }

    /// Counts a migration in `phase` until the value is dropped.
    pub fn begin(&self, phase: &'static str) -> Running {
        let gauge = self.running.get_or_create(&Phase { phase }).clone();
        gauge.inc();
        Running(gauge)
    }

    /// Counts the end of an attempt.
    pub fn end(&self, outcome: &'static str) {
        self.ended.get_or_create(&Outcome { outcome }).inc();
    }

    /// Adds keys and bytes that were copied since the last report, and sets the lag.
    pub fn copied(&self, (keys, bytes): (u64, u64), lag: i64) {
        self.keys.inc_by(keys);
        self.bytes.inc_by(bytes);
        self.lag.set(lag);
    }

    /// Adds the seconds for which writes were refused until a cut.
    pub fn refused(&self, seconds: f64) {
        self.refused.inc_by(seconds);
    }
}
