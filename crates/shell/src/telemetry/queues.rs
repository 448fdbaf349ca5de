//! How do the work queues do?

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

use super::{QueueLabels, seconds};
use crate::clock;

/// One queue under its name; by default one that nobody reads.
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
    /// A key came in.
    pub fn added(&self) {
        self.adds.inc();
    }

    /// So many keys wait.
    pub fn depth(&self, depth: usize) {
        self.depth.set(depth as u64);
    }

    /// A look began for a key that had waited.
    pub fn started(&self, id: Id, waited: Duration) {
        if let Some(histogram) = &self.waited {
            histogram.observe(waited.as_secs_f64());
        }
        locked(&self.running).insert(id, clock::instant());
    }

    /// A look ended.
    pub fn finished(&self, id: Id, retry: bool) {
        if retry {
            self.retries.inc();
        }
        let since = locked(&self.running).remove(&id);
        if let (Some(since), Some(histogram)) = (since, &self.worked) {
            histogram.observe(clock::instant().duration_since(since).as_secs_f64());
        }
    }

    /// Puts right what time alone changes.
    fn refresh(&self) {
        let running = locked(&self.running);
        let now = clock::instant();
        let seconds = running
            .values()
            .map(|since| now.duration_since(*since).as_secs_f64());
        self.unfinished
            .set(seconds.clone().fold(0.0, |sum, one| sum + one));
        self.longest.set(seconds.fold(0.0, f64::max));
    }
}

/// Every queue by its name, and what each of their metrics is called.
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
        locked(&self.named).entry(name).or_insert_with(make).clone()
    }

    pub(super) fn refresh(&self) {
        locked(&self.named).values().for_each(QueueMetrics::refresh);
    }

    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "workqueue_depth",
            "Keys that wait to be looked at",
            self.depth.clone(),
        );
        all.register("workqueue_adds", "Keys that came in", self.adds.clone());
        all.register(
            "workqueue_retries",
            "Looks that did not work",
            self.retries.clone(),
        );
        all.register(
            "workqueue_queue_duration_seconds",
            "Seconds that a key waited for its look",
            self.waited.clone(),
        );
        all.register(
            "workqueue_work_duration_seconds",
            "Seconds that a look took",
            self.worked.clone(),
        );
        all.register(
            "workqueue_unfinished_work_seconds",
            "Seconds of all looks that go on, together",
            self.unfinished.clone(),
        );
        all.register(
            "workqueue_longest_running_processor_seconds",
            "Seconds of the look that goes on for the longest",
            self.longest.clone(),
        );
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
