//! Metrics of work queues, named as controller-runtime names them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::{Duration, Instant},
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tokio::task::Id;

use super::{histogram::seconds, labels::QueueLabels};
use crate::{clock, lock::lock};

/// Metrics of one queue. The default is not registered.
#[derive(Clone, Default)]
pub struct QueueMetrics {
    depth: Gauge<u64, AtomicU64>,
    adds: Counter,
    retries: Counter,
    waited: Option<Histogram>,
    worked: Option<Histogram>,
    unfinished: Gauge<f64, AtomicU64>,
    longest: Gauge<f64, AtomicU64>,
    running: Arc<Mutex<HashMap<Id, Instant>>>,
}

impl QueueMetrics {
    /// Counts a key that was added.
    pub fn added(&self) {
        self.adds.inc();
    }

    /// Sets the number of keys that wait.
    pub fn depth(&self, depth: usize) {
        self.depth.set(depth as u64);
    }

    /// Records that the task `id` started a reconcile of a key that had `waited`.
    pub fn started(&self, id: Id, waited: Duration) {
        if let Some(histogram) = &self.waited {
            histogram.observe(waited.as_secs_f64());
        }
        lock(&self.running).insert(id, clock::instant());
    }

    /// Records that the task `id` ended, and whether its key is retried.
    pub fn finished(&self, id: Id, retry: bool) {
        if retry {
            self.retries.inc();
        }
        let since = lock(&self.running).remove(&id);
        if let (Some(since), Some(histogram)) = (since, &self.worked) {
            histogram.observe(clock::instant().duration_since(since).as_secs_f64());
        }
    }

    /// Updates the gauges that time alone changes.
    fn refresh(&self) {
        let running = lock(&self.running);
        let now = clock::instant();
        let seconds = running
            .values()
            .map(|since| now.duration_since(*since).as_secs_f64());
        self.unfinished
            .set(seconds.clone().fold(0.0, |sum, seconds| sum + seconds));
        self.longest.set(seconds.fold(0.0, f64::max));
    }
}

/// Metrics of all queues by the queue's name.
#[derive(Clone)]
pub(super) struct Queues {
    named: Arc<Mutex<HashMap<&'static str, QueueMetrics>>>,
    depth: Family<QueueLabels, Gauge<u64, AtomicU64>>,
    adds: Family<QueueLabels, Counter>,
    retries: Family<QueueLabels, Counter>,
    waited: Family<QueueLabels, Histogram>,
    worked: Family<QueueLabels, Histogram>,
    unfinished: Family<QueueLabels, Gauge<f64, AtomicU64>>,
    longest: Family<QueueLabels, Gauge<f64, AtomicU64>>,
}

impl Queues {
    pub(super) fn new() -> Self {
        Self {
            named: Arc::default(),
            depth: Family::default(),
            adds: Family::default(),
            retries: Family::default(),
            waited: Family::new_with_constructor(seconds),
            worked: Family::new_with_constructor(seconds),
            unfinished: Family::default(),
            longest: Family::default(),
        }
    }

    /// Metrics of the queue `name`, created at the first call.
    pub(super) fn named(&self, name: &'static str) -> QueueMetrics {
        let labels = QueueLabels {
            name,
            controller: name,
        };
        let make = || QueueMetrics {
            depth: self.depth.get_or_create(&labels).clone(),
            adds: self.adds.get_or_create(&labels).clone(),
            retries: self.retries.get_or_create(&labels).clone(),
            waited: Some(self.waited.get_or_create(&labels).clone()),
            worked: Some(self.worked.get_or_create(&labels).clone()),
            unfinished: self.unfinished.get_or_create(&labels).clone(),
            longest: self.longest.get_or_create(&labels).clone(),
            running: Arc::default(),
        };
        lock(&self.named).entry(name).or_insert_with(make).clone()
    }

    /// Updates the gauges that time alone changes.
    pub(super) fn refresh(&self) {
        lock(&self.named).values().for_each(QueueMetrics::refresh);
    }

    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "workqueue_depth",
            "Keys that wait for a reconcile",
            self.depth.clone(),
        );
        all.register("workqueue_adds", "Keys that were added", self.adds.clone());
        all.register(
            "workqueue_retries",
            "Reconciles that failed",
            self.retries.clone(),
        );
        all.register(
            "workqueue_queue_duration_seconds",
            "Seconds that a key waited for its reconcile",
            self.waited.clone(),
        );
        all.register(
            "workqueue_work_duration_seconds",
            "Seconds that a reconcile took",
            self.worked.clone(),
        );
        all.register(
            "workqueue_unfinished_work_seconds",
            "Seconds of all running reconciles together",
            self.unfinished.clone(),
        );
        all.register(
            "workqueue_longest_running_processor_seconds",
            "Seconds of the reconcile that runs for the longest",
            self.longest.clone(),
        );
    }
}
