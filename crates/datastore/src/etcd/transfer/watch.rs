//! Watch of one tenant's keys that knows up to which revision it has received every change.
//!
//! An event says nothing of the events behind it, so that the watch asks for its progress: etcd answers with the
//! revision up to which everything was sent, once it has sent that. Responses are fragmented and taken from the
//! connection one at a time, so that memory is bounded by a batch and one response.

use std::collections::VecDeque;
use std::time::Duration;

use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};
use semver::Version;
use tokio::time::{Instant, timeout};

use super::super::paging::ANSWER;
use super::scope::Scope;
use crate::error::Error;
use crate::transfer::{BATCH_BYTES, BATCH_RECORDS, Record};

/// Most changes of one revision, by etcd's default bound of a transaction.
const TRANSACTION: usize = 128;
/// Pause before progress is asked for again: etcd gives no answer while a watch has events to catch up with.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest time without progress.
const PATIENCE: Duration = Duration::from_secs(10);

/// A change that was received, its lease not looked up yet.
pub(super) enum Pending {
    Put { record: Record, lease: i64 },
    Delete { key: Vec<u8>, revision: i64 },
}

impl Pending {
    pub(super) fn lease(&self) -> i64 {
        match self {
            Self::Put { lease, .. } => *lease,
            Self::Delete { .. } => 0,
        }
    }

    fn revision(&self) -> i64 {
        match self {
            Self::Put { record, .. } => record.modified,
            Self::Delete { revision, .. } => *revision,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Put { record, .. } => record.key.len() + record.value.len(),
            Self::Delete { key, .. } => key.len(),
        }
    }
}

/// End of a watch.
pub(super) enum Lost {
    /// Changes that were not received were compacted.
    Compacted,
    /// The watch or its connection broke, for this reason; another may be opened.
    Broken(String),
}

/// A watch of one tenant's keys.
pub(super) struct Watch {
    stream: WatchStream,
    /// Revision up to which changes were taken.
    taken: i64,
    /// Revision up to which every change was received.
    complete: i64,
    pending: VecDeque<Pending>,
    bytes: usize,
}

impl Watch {
    /// Opens a watch of the changes after `after`.
    pub(super) async fn open(scope: &Scope, after: i64) -> Result<Result<Self, Lost>, Error> {
        let doing = format!("watching {}", scope.own);
        let hull = scope.hull();
        let options = &WatchOptions::new()
            .with_range(hull.end)
            .with_start_revision(after + 1)
            .with_fragment();
        let start = &hull.start;
        let (version, stream) = scope
            .etcd
            .members
            .call(doing.as_str(), |mut client| async move {
                let version = client.status().await?.version().to_owned();
                let mut watcher = client.watch_client().max_decoding_message_size(ANSWER);
                let stream = watcher.watch(start.clone(), Some(options.clone())).await?;
                Ok((version, stream))
            })
            .await?;
        if !tells_progress(&version) {
            return Err(Error::Unsuitable {
                site: scope.etcd.members.site(doing),
                cause: format!("etcd {version} answers before it has sent every change"),
                remedy: "upgrade etcd to 3.5.8 or newer",
            });
        }
        let mut watch = Self {
            stream,
            taken: after,
            complete: after,
            pending: VecDeque::new(),
            bytes: 0,
        };
        let created = timeout(PATIENCE, watch.stream.message()).await;
        Ok(match created {
            Ok(Ok(Some(response))) => watch.accept(scope, &response).map(|()| watch),
            Ok(Ok(None)) => Err(Lost::Broken("the watch ended".to_owned())),
            Ok(Err(error)) => Err(Lost::Broken(error.to_string())),
            Err(_) => Err(Lost::Broken("no answer to a watch".to_owned())),
        })
    }

    /// Revision up to which changes were taken.
    pub(super) fn position(&self) -> i64 {
        self.taken
    }

