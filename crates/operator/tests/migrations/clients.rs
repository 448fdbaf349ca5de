//! Clients of a tenant that write, list and watch through a migration, and remember what they saw.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use etcd_client::Client;
use tokio::{
    sync::{RwLock, watch},
    task::{JoinHandle, JoinSet},
};

use crate::{
    checker::{History, Seen, State, Watcher, Write},
    informer::{Informer, list},
    world::Service,
    writer::{self, Written},
};

/// Clients that write at the same time.
pub const WRITERS: u32 = 20;
/// Types of objects, of which each has a client that watches it: what an API server writes for ConfigMaps, Secrets,
/// instances of a CRD with a status subresource, and Leases.
pub const TYPES: [&str; 4] = ["configmaps/", "secrets/", "example.com/widgets/", "leases/"];
/// Longest time without any acknowledged write where writes are due.
const STALL: Duration = Duration::from_mins(1);
/// Longest time in which a client that watches has to see the last write.
const CATCH_UP: Duration = Duration::from_secs(20);

/// Present address of the tenant's API server.
#[derive(Clone)]
pub struct Link {
    pub client: Client,
    pub root: String,
    /// True if it is a kine. Its lists may lack writes that are under way and have older revisions than the list, and so
    /// may its watches at their begin: nobody writes meanwhile.
    pub kine: bool,
    /// Prefix of keys that are in another etcd, and its client.
    pub moved: Option<(String, Client)>,
}

impl Link {
    /// The client for a key below the root.
    pub fn client_for(&self, key: &str) -> Client {
        match &self.moved {
            Some((prefix, client)) if key.starts_with(prefix) => client.clone(),
            _ => self.client.clone(),
        }
    }
}

impl From<&Service> for Link {
    fn from(service: &Service) -> Self {
        Self {
            client: service.client.clone(),
            root: service.root.clone(),
            kine: service.is_kine(),
            moved: None,
        }
    }
}

/// State that the clients share.
pub struct Shared {
    pub stop: AtomicBool,
    /// Held by each client that writes, and exclusively by one that lists a kine.
    pub gate: Arc<RwLock<()>>,
    pub acknowledged: AtomicU64,
    pub refused: AtomicU64,
    /// Writes that another one of the same key preceded.
    pub conflicts: AtomicU64,
    /// Reads without an answer, each of which is tried again.
    pub unread: AtomicU64,
    /// Errors of refused writes of keys other than Leases.
    pub refused_beside: Mutex<Vec<String>>,
    /// Time of the last acknowledgement, and the longest time between two.
    pub pause: Mutex<(Instant, Duration)>,
}

/// Figures of the clients.
pub struct Figures {
    pub acknowledged: u64,
    pub refused: u64,
    pub refused_beside: Vec<String>,
    pub longest_pause: Duration,
    pub seen: usize,
}

/// The clients, which write until they are stopped.
pub struct Clients {
    link: watch::Sender<Link>,
    shared: Arc<Shared>,
    writers: JoinSet<Written>,
    watchers: Vec<Watching>,
}

/// A client that watches.
struct Watching {
    revision: Arc<AtomicI64>,
    end: watch::Sender<bool>,
    task: JoinHandle<Watcher>,
}

