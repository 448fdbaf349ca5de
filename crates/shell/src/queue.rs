//! Work queue: deduplicates keys, runs each key at most once concurrently, and backs off per key on failure.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    fmt::Display,
    hash::Hash,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    sync::Notify,
    task::{Id, JoinError, JoinSet},
};

use super::{
    clock,
    lock::lock,
    telemetry::QueueMetrics,
    watchdog::{BEAT, Watchdog},
};

/// Result of one reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Success; the failures of the key are forgotten.
    Done {
        /// Time until the next reconcile; `None` if only an event is to cause one.
        requeue_after: Option<Duration>,
    },
    /// Failure: retried with exponential back-off, 1 s at first.
    Retry,
    /// Not complete yet: reconciled again after this time. Failures are not forgotten.
    Requeue(Duration),
}

impl Outcome {
    /// Value of the label `result` in metrics, as controller-runtime names it.
    pub fn result(self) -> &'static str {
        match self {
            Self::Done { .. } => "success",
            Self::Retry => "error",
            Self::Requeue(_) => "requeue",
        }
    }
}

/// Longest wait after failures.
const LONGEST: Duration = Duration::from_mins(5);

/// Queue of keys to reconcile. Clones share it.
pub struct Queue<K> {
    state: Arc<Mutex<State<K>>>,
    notify: Arc<Notify>,
    metrics: QueueMetrics,
    watched: Option<(&'static str, Watchdog)>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            notify: self.notify.clone(),
            metrics: self.metrics.clone(),
            watched: self.watched.clone(),
        }
    }
}

struct State<K> {
    ready: VecDeque<K>,
    /// Since when each key of `ready` waits.
    queued: HashMap<K, Instant>,
    running: HashSet<K>,
    /// Keys that were enqueued while they ran.
    again: HashSet<K>,
    timers: BTreeSet<(Instant, u64)>,
    timed: HashMap<u64, K>,
    due: HashMap<K, (Instant, u64)>,
    failures: HashMap<K, u32>,
    next: u64,
    closed: bool,
    /// Longest wait after failures.
    longest: Duration,
}

impl<K: Hash + Eq + Clone> Default for Queue<K> {
    fn default() -> Self {
        let state = State {
            ready: VecDeque::new(),
            queued: HashMap::new(),
            running: HashSet::new(),
            again: HashSet::new(),
            timers: BTreeSet::new(),
            timed: HashMap::new(),
            due: HashMap::new(),
            failures: HashMap::new(),
            next: 0,
            closed: false,
            longest: LONGEST,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            notify: Arc::new(Notify::new()),
            metrics: QueueMetrics::default(),
            watched: None,
        }
    }
}

impl<K: Hash + Eq + Clone> State<K> {
    /// Queues `key`; returns false if it was queued already.
    fn enqueue(&mut self, key: K, now: Instant) -> bool {
        if self.running.contains(&key) {
            return self.again.insert(key);
        }
        if self.queued.contains_key(&key) {
            return false;
        }
        self.queued.insert(key.clone(), now);
        self.ready.push_back(key);
        true
    }

    /// Sets a timer for `key`; of two times the earlier counts.
    fn enqueue_at(&mut self, key: K, at: Instant) {
        if let Some((known, id)) = self.due.get(&key).copied() {
            if known <= at {
                return;
            }
            self.timers.remove(&(known, id));
            self.timed.remove(&id);
        }
        self.next += 1;
        let id = self.next;
        self.timers.insert((at, id));
        self.timed.insert(id, key.clone());
        self.due.insert(key, (at, id));
    }

    fn cancel(&mut self, key: &K) {
        if let Some((at, id)) = self.due.remove(key) {
            self.timers.remove(&(at, id));
            self.timed.remove(&id);
        }
    }

    /// Enqueues the keys whose timers are due.
    fn fire_timers(&mut self, now: Instant) {
        while let Some((at, id)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, id));
            if let Some(key) = self.timed.remove(&id) {
                self.due.remove(&key);
                self.enqueue(key, now);
            }
        }
    }

    /// Takes the next key, with the time since when it waits.
    fn take(&mut self) -> Option<(K, Instant)> {
        if self.closed {
            return None;
        }
        let key = self.ready.pop_front()?;
        let (_, since) = self.queued.remove_entry(&key)?;
        self.running.insert(key.clone());
        self.cancel(&key);
        Some((key, since))
    }

    fn finish(&mut self, key: K, outcome: Outcome, now: Instant) {
        self.running.remove(&key);
        let again = self.again.remove(&key);
        match outcome {
            Outcome::Done { requeue_after } => {
                self.failures.remove(&key);
                if let Some(after) = requeue_after {
                    self.enqueue_at(key.clone(), now + after);
                }
            }
            Outcome::Requeue(after) => self.enqueue_at(key.clone(), now + after),
            Outcome::Retry => {
                let failures = self.failures.entry(key.clone()).or_insert(0);
                // A change during the reconcile may be the remedy and must not wait for minutes. Events of
                // the reconcile's own writes must not turn back-off into a hot loop.
                let after = backoff(if again { 0 } else { *failures }, self.longest);
                *failures = failures.saturating_add(1);
                self.enqueue_at(key, now + after);
                return;
            }
        }
        if again {
            self.enqueue(key, now);
        }
    }
}