    /// Receives every change up to `goal`, or as many as a batch holds.
    pub(super) async fn receive(&mut self, scope: &Scope, goal: i64) -> Result<(), Lost> {
        let mut deadline = Instant::now() + PATIENCE;
        let mut asked = Instant::now();
        if self.complete < goal {
            self.ask().await?;
        }
        while self.complete < goal && !self.is_full() {
            let before = self.complete;
            match timeout(PAUSE, self.stream.message()).await {
                Ok(Ok(Some(response))) => self.accept(scope, &response)?,
                Ok(Ok(None)) => return Err(Lost::Broken("the watch ended".to_owned())),
                Ok(Err(error)) => return Err(Lost::Broken(error.to_string())),
                Err(_) => {}
            }
            if self.complete > before {
                deadline = Instant::now() + PATIENCE;
            } else if Instant::now() > deadline {
                let cause = format!("no progress of a watch within {} s", PATIENCE.as_secs());
                return Err(Lost::Broken(cause));
            }
            if asked.elapsed() >= PAUSE {
                asked = Instant::now();
                self.ask().await?;
            }
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<(), Lost> {
        let asked = self.stream.request_progress().await;
        asked.map_err(|error| Lost::Broken(error.to_string()))
    }

    /// True if there is a batch of changes whose revisions are complete.
    fn is_full(&self) -> bool {
        let complete = self
            .pending
            .front()
            .is_some_and(|first| first.revision() <= self.complete);
        complete && (self.bytes >= BATCH_BYTES || self.pending.len() >= BATCH_RECORDS)
    }

    fn accept(&mut self, scope: &Scope, response: &WatchResponse) -> Result<(), Lost> {
        if response.compact_revision() > 0 {
            return Err(Lost::Compacted);
        }
        if response.canceled() {
            return Err(Lost::Broken(response.cancel_reason().to_owned()));
        }
        for event in response.events() {
            let Some(kv) = event.kv() else { continue };
            let revision = kv.mod_revision();
            // The next response may have more of this revision.
            self.complete = self.complete.max(revision - 1);
            if !scope.covers(kv.key()) {
                continue;
            }
            let key = scope.below_root(kv.key());
            let pending = match event.event_type() {
                EventType::Put => Pending::Put {
                    record: Record {
                        key,
                        value: kv.value().to_vec(),
                        created: kv.create_revision(),
                        modified: revision,
                        ttl: None,
                    },
                    lease: kv.lease(),
                },
                EventType::Delete => Pending::Delete { key, revision },
            };
            self.bytes += pending.bytes();
            self.pending.push_back(pending);
        }
        if response.events().is_empty() && !response.created() {
            let revision = response
                .header()
                .map_or(0, etcd_client::ResponseHeader::revision);
            self.complete = self.complete.max(revision);
        }
        Ok(())
    }

    /// Takes the changes up to `goal`, at most a batch of them but every change of a revision that is begun;
    /// returns the revision up to which all were taken.
    pub(super) fn take_up_to(&mut self, goal: i64) -> (Vec<Pending>, i64) {
        let end = self.complete.min(goal);
        let (mut taken, mut bytes) = (Vec::new(), 0);
        let mut last = self.taken;
        while let Some(next) = self.pending.front() {
            let revision = next.revision();
            let full = taken.len() + TRANSACTION > BATCH_RECORDS || bytes >= BATCH_BYTES;
            if revision > end || (full && revision > last) {
                break;
            }
            last = revision;
            bytes += next.bytes();
            taken.extend(self.pending.pop_front());
        }
        self.bytes -= bytes;
        self.taken = match self.pending.front() {
            Some(next) => end.min(next.revision() - 1),
            None => end,
        };
        (taken, self.taken)
    }
}

/// True for versions that answer a request for progress only after every event up to it.
fn tells_progress(version: &str) -> bool {
    let Ok(version) = Version::parse(version.trim_start_matches('v')) else {
        return false;
    };
    let oldest = if version.minor == 4 {
        (3, 4, 25)
    } else {
        (3, 5, 8)
    };
    (version.major, version.minor, version.patch) >= oldest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_answer_too_early_are_refused() {
        for version in ["3.4.25", "3.4.40", "3.5.8", "3.6.0", "3.7.3", "4.0.0"] {
            assert!(tells_progress(version), "{version}");
        }
        for version in ["3.3.27", "3.4.24", "3.5.7", "2.3.8", "", "unknown"] {
            assert!(!tells_progress(version), "{version}");
        }
    }
}
