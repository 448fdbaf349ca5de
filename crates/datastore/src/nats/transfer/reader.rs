//! Reads kine's bucket page by page and follows its changes.
//!
//! A bucket keeps ten versions of a key, so a change may be gone before it is read, and a later one of the same key is
//! there instead. A state is exact once a pass over the newest messages finds none gone.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use super::link::Link;
use super::listing::Window;
use super::{entry, keys};
use crate::error::Error;
use crate::transfer::{BATCH_BYTES, BATCH_RECORDS, Changes, Followed, Op, Page, Reader, Record};

/// Most passes over the newest messages, until none of them is gone.
const PASSES: usize = 100;

/// Reader of one tenant's bucket.
pub(in super::super) struct BucketReader {
    link: Link,
    window: Option<Window>,
}

impl BucketReader {
    /// Reader of the bucket behind `link`.
    pub(in super::super) fn new(link: Link) -> Self {
        Self { link, window: None }
    }

    /// Follows the changes up to now: those of `window`, and of the keys of `draft`.
    async fn follow(&self, window: &mut Window, draft: &mut Draft) -> Result<(), Error> {
        for _ in 0..PASSES {
            let last = self.link.last().await?;
            let range = (window.followed + 1, last);
            let passed = self.link.messages(range, |message| {
                if let Some(op) = self.op_of(&message)? {
                    window.change(op.key(), matches!(op, Op::Put(_)));
                    draft.change(op);
                }
                Ok(ControlFlow::Continue(()))
            });
            let passed = passed.await?;
            window.followed = window.followed.max(last);
            if !passed.gaps {
                return Ok(());
            }
        }
        Err(self.too_fast())
    }

    /// Reads the next keys of the window into the draft, until it is full or the window ends.
    async fn fill(&self, window: &Window, draft: &mut Draft) -> Result<(), Error> {
        let next = window.keys(draft.end.as_deref()).take(BATCH_RECORDS);
        let names: Vec<Vec<u8>> = next.cloned().collect();
        let subjects = self.subjects(&names);
        let mut names = names.into_iter();
        let read = self.link.latest(subjects, |message| {
            let Some(key) = names.next() else {
                return Ok(ControlFlow::Break(()));
            };
            draft.end = Some(key);
            let op = message.map(|message| self.op_of(&message)).transpose()?;
            let fits = op.flatten().is_none_or(|op| draft.insert(op));
            Ok(if fits && !draft.is_full() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        });
        read.await?;
        let behind = draft.end.as_deref();
        if window.keys(behind).next().is_none() {
            draft.end = window.until().cloned();
            draft.ended = draft.end.is_none();
        }
        Ok(())
    }

    fn subjects(&self, names: &[Vec<u8>]) -> Vec<String> {
        let subject = |name: &Vec<u8>| keys::subject(self.link.bucket(), name);
        names.iter().map(subject).collect()
    }

    fn op_of(&self, message: &entry::Version) -> Result<Option<Op>, Error> {
        let found = entry::op_of(self.link.bucket(), message, now());
        found.map_err(|flaw| self.link.unsupported("reading", flaw))
    }

    fn too_fast(&self) -> Error {
        Error::Unreachable {
            site: self.link.site("reading"),
            cause: "the tenant changes single keys faster than they can be read".to_owned(),
        }
    }
}

/// Records of a page that is being read, each as of its last change that was seen.
#[derive(Default)]
struct Draft {
    /// Key after which the page begins.
    after: Option<Vec<u8>>,
    /// Last key that the page covers.
    end: Option<Vec<u8>>,
    /// True if the page covers every key after its beginning.
    ended: bool,
    ops: BTreeMap<Vec<u8>, Op>,
    bytes: usize,
    live: usize,
}

impl Draft {
    fn is_full(&self) -> bool {
        self.live >= BATCH_RECORDS || self.bytes >= BATCH_BYTES
    }

    /// Takes a change of a key that the page covers.
    fn change(&mut self, op: Op) {
        let begins = self.after.as_deref() < Some(op.key());
        if begins && (self.ended || Some(op.key()) <= self.end.as_deref()) {
            self.insert(op);
        }
    }