impl Clients {
    /// Starts clients whose choices follow from `seed`.
    pub fn start(service: &Service, seed: u64) -> Self {
        let (link, present) = watch::channel(Link::from(service));
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            gate: Arc::default(),
            acknowledged: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            unread: AtomicU64::new(0),
            refused_beside: Mutex::default(),
            pause: Mutex::new((Instant::now(), Duration::ZERO)),
        });
        let mut writers = JoinSet::new();
        for number in 0..WRITERS {
            writers.spawn(writer::run(
                (number, seed),
                present.clone(),
                Arc::clone(&shared),
            ));
        }
        let watchers = TYPES.map(|prefix| {
            let revision = Arc::new(AtomicI64::new(0));
            let (end, ended) = watch::channel(false);
            let progress = (Arc::clone(&revision), ended);
            let gate = Arc::clone(&shared.gate);
            let informer = Informer::new(prefix, (present.clone(), gate), progress);
            Watching {
                revision,
                end,
                task: tokio::spawn(informer.run()),
            }
        });
        Self {
            link,
            shared,
            writers,
            watchers: watchers.into(),
        }
    }

    /// Number of acknowledged writes up to now.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Leads the clients to another API server.
    pub fn go_to(&self, service: &Service) {
        self.link.send_replace(Link::from(service));
    }

    /// Leads the clients to an API server that has the keys with a prefix in another etcd.
    pub fn lead_to(&self, service: &Service, (prefix, other): (&str, &Service)) {
        self.link.send_replace(Link {
            moved: Some((prefix.to_owned(), other.client.clone())),
            ..Link::from(service)
        });
    }

    /// Waits until `more` further writes are acknowledged. Fails once a minute has brought none.
    pub async fn write_on(&self, more: u64) {
        let before = self.counts();
        let (mut last, mut since) = (before[0], Instant::now());
        while last < before[0] + more {
            let acknowledged = self.acknowledged();
            if acknowledged != last {
                (last, since) = (acknowledged, Instant::now());
            }
            assert!(since.elapsed() < STALL, "{}", self.stalled(before, more));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Numbers of writes that were acknowledged, refused, and preceded by another one, and of reads without an answer.
    fn counts(&self) -> [u64; 4] {
        let shared = &self.shared;
        let counts = [
            &shared.acknowledged,
            &shared.refused,
            &shared.conflicts,
            &shared.unread,
        ];
        counts.map(|count| count.load(Ordering::Relaxed))
    }

    /// Text about what the clients met since the counts `before`, when `more` writes were due.
    fn stalled(&self, before: [u64; 4], more: u64) -> String {
        let now = self.counts();
        let [acknowledged, refused, conflicts, unread] =
            std::array::from_fn(|n| now[n] - before[n]);
        let errors = self.shared.refused_beside.lock().unwrap();
        let last = &errors[errors.len().saturating_sub(3)..];
        format!(
            "no write was acknowledged for {STALL:?}: {acknowledged} of {more} were, {refused} were refused, {conflicts} preceded by another one, {unread} reads had no answer; the last refusals of all: {last:#?}"
        )
    }

    /// Stops the clients once those that watch have seen what was written, and lists everything once more.
    pub async fn stop(mut self) -> (History, Figures) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut history = History::default();
        while let Some(ended) = self.writers.join_next().await {
            let written = ended.unwrap();
            history.acknowledged.push(written.acknowledged);
            history.open.extend(written.open);
        }
        for (prefix, watching) in TYPES.iter().zip(self.watchers) {
            let last = newest(&history, prefix);
            let started = Instant::now();
            while watching.revision.load(Ordering::Relaxed) < last && started.elapsed() < CATCH_UP {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            watching.end.send_replace(true);
            history.watchers.push(watching.task.await.unwrap());
        }
        let seen = history.watchers.iter().map(|watcher| watcher.seen.len());
        let figures = Figures {
            acknowledged: self.shared.acknowledged.load(Ordering::Relaxed),
            refused: self.shared.refused.load(Ordering::Relaxed),
            refused_beside: self.shared.refused_beside.lock().unwrap().clone(),
            longest_pause: self.shared.pause.lock().unwrap().1,
            seen: seen.sum(),
        };
        let link = self.link.borrow().clone();
        for prefix in TYPES {
            let (revision, keys) = list(&link, prefix).await.unwrap();
            history.watchers.push(Watcher {
                prefix: prefix.to_owned(),
                seen: vec![Seen::List { revision, keys }],
            });
        }
        (history, figures)
    }
}

/// Revision of the last acknowledged write of a type.
fn newest(history: &History, prefix: &str) -> i64 {
    let writes = history.acknowledged.iter().flatten();
    let of_type = writes.filter(|write: &&Write| write.key.starts_with(prefix));
    of_type.map(|write| write.revision).max().unwrap_or(0)
}

/// Revisions of keys, as a client knows them.
pub type Revisions = BTreeMap<String, i64>;

/// A write that a client is about to make.
pub struct Attempt {
    pub key: String,
    pub state: State,
}
