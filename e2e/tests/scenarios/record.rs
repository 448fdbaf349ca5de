//! History of some objects, in the order in which their API server wrote them.
//!
//! Polling misses short-lived states, and two polls never show what existed at the same time. A
//! [`Record`] has every state that a watch delivers. Its revision is a number of one sequence for all
//! objects of an API server, which orders the changes of different objects.

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

/// Longest wait for a state.
const LIMIT: Duration = Duration::from_mins(5);

/// Group, version and kind of an object.
pub type Kind = (&'static str, &'static str, &'static str);

/// State of one object at a revision.
#[derive(Debug, Clone)]
pub struct State {
    /// Resource version of the state.
    pub revision: u64,
    /// True if the object was removed at this revision.
    pub gone: bool,
    /// The object; its last state if it was removed.
    pub object: Value,
    kind: Kind,
}

impl State {
    /// True if the object is of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind
    }

    /// Text at a JSON pointer of the object, such as `/spec/version`; empty if there is none.
    pub fn word(&self, pointer: &str) -> &str {
        let found = self.object.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default()
    }

    /// Uid of the object.
    pub fn uid(&self) -> &str {
        self.word("/metadata/uid")
    }
}

#[derive(Default)]
struct History {
    states: Vec<State>,
    listed: usize,
    incomplete: bool,
}

/// States of the watched objects; the watches end when it is dropped.
pub struct Record {
    history: Arc<Mutex<History>>,
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
    /// Starts a record of all objects of these kinds in a namespace; in all namespaces if it is
    /// empty. The existing objects are recorded when this returns.
    pub async fn of(client: &Client, namespace: &str, kinds: &[Kind]) -> Result<Self> {
        let history = Arc::new(Mutex::new(History::default()));
        let watches = kinds.iter().map(|kind| {
            let (group, version, name) = *kind;
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, name));
            let api = match namespace {
                "" => Api::all_with(client.clone(), &resource),
                _ => Api::namespaced_with(client.clone(), namespace, &resource),
            };
            tokio::spawn(record_watch(api, *kind, history.clone()))
        });
        let watches: Vec<_> = watches.collect();
        let record = Self { history, watches };
        let all = kinds.len();
        until("all kinds are listed", Duration::from_secs(20), || async {
            let listed = record.read(|history| history.listed)?;
            ensure!(listed == all, "{listed} kinds of {all}");
            Ok(())
        })
        .await?;
        Ok(record)
    }

    /// First state for which `is` holds; waits for it.
    pub async fn first(&self, what: &str, is: impl Fn(&State) -> bool) -> Result<State> {
        until(what, LIMIT, || async {
            let found =
                self.read(|history| history.states.iter().find(|state| is(state)).cloned())?;
            found.ok_or_else(|| anyhow!("no such state is recorded"))
        })
        .await
    }

    /// All states for which `is` holds, those of each kind in their order.
    pub fn all(&self, is: impl Fn(&State) -> bool) -> Result<Vec<State>> {
        self.read(|history| {
            let found = history.states.iter().filter(|state| is(state));
            found.cloned().collect()
        })
    }

    fn read<T>(&self, read: impl Fn(&History) -> T) -> Result<T> {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(
            !history.incomplete,
            "a watch had to restart: states may be missing"
        );
        Ok(read(&history))
    }
}

async fn record_watch(api: Api<DynamicObject>, kind: Kind, history: Arc<Mutex<History>>) {
    let mut events = watch(api, watcher::Config::default())
        .default_backoff()
        .boxed();
    let mut listed_before = false;
    while let Some(event) = events.next().await {
        // The watcher retries after an error and lists again if it cannot resume.
        let Ok(event) = event else { continue };
        let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
        let (object, gone) = match event {
            Event::Init => {
                history.incomplete |= listed_before;
                continue;
            }
            Event::InitDone => {
                listed_before = true;
                history.listed += 1;
                continue;
            }
            Event::InitApply(object) | Event::Apply(object) => (object, false),
            Event::Delete(object) => (object, true),
        };
        match state(kind, &object, gone) {
            Some(state) => history.states.push(state),
            None => history.incomplete = true,
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
