//! A client that lists and watches a type as an informer does: it goes on where it was, and lists anew only if that
//! fails.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use etcd_client::{EventType, GetOptions, WatchOptions, WatchStream};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, watch};

use crate::{
    checker::{Id, Seen, Watcher},
    clients::Link,
    values::parse,
};

/// Most keys of a page, as an API server asks for them.
const PAGE: i64 = 500;
/// Pause after a failure.
const RETRY: Duration = Duration::from_millis(100);

/// Longest time from the first answer to a watch until kine has read where it begins.
const BEGIN: Duration = Duration::from_millis(200);

/// A client that watches.
pub struct Informer {
    link: watch::Receiver<Link>,
    gate: Arc<RwLock<()>>,
    revision: Arc<AtomicI64>,
    end: watch::Receiver<bool>,
    watcher: Watcher,
}

/// Why a watch ended.
enum Ended {
    /// The API server refused it, or is gone.
    Failed,
    /// The clients are led to another API server.
    Elsewhere,
    /// It is over.
    Over,
}

impl Informer {
    /// A client of `prefix` that publishes in `revision` how far it is, until `end` is true.
    pub fn new(
        prefix: &str,
        (link, gate): (watch::Receiver<Link>, Arc<RwLock<()>>),
        (revision, end): (Arc<AtomicI64>, watch::Receiver<bool>),
    ) -> Self {
        let watcher = Watcher {
            prefix: prefix.to_owned(),
            seen: Vec::new(),
        };
        Self {
            link,
            gate,
            revision,
            end,
            watcher,
        }
    }

    /// Lists and watches; returns what it saw.
    pub async fn run(mut self) -> Watcher {
        let mut listed = false;
        loop {
            let link = self.link.borrow_and_update().clone();
            let mut alone = None;
            if !listed {
                if link.kine {
                    alone = Some(Arc::clone(&self.gate).write_owned().await);
                }
                listed = self.list(&link).await;
            }
            let ended = if listed {
                Box::pin(self.follow(&link, alone)).await
            } else {
                drop(alone);
                tokio::time::sleep(RETRY).await;
                Ended::Failed
            };
            match ended {
                Ended::Failed => listed = false,
                Ended::Elsewhere => {}
                Ended::Over => break,
            }
            if *self.end.borrow() {
                break;
            }
        }
        self.watcher
    }

    async fn list(&mut self, link: &Link) -> bool {
        let listing = list(link, &self.watcher.prefix);
        let found = tokio::select! {
            _ = self.end.wait_for(|over| *over) => return false,
            _ = self.link.changed() => return false,
            found = listing => found,
        };
        let Ok((revision, keys)) = found else {
            return false;
        };
        self.revision.store(revision, Ordering::Relaxed);
        self.watcher.seen.push(Seen::List { revision, keys });
        true
    }

    /// Watches after the last revision that was seen. Others may write again once the watch has begun.
    async fn follow(&mut self, link: &Link, alone: Option<OwnedRwLockWriteGuard<()>>) -> Ended {
        let next = self.revision.load(Ordering::Relaxed) + 1;
        let options = WatchOptions::new().with_prefix().with_start_revision(next);
        let path = format!("{}{}", link.root, self.watcher.prefix);
        let mut client = link.client_for(&self.watcher.prefix);
        let opened = tokio::select! {
            _ = self.end.wait_for(|over| *over) => return Ended::Over,
            _ = self.link.changed() => return Ended::Elsewhere,
            opened = client.watch(path, Some(options)) => opened,
        };
        let Ok(mut stream) = opened else {
            return Ended::Failed;
        };
        if let Some(alone) = alone {
            tokio::time::sleep(BEGIN).await;
            drop(alone);
        }
        loop {
            let message = tokio::select! {
                _ = self.end.wait_for(|over| *over) => return Ended::Over,
                _ = self.link.changed() => return Ended::Elsewhere,
                message = read(&mut stream) => message,
            };
            let Some(events) = message else {
                return Ended::Failed;
            };
            self.take(events, &link.root);
        }
    }

    fn take(&mut self, events: Vec<etcd_client::Event>, root: &str) {
        for event in events {
            let kv = event.kv().unwrap();
            let key = kv.key_str().unwrap()[root.len()..].to_owned();
            let state = match event.event_type() {
                EventType::Put => Some(parse(&key, kv.value())),
                EventType::Delete => None,
            };
            let revision = kv.mod_revision();
            self.watcher.seen.push(Seen::Event {
                revision,
                key,
                state,
            });
            self.revision.store(revision, Ordering::Relaxed);
        }
    }
}

/// The next events of a watch; `None` once it has ended.
async fn read(stream: &mut WatchStream) -> Option<Vec<etcd_client::Event>> {
    let message = stream.message().await.ok()??;
    (!message.canceled()).then(|| message.events().to_vec())
}

/// Revision and keys of a list in pages, each at the revision of the first one.
pub async fn list(
    link: &Link,
    prefix: &str,
) -> Result<(i64, BTreeMap<String, Id>), etcd_client::Error> {
    let (mut revision, mut keys) = (0, BTreeMap::new());
    let mut after = format!("{}{prefix}", link.root);
    let end = format!("{after}~");
    loop {
        let page = GetOptions::new()
            .with_range(end.clone())
            .with_limit(PAGE)
            .with_revision(revision);
        let answer = link.client_for(prefix).get(after, Some(page)).await?;
        if revision == 0 {
            revision = answer
                .header()
                .map_or(0, etcd_client::ResponseHeader::revision);
        }
        after = String::new();
        for kv in answer.kvs() {
            let path = kv.key_str()?;
            let key = path[link.root.len()..].to_owned();
            after = format!("{path}\0");
            let id = parse(&key, kv.value());
            keys.insert(key, id);
        }
        if !answer.more() {
            return Ok((revision, keys));
        }
    }
}