/// `2^n` seconds with a quarter of jitter, at most `longest`.
fn backoff(failures: u32, longest: Duration) -> Duration {
    let full = Duration::from_secs(1 << failures.min(9)).min(longest);
    clock::jitter(full.mul_f64(0.75), full)
}

/// Limits of the reconciles of a queue.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Keys that are reconciled at the same time.
    pub concurrency: usize,
    /// Longest time of one reconcile.
    pub time: Duration,
}

/// Reason for which a reconcile has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Abort {
    /// The time limit passed.
    #[error("it took longer than {0:?} and was stopped")]
    TimeOut(Duration),
    /// The reconcile panicked, with this message.
    #[error("{0}")]
    Panic(String),
}

/// Running reconciles; the result `None` means that the time limit passed.
struct Running<K> {
    tasks: JoinSet<Option<Outcome>>,
    keys: HashMap<Id, K>,
}

impl<K> Queue<K>
where
    K: Hash + Eq + Clone + Display + Send + Sync + 'static,
{
    /// Publishes metrics of the queue.
    #[must_use]
    pub fn measured(self, metrics: QueueMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// Reports the loop of the queue to `watchdog` as the part `what`.
    #[must_use]
    pub fn watched(self, what: &'static str, watchdog: &Watchdog) -> Self {
        Self {
            watched: Some((what, watchdog.clone())),
            ..self
        }
    }

    /// Limits the back-off to `longest`; 5 minutes by default.
    #[must_use]
    pub fn retried_within(self, longest: Duration) -> Self {
        self.state().longest = longest;
        self
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State<K>> {
        lock(&self.state)
    }

    /// Enqueues `key`. If it is running, it runs once more afterwards.
    pub fn enqueue(&self, key: K) {
        if self.state().enqueue(key, clock::instant()) {
            self.metrics.added();
        }
        self.notify.notify_one();
    }

    /// Enqueues `key` after a while, unless it is taken before. Of several times the earliest counts.
    pub fn enqueue_after(&self, key: K, after: Duration) {
        let at = clock::instant() + after;
        self.state().enqueue_at(key, at);
        self.notify.notify_one();
    }

    /// Number of keys that wait.
    pub fn depth(&self) -> usize {
        self.state().ready.len()
    }

    /// Starts no further reconcile; [`Queue::run`] returns when the running ones have ended.
    pub fn close(&self) {
        self.state().closed = true;
        self.notify.notify_one();
    }

    /// True once the queue was closed: long work should end.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Reconciles keys with `work` until the queue is closed. A reconcile that panics or exceeds its time limit is
    /// passed to `abort` and counts as a failure of its key alone.
    pub async fn run<W, F, A>(self, limits: Limits, work: W, abort: A)
    where
        W: Fn(K) -> F,
        F: Future<Output = Outcome> + Send + 'static,
        A: Fn(&K, &Abort),
    {
        let mut running = Running {
            tasks: JoinSet::new(),
            keys: HashMap::new(),
        };
        loop {
            let next_timer = self.start(limits, &work, &mut running);
            if running.tasks.is_empty() && self.state().closed {
                if let Some((what, watchdog)) = &self.watched {
                    watchdog.done(what);
                }
                return;
            }
            if let Some((what, watchdog)) = &self.watched {
                watchdog.beat(what);
            }
            let timer = async {
                match next_timer {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.notify.notified() => {}
                () = timer => {}
                () = tokio::time::sleep(BEAT), if self.watched.is_some() => {}
                Some(done) = running.tasks.join_next_with_id() => {
                    let (id, outcome) = match done {
                        Ok((id, Some(outcome))) => (id, Ok(outcome)),
                        Ok((id, None)) => {
                            (id, Err(Abort::TimeOut(limits.time)))
                        }
                        Err(error) => (error.id(), Err(Abort::Panic(panic_message(error)))),
                    };
                    let Some(key) = running.keys.remove(&id) else { continue };
                    let outcome = outcome.unwrap_or_else(|what| {
                        abort(&key, &what);
                        Outcome::Retry
                    });
                    self.metrics.finished(id, outcome == Outcome::Retry);
                    self.state().finish(key, outcome, clock::instant());
                }
            }
        }
    }

    /// Starts due keys up to the limit. Returns the time of the next timer.
    fn start<W, F>(&self, limits: Limits, work: &W, running: &mut Running<K>) -> Option<Instant>
    where
        W: Fn(K) -> F,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let now = clock::instant();
        self.state().fire_timers(now);
        while running.tasks.len() < limits.concurrency {
            // A statement of its own, so that the lock is released before `work` makes a future.
            let taken = self.state().take();
            let Some((key, since)) = taken else { break };
            let reconcile = work(key.clone());
            let handle = running
                .tasks
                .spawn(async move { tokio::time::timeout(limits.time, reconcile).await.ok() });
            self.metrics.started(handle.id(), now.duration_since(since));
            running.keys.insert(handle.id(), key);
        }
        let state = self.state();
        self.metrics.depth(state.ready.len());
        if state.closed {
            return None;
        }
        state.timers.first().map(|(at, _)| *at)
    }
}

fn panic_message(error: JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else {
        return "it was cancelled".to_owned();
    };
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests;
