//! Who is looked at next? One key is never worked on twice at once; whoever fails waits longer each
//! time, and nobody else does.

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
    telemetry::QueueMetrics,
    watchdog::{BEAT, Watchdog},
};

/// What became of one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As planned; look again after that, if at all.
    Done {
        /// How long until then.
        requeue_after: Option<Duration>,
    },
    /// It did not work: later, and later each time.
    Retry,
    /// Not yet: look again after that.
    Requeue(Duration),
}

/// Longest wait after failures.
const LONGEST: Duration = Duration::from_mins(5);

/// Keys that want to be looked at.
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
    /// Woken while running: to be run again.
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
    /// True if that is news.
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

    /// The earlier of two times wins.
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

    fn ring(&mut self, now: Instant) {
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

    /// The next key, and since when it waits.
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
                // What happened meanwhile may be the remedy, and must not wait for minutes; nor may
                // the events of its own writes turn back-off into a hot loop.
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

/// How many looks go on at the same time, and for how long at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Keys at the same time.
    pub concurrency: usize,
    /// Longest time of one look.
    pub time: Duration,
}

/// Why a look has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Abort {
    /// It would not end.
    #[error("it took longer than {0:?} and was stopped")]
    TimeOut(Duration),
    /// Its code failed.
    #[error("{0}")]
    Panic(String),
}

/// Looks that go on; `None` is one that took too long.
struct Looks<K> {
    tasks: JoinSet<Option<Outcome>>,
    keys: HashMap<Id, K>,
}

impl<K> Queue<K>
where
    K: Hash + Eq + Clone + Display + Send + Sync + 'static,
{
    /// The same queue, which tells how it does.
    #[must_use]
    pub fn measured(self, metrics: QueueMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// The same queue, whose loop is watched as the part `what`.
    #[must_use]
    pub fn watched(self, what: &'static str, watchdog: &Watchdog) -> Self {
        Self {
            watched: Some((what, watchdog.clone())),
            ..self
        }
    }

    /// The same queue, which tries again at the latest after `longest`, however often it failed.
    #[must_use]
    pub fn retried_within(self, longest: Duration) -> Self {
        self.state().longest = longest;
        self
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State<K>> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Look at `key` as soon as possible.
    pub fn enqueue(&self, key: K) {
        if self.state().enqueue(key, clock::instant()) {
            self.metrics.added();
        }
        self.notify.notify_one();
    }

    /// Look at `key` after a while, unless it is looked at before.
    pub fn enqueue_after(&self, key: K, after: Duration) {
        let at = clock::instant() + after;
        self.state().enqueue_at(key, at);
        self.notify.notify_one();
    }

    /// Keys that wait to be looked at.
    pub fn depth(&self) -> usize {
        self.state().ready.len()
    }

    /// Starts no further look; [`Queue::run`] returns when those that go on have ended.
    pub fn close(&self) {
        self.state().closed = true;
        self.notify.notify_one();
    }

    /// Works until the queue is closed. A look that panics or takes too long is `accident`'s to
    /// report, and counts as a failure of its key alone.
    pub async fn run<W, F, A>(self, limits: Limits, work: W, abort: A)
    where
        W: Fn(K) -> F,
        F: Future<Output = Outcome> + Send + 'static,
        A: Fn(&K, &Abort),
    {
        let mut looks = Looks {
            tasks: JoinSet::new(),
            keys: HashMap::new(),
        };
        loop {
            let next_timer = self.start(limits, &work, &mut looks);
            if looks.tasks.is_empty() && self.state().closed {
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
                Some(done) = looks.tasks.join_next_with_id() => {
                    let (id, outcome) = match done {
                        Ok((id, Some(outcome))) => (id, Ok(outcome)),
                        Ok((id, None)) => {
                            (id, Err(Abort::TimeOut(limits.time)))
                        }
                        Err(error) => (error.id(), Err(Abort::Panic(panic_message(error)))),
                    };
                    let Some(key) = looks.keys.remove(&id) else { continue };
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

    /// Starts whatever is due and fits; the time of the next timer.
    fn start<W, F>(&self, limits: Limits, work: &W, looks: &mut Looks<K>) -> Option<Instant>
    where
        W: Fn(K) -> F,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let now = clock::instant();
        self.state().ring(now);
        while looks.tasks.len() < limits.concurrency {
            // Its own statement: nobody may hold the lock while foreign code makes a future.
            let taken = self.state().take();
            let Some((key, since)) = taken else { break };
            let look = work(key.clone());
            let handle = looks
                .tasks
                .spawn(async move { tokio::time::timeout(limits.time, look).await.ok() });
            self.metrics.started(handle.id(), now.duration_since(since));
            looks.keys.insert(handle.id(), key);
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
#[path = "queue_tests.rs"]
mod tests;