    /// Takes an operation, unless a later one of its key is known; false if the page became shorter.
    fn insert(&mut self, op: Op) -> bool {
        let known = self.ops.get(op.key()).map(Op::revision);
        if known >= Some(op.revision()) {
            return true;
        }
        let (bytes, live) = weight(&op);
        self.bytes += bytes;
        self.live += live;
        let replaced = self.ops.insert(op.key().to_vec(), op);
        self.forget(replaced.as_ref());
        // What was created meanwhile makes the page shorter, not larger.
        let mut fits = true;
        while self.live > 1 && (self.live > BATCH_RECORDS || self.bytes > BATCH_BYTES) {
            let removed = self.ops.pop_last().map(|(_, op)| op);
            self.forget(removed.as_ref());
            self.end = self.ops.last_key_value().map(|(key, _)| key.clone());
            (self.ended, fits) = (false, false);
        }
        fits
    }

    /// Forgets deletions: changes that are read from here on are later ones.
    fn forget_deletions(&mut self) {
        self.ops.retain(|_, op| matches!(op, Op::Put(_)));
        self.bytes = self.ops.values().map(|op| weight(op).0).sum();
    }

    fn forget(&mut self, op: Option<&Op>) {
        let (bytes, live) = op.map_or((0, 0), weight);
        self.bytes -= bytes;
        self.live -= live;
    }
}

/// Bytes of an operation, and 1 for a record.
fn weight(op: &Op) -> (usize, usize) {
    match op {
        Op::Put(record) => (record.key.len() + record.value.len(), 1),
        Op::Delete { key, .. } => (key.len(), 0),
    }
}

/// Time of this machine in seconds since 1970; 0 before that.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

fn number(revision: i64) -> u64 {
    u64::try_from(revision).unwrap_or(0)
}

fn revision(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[async_trait]
impl Reader for BucketReader {
    async fn revision(&mut self) -> Result<i64, Error> {
        self.link.last().await.map(revision)
    }

    async fn page(&mut self, after: Option<&[u8]>) -> Result<Page, Error> {
        let last = self.link.last().await?;
        let known = self
            .window
            .take()
            .filter(|window| window.serves(after, last));
        let mut window = match known {
            Some(window) => window,
            None => self.link.window(after).await?,
        };
        let mut draft = Draft {
            after: after.map(<[u8]>::to_vec),
            end: after.map(<[u8]>::to_vec),
            ..Draft::default()
        };
        loop {
            self.follow(&mut window, &mut draft).await?;
            self.fill(&window, &mut draft).await?;
            self.follow(&mut window, &mut draft).await?;
            draft.forget_deletions();
            if draft.live > 0 || draft.ended {
                break;
            }
            // None of these keys exists any more. What follows them belongs to the same page, as of one revision.
            if window.until() == draft.end.as_ref() {
                let followed = window.followed;
                window = self.link.window(draft.end.as_deref()).await?;
                window.followed = followed;
            }
        }
        let page = Page {
            revision: revision(window.followed),
            more: !draft.ended,
            records: draft.ops.into_values().filter_map(into_record).collect(),
        };
        self.window = Some(window);
        Ok(page)
    }

    async fn changes(&mut self, after: i64) -> Result<Followed, Error> {
        let (mut ops, mut bytes) = (Vec::new(), 0);
        let mut next = number(after) + 1;
        for _ in 0..PASSES {
            let last = self.link.last().await?;
            let mut full = false;
            let passed = self.link.messages((next, last), |message| {
                let op = self.op_of(&message)?;
                let size = op.as_ref().map_or(0, |op| weight(op).0);
                full =
                    !ops.is_empty() && (ops.len() >= BATCH_RECORDS || bytes + size > BATCH_BYTES);
                if full {
                    return Ok(ControlFlow::Break(()));
                }
                bytes += size;
                ops.extend(op);
                Ok(ControlFlow::Continue(()))
            });
            let passed = passed.await?;
            next = passed.next;
            // A change that is gone has a later one in its place, which has to be among those that are returned.
            if full || !passed.gaps {
                let revision = after.max(revision(next - 1));
                return Ok(Followed::Changes(Changes { ops, revision }));
            }
        }
        Err(self.too_fast())
    }

    async fn get(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, Error> {
        let (mut records, mut bytes) = (Vec::with_capacity(keys.len()), 0);
        let subjects = self.subjects(keys);
        let read = self.link.latest(subjects, |message| {
            let op = message.map(|message| self.op_of(&message)).transpose()?;
            let op = op.flatten();
            bytes += op.as_ref().map_or(0, |op| weight(op).0);
            if bytes > BATCH_BYTES && !records.is_empty() {
                return Ok(ControlFlow::Break(()));
            }
            records.push(op.and_then(into_record));
            Ok(ControlFlow::Continue(()))
        });
        read.await?;
        Ok(records)
    }
}

fn into_record(op: Op) -> Option<Record> {
    match op {
        Op::Put(record) => Some(record),
        Op::Delete { .. } => None,
    }
}
