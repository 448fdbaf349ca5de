//! Who is looked at next? One key is never worked on twice at once; whoever fails waits longer each
//! time, and nobody else does.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    fmt::Display,
    hash::Hash,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task::JoinSet};

use super::clock;

/// What became of one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As planned; look again after that, if at all.
    Done {
        /// How long until then.
        wake: Option<Duration>,
    },
    /// It did not work: later, and later each time.
    Retry,
    /// Not yet: look again after that.
    Wait(Duration),
}

/// Longest wait after failures.
const LONGEST: Duration = Duration::from_secs(300);

/// Keys that want to be looked at.
pub struct Queue<K> {
    state: Arc<Mutex<State<K>>>,
    notify: Arc<Notify>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            notify: self.notify.clone(),
        }
    }
}

struct State<K> {
    ready: VecDeque<K>,
    queued: HashSet<K>,
    running: HashSet<K>,
    /// Woken while running: to be run again.
    again: HashSet<K>,
    timers: BTreeSet<(Instant, u64)>,
    timed: HashMap<u64, K>,
    due: HashMap<K, (Instant, u64)>,
    failures: HashMap<K, u32>,
    next: u64,
}

impl<K: Hash + Eq + Clone> Default for Queue<K> {
    fn default() -> Self {
        let state = State {
            ready: VecDeque::new(),
            queued: HashSet::new(),
            running: HashSet::new(),
            again: HashSet::new(),
            timers: BTreeSet::new(),
            timed: HashMap::new(),
            due: HashMap::new(),
            failures: HashMap::new(),
            next: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            notify: Arc::new(Notify::new()),
        }
    }
}

impl<K: Hash + Eq + Clone> State<K> {
    fn wake(&mut self, key: K) {
        if self.running.contains(&key) {
            self.again.insert(key);
        } else if self.queued.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    /// The earlier of two times wins.
    fn wake_at(&mut self, key: K, at: Instant) {
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
                self.wake(key);
            }
        }
    }

    fn take(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        self.queued.remove(&key);
        self.running.insert(key.clone());
        self.cancel(&key);
        Some(key)
    }

    fn finish(&mut self, key: K, outcome: Outcome, now: Instant) {
        self.running.remove(&key);
        let again = self.again.remove(&key);
        match outcome {
            Outcome::Done { wake } => {
                self.failures.remove(&key);
                if let Some(after) = wake {
                    self.wake_at(key.clone(), now + after);
                }
            }
            Outcome::Wait(after) => self.wake_at(key.clone(), now + after),
            Outcome::Retry => {
                let failures = self.failures.entry(key.clone()).or_insert(0);
                let after = backoff(*failures);
                *failures += 1;
                // Events while it failed must not turn back-off into a hot loop.
                self.wake_at(key, now + after);
                return;
            }
        }
        if again {
            self.wake(key);
        }
    }
}

/// `2^n` seconds with a quarter of jitter, at most five minutes.
fn backoff(failures: u32) -> Duration {
    let full = Duration::from_secs(1 << failures.min(9)).min(LONGEST);
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

impl<K> Queue<K>
where
    K: Hash + Eq + Clone + Display + Send + Sync + 'static,
{
    fn state(&self) -> std::sync::MutexGuard<'_, State<K>> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Look at `key` as soon as possible.
    pub fn wake(&self, key: K) {
        self.state().wake(key);
        self.notify.notify_one();
    }

    /// Look at `key` after a while, unless it is looked at before.
    pub fn wake_after(&self, key: K, after: Duration) {
        let at = clock::instant() + after;
        self.state().wake_at(key, at);
        self.notify.notify_one();
    }

    /// Keys that wait to be looked at.
    pub fn depth(&self) -> usize {
        self.state().ready.len()
    }

    /// Works for ever. A look that panics or takes too long is `accident`'s to report, and counts
    /// as a failure of its key alone.
    pub async fn run<W, F, A>(self, limits: Limits, work: W, accident: A)
    where
        W: Fn(K) -> F,
        F: Future<Output = Outcome> + Send + 'static,
        A: Fn(&K, &str),
    {
        let mut tasks: JoinSet<Outcome> = JoinSet::new();
        let mut keys: HashMap<tokio::task::Id, K> = HashMap::new();
        loop {
            let next_timer = self.start(limits, &work, (&mut tasks, &mut keys));
            let timer = async {
                match next_timer {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.notify.notified() => {}
                () = timer => {}
                Some(done) = tasks.join_next_with_id() => {
                    let (id, outcome) = match done {
                        Ok((id, outcome)) => (id, Ok(outcome)),
                        Err(error) => (error.id(), Err(error)),
                    };
                    let Some(key) = keys.remove(&id) else { continue };
                    let outcome = outcome.unwrap_or_else(|error| {
                        accident(&key, &panic_message(error));
                        Outcome::Retry
                    });
                    self.state().finish(key, outcome, clock::instant());
                }
            }
        }
    }

    /// Starts whatever is due and fits; the time of the next timer.
    fn start<W, F>(
        &self,
        limits: Limits,
        work: &W,
        (tasks, keys): (&mut JoinSet<Outcome>, &mut HashMap<tokio::task::Id, K>),
    ) -> Option<Instant>
    where
        W: Fn(K) -> F,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut state = self.state();
        state.ring(clock::instant());
        while tasks.len() < limits.concurrency {
            let Some(key) = state.take() else { break };
            let name = key.to_string();
            let look = work(key.clone());
            let handle = tasks.spawn(async move {
                if let Ok(outcome) = tokio::time::timeout(limits.time, look).await {
                    return outcome;
                }
                tracing::warn!(object = %name, limit = ?limits.time, "took too long, trying again later");
                Outcome::Retry
            });
            keys.insert(handle.id(), key);
        }
        state.timers.first().map(|(at, _)| *at)
    }
}

fn panic_message(error: tokio::task::JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else {
        return "cancelled".to_owned();
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
