//! What has become of some objects, in the order in which their API server wrote it?
//!
//! Who looks again and again misses what lasts a moment, and two looks never show what was there at the
//! same time. Here each state is kept that a watch brings. Its revision is a number of one sequence for
//! all objects of an API server, so that it tells which of two objects changed first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use futures::StreamExt;
use kamaji_e2e::wait::until;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::task::JoinHandle;

/// Longest wait for something that is to be recorded.
const LIMIT: Duration = Duration::from_mins(5);

/// Group, version and kind.
pub type Kind = (&'static str, &'static str, &'static str);

/// What one object was at a revision.
#[derive(Debug, Clone)]
pub struct State {
    /// When it was written.
    pub revision: u64,
    /// Whether it was removed then.
    pub gone: bool,
    /// The object, as it was last if it is gone.
    pub object: Value,
    kind: Kind,
}

impl State {
    /// Whether it is one of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind
    }

    /// A word of it: `/spec/version`; empty if there is none.
    pub fn word(&self, pointer: &str) -> &str {
        let found = self.object.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default()
    }

    /// Which object it is, whatever its name.
    pub fn uid(&self) -> &str {
        self.word("/metadata/uid")
    }
}

#[derive(Default)]
struct Book {
    states: Vec<State>,
    listed: usize,
    torn: bool,
}

/// Goes on until it is dropped.
pub struct Record {
    book: Arc<Mutex<Book>>,
    watches: Vec<JoinHandle<()>>,
}

impl Drop for Record {
    fn drop(&mut self) {
        for watch in &self.watches {
            watch.abort();
        }
    }
}

impl Record {
    /// Of all objects of these kinds in a namespace; everywhere if it is empty. It has begun when this
    /// returns.
    pub async fn of(client: &Client, namespace: &str, kinds: &[Kind]) -> Result<Self> {
        let book = Arc::new(Mutex::new(Book::default()));
        let watches = kinds.iter().map(|kind| {
            let (group, version, name) = *kind;
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, name));
            let api = match namespace {
                "" => Api::all_with(client.clone(), &resource),
                _ => Api::namespaced_with(client.clone(), namespace, &resource),
            };
            tokio::spawn(follow(api, *kind, book.clone()))
        });
        let watches: Vec<_> = watches.collect();
        let record = Self { book, watches };
        let all = kinds.len();
        until("all is listed", Duration::from_secs(20), || async {
            let listed = record.read(|book| book.listed)?;
            ensure!(listed == all, "{listed} kinds of {all}");
            Ok(())
        })
        .await?;
        Ok(record)
    }

    /// The first state that is so, waited for if need be.
    pub async fn first(&self, what: &str, is: impl Fn(&State) -> bool) -> Result<State> {
        until(what, LIMIT, || async {
            let found = self.read(|book| book.states.iter().find(|state| is(state)).cloned())?;
            found.ok_or_else(|| anyhow!("no such state is recorded"))
        })
        .await
    }

    /// All states that are so, those of each kind in their order.
    pub fn all(&self, is: impl Fn(&State) -> bool) -> Result<Vec<State>> {
        self.read(|book| {
            let found = book.states.iter().filter(|state| is(state));
            found.cloned().collect()
        })
    }

    fn read<T>(&self, look: impl Fn(&Book) -> T) -> Result<T> {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(
            !book.torn,
            "a watch had to begin anew: states may be missing"
        );
        Ok(look(&book))
    }
}

async fn follow(api: Api<DynamicObject>, kind: Kind, book: Arc<Mutex<Book>>) {
    let mut events = watch(api, watcher::Config::default())
        .default_backoff()
        .boxed();
    let mut begun = false;
    while let Some(event) = events.next().await {
        // An error is followed by the next attempt, which begins anew if it cannot go on.
        let Ok(event) = event else { continue };
        let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
        let (object, gone) = match event {
            Event::Init => {
                book.torn |= begun;
                continue;
            }
            Event::InitDone => {
                begun = true;
                book.listed += 1;
                continue;
            }
            Event::InitApply(object) | Event::Apply(object) => (object, false),
            Event::Delete(object) => (object, true),
        };
        match state(kind, &object, gone) {
            Some(state) => book.states.push(state),
            None => book.torn = true,
        }
    }
}

fn state(kind: Kind, object: &DynamicObject, gone: bool) -> Option<State> {
    Some(State {
        revision: object.resource_version()?.parse().ok()?,
        gone,
        object: serde_json::to_value(object).ok()?,
        kind,
    })
}
