//! Comparison of a copy with its source, and the keys that remain to be compared. Pure code.

use std::collections::{BTreeMap, BTreeSet};

use super::cursor::Cursor;
use super::digest::Digests;
use super::ends::{BATCH_BYTES, BATCH_RECORDS, Page};
use super::error::Difference;
use super::pace::{Following, Pace, Rounds};
use super::record::{Op, Record};

/// State of one verification.
#[derive(Debug, Default)]
pub(super) struct Verification {
    /// Keys that were compared.
    pub(super) cursor: Cursor,
    /// Keys that changed since the verification began and were not compared since.
    pub(super) changed: Changed,
    /// Records that were found equal and have not changed since.
    pub(super) digests: Digests,
    /// Measured time of comparisons of single keys.
    pub(super) pace: Pace,
    /// Rounds of comparisons, each of as many keys as were left when it began.
    pub(super) rounds: Rounds,
    /// Attempts to follow the changes, while comparisons go on.
    pub(super) following: Following,
}

impl Verification {
    /// True if the digests hold the record of `key`, if there is one.
    pub(super) fn counts(&self, key: &[u8]) -> bool {
        self.cursor.covers(key) && !self.changed.contains(key)
    }
}

/// Last change of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// Revision of the change.
    pub(super) revision: i64,
    /// Bytes of the value that it wrote, 0 for a deletion.
    pub(super) bytes: usize,
}

impl Change {
    /// The change that an operation makes.
    pub(super) fn of(op: &Op) -> Self {
        let bytes = match op {
            Op::Put(record) => record.value.len(),
            Op::Delete { .. } => 0,
        };
        let revision = op.revision();
        Self { revision, bytes }
    }
}

/// Keys that changed, each with its last change, bounded in number and bytes.
#[derive(Debug, Default)]
pub(super) struct Changed {
    keys: BTreeMap<Vec<u8>, Change>,
    bytes: usize,
    /// Key after which the next batch begins.
    turn: Vec<u8>,
}

/// Most bytes of the keys that are remembered.
const BYTES: usize = 16 << 20;

impl Changed {
    pub(super) fn insert(&mut self, key: &[u8], change: Change) {
        if let Some(known) = self.keys.get_mut(key) {
            *known = change;
        } else {
            self.bytes += key.len();
            self.keys.insert(key.to_vec(), change);
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        if self.keys.remove(key).is_some() {
            self.bytes -= key.len();
        }
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key)
    }

    /// Last change of `key`.
    pub(super) fn last(&self, key: &[u8]) -> Option<Change> {
        self.keys.get(key).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// True if there are more than `most` keys, or more bytes of keys than the bound.
    pub(super) fn exceeds(&self, most: usize) -> bool {
        self.keys.len() > most || self.bytes > BYTES
    }

    /// Keys with their last changes, at most [`BATCH_RECORDS`] and, unless it is one key, [`BATCH_BYTES`] of values;
    /// others at the next call, so that keys which change all the time hold up no other.
    pub(super) fn batch(&mut self) -> Vec<(Vec<u8>, Change)> {
        let turn = std::mem::take(&mut self.turn);
        let behind = self.keys.range(turn.clone()..);
        let before = self.keys.range(..turn);
        let mut total = 0;
        let batch: Vec<(Vec<u8>, Change)> = behind
            .chain(before)
            .take(BATCH_RECORDS)
            .take_while(|(key, change)| {
                let first = total == 0;
                total += key.len() + change.bytes;
                first || total <= BATCH_BYTES
            })
            .map(|(key, change)| (key.clone(), *change))
            .collect();
        if let Some((last, _)) = batch.last() {
            self.go_on_behind(last);
        }
        batch
    }

    /// Begins the next batch behind `key`.
    pub(super) fn go_on_behind(&mut self, key: &[u8]) {
        self.turn = [key, b"\0"].concat();
    }
}

/// Difference of one record between source and target, `None` if they are equal.
pub(super) fn difference(source: Option<&Record>, target: Option<&Record>) -> Option<Difference> {
    match (source, target) {
        (None, None) => None,
        (Some(_), None) => Some(Difference::Missing),
        (None, Some(_)) => Some(Difference::Surplus),
        (Some(source), Some(target)) if source.value != target.value => Some(Difference::Value),
        (Some(source), Some(target)) => {
            (source.ttl.is_some() != target.ttl.is_some()).then_some(Difference::Expiry)
        }
    }
}

/// Compares two pages up to `end`; returns each key that differs.
pub(super) fn differences(
    source: &Page,
    target: &Page,
    end: &Cursor,
) -> Vec<(Vec<u8>, Difference)> {
    let (source, target) = (index(source, end), index(target, end));
    let keys: BTreeSet<&[u8]> = source.keys().chain(target.keys()).copied().collect();
    keys.into_iter()
        .filter_map(|key| {
            let found = difference(source.get(key).copied(), target.get(key).copied())?;
            Some((key.to_vec(), found))
        })
        .collect()
}

/// Records of a page up to `end`, by key.
fn index<'a>(page: &'a Page, end: &Cursor) -> BTreeMap<&'a [u8], &'a Record> {
    let covered = page.records.iter().filter(|record| end.covers(&record.key));
    covered
        .map(|record| (record.key.as_slice(), record))
        .collect()
}
