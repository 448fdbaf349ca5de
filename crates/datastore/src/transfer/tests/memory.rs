//! A store in memory: a source whose tenant writes between two requests, and a target that may be at fault.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, Site};
use crate::transfer::{BATCH_RECORDS, Changes, Ends, Followed, Op, Page, Reader, Record, Writer};

/// Something that happens at the source before a request is served.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    Put(u8, u8),
    PutExpiring(u8, u8),
    Delete(u8),
    Compact,
    Nothing,
}

/// Fault of a writer, which strikes once at the operation of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    DropsAWrite(usize),
    DropsADeletion(usize),
    FlipsAByte(usize),
    RepeatsAStaleWrite(usize),
    ResurrectsADeletedKey(usize),
}

/// Writes that a busy store takes before each request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    /// Number of keys that are written over and over.
    pub(super) hot: u64,
    /// Writes of these keys before each request.
    pub(super) writes: u64,
    /// Revisions that others make before each request.
    pub(super) revisions: i64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) live: BTreeMap<Vec<u8>, Record>,
    log: Vec<Op>,
    pub(super) revision: i64,
    compacted: i64,
    /// Events to come, one before each request.
    events: VecDeque<Event>,
    /// Floor that a transfer was finished with.
    pub(super) finished: Option<i64>,
    /// Most records that one answer held.
    pub(super) largest: usize,
    /// Number of requests for changes and single keys.
    pub(super) others: usize,
    /// Number of requests after which the next one fails.
    pub(super) fail_at: Option<usize>,
    /// Key whose writes are dropped.
    pub(super) refuse_key: Option<Vec<u8>>,
    pub(super) load: Load,
    /// Number of writes of hot keys so far.
    written: u64,
    /// Time that a request for single keys takes for each of them.
    pub(super) time_per_key: Duration,
    /// Time that each write takes.
    pub(super) time_per_write: Duration,
    /// Most revisions that are made by one call; without it, none are missing.
    pub(super) raised_at_once: Option<u64>,
}

/// A store that its readers and writers share.
#[derive(Debug, Clone, Default)]
pub(super) struct Store(Arc<Mutex<State>>);

pub(super) fn key(number: u8) -> Vec<u8> {
    format!(
        "{}/{number:03}",
        ["pods", "secrets", "a.group"][usize::from(number % 3)]
    )
    .into_bytes()
}

impl State {
    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>, ttl: Option<u32>) {
        if self.refuse_key.as_ref() == Some(&key) {
            return;
        }
        self.revision += 1;
        let created = self.live.get(&key).map_or(self.revision, |old| old.created);
        let record = Record {
            key: key.clone(),
            value,
            created,
            modified: self.revision,
            ttl,
        };
        self.live.insert(key, record.clone());
        self.log.push(Op::Put(record));
    }

    pub(super) fn delete(&mut self, key: Vec<u8>) {
        if self.live.remove(&key).is_some() {
            self.revision += 1;
            self.log.push(Op::Delete {
                key,
                revision: self.revision,
            });
        }
    }

    /// Writes the next of the hot keys, each in its turn.
    pub(super) fn write_hot(&mut self, writes: u64) {
        for _ in 0..writes {
            let key = format!("leases/{:05}", self.written % self.load.hot);
            self.written += 1;
            let value = self.written.to_be_bytes().to_vec();
            self.put(key.into_bytes(), value, None);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Put(number, value) => self.put(key(number), vec![value; 3], None),
            Event::PutExpiring(number, value) => self.put(key(number), vec![value; 3], Some(60)),
            Event::Delete(number) => self.delete(key(number)),
            Event::Compact => self.compacted = self.revision,
            Event::Nothing => {}
        }
    }
}

impl Store {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// A store with these events behind it.
    pub(super) fn after(events: &[Event]) -> Self {
        let store = Self::default();
        for event in events {
            store.state().happen(*event);
        }
        store
    }

    /// Lets these events happen, one before each request from now on.
    pub(super) fn schedule(&self, events: &[Event]) {
        self.state().events.extend(events.iter().copied());
    }

    /// Lets the next event happen without a request.
    pub(super) fn happen_next(&self) {
        let mut state = self.state();
        let event = state.events.pop_front();
        if let Some(event) = event {
            state.happen(event);
        }
    }

    /// Drops the events that have not happened, as a fence does; returns the last revision.
    pub(super) fn fence(&self) -> i64 {
        let mut state = self.state();
        state.events.clear();
        state.load = Load::default();
        state.revision
    }

    pub(super) fn reader(&self, limit: usize) -> MemoryReader {
        MemoryReader {
            store: self.clone(),
            limit,
        }
    }

    /// Key, value and presence of a time to live of each record.
    pub(super) fn content(&self) -> Vec<(Vec<u8>, Vec<u8>, bool)> {
        let state = self.state();
        let records = state.live.values();
        records
            .map(|r| (r.key.clone(), r.value.clone(), r.ttl.is_some()))
            .collect()
    }
}

/// Ends of a copy from one store to the other, with answers of at most three records.
pub(super) fn ends(source: &Store, target: &Store, fault: Option<Fault>) -> Ends {
    Ends {
        source: Box::new(source.reader(3)),
        target: Box::new(MemoryWriter {
            store: target.clone(),
            fault,
            ops: 0,
        }),
        copied: Box::new(target.reader(3)),
    }
}

/// Ends of a copy from one store to the other, with answers of the size that real ones have.
pub(super) fn ends_of_full_size(source: &Store, target: &Store) -> Ends {
    Ends {
        source: Box::new(source.reader(BATCH_RECORDS)),
        copied: Box::new(target.reader(BATCH_RECORDS)),
        ..ends(source, target, None)
    }
}

pub(super) struct MemoryReader {
    store: Store,
    limit: usize,
}

impl MemoryReader {
    fn request(&self) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.store.state();
        match state.fail_at {
            Some(0) => {
                let site = Site {
                    store: "memory".to_owned(),
                    doing: "reading".to_owned(),
                };
                return Err(Error::Unreachable {
                    site,
                    cause: "asked for".to_owned(),
                });
            }
            Some(left) => state.fail_at = Some(left - 1),
            None => {}
        }
        if let Some(event) = state.events.pop_front() {
            state.happen(event);
        }
        let load = state.load;
        state.write_hot(load.writes);
        state.revision += load.revisions;
        Ok(state)
    }
}

#[async_trait]
impl Reader for MemoryReader {
    async fn revision(&mut self) -> Result<i64, Error> {
        Ok(self.request()?.revision)
    }

    async fn page(&mut self, after: Option<&[u8]>) -> Result<Page, Error> {
        let mut state = self.request()?;
        let behind = |key: &Vec<u8>| after.is_none_or(|after| key.as_slice() > after);
        let mut records: Vec<Record> = {
            let found = state.live.iter().filter(|(key, _)| behind(key));
            found
                .take(self.limit + 1)
                .map(|(_, record)| record.clone())
                .collect()
        };
        let more = records.len() > self.limit;
        records.truncate(self.limit);
        state.largest = state.largest.max(records.len());
        Ok(Page {
            records,
            revision: state.revision,
            more,
        })
    }

    async fn changes(&mut self, after: i64) -> Result<Followed, Error> {
        let mut state = self.request()?;
        state.others += 1;
        if after < state.compacted {
            return Ok(Followed::Compacted);
        }
        let ops: Vec<Op> = {
            let read = state.log.partition_point(|op| op.revision() <= after);
            state.log[read..].iter().take(self.limit).cloned().collect()
        };
        let full = ops.len() == self.limit;
        let last = ops.last().map(Op::revision);
        let revision = last.filter(|_| full).unwrap_or(state.revision);
        state.largest = state.largest.max(ops.len());
        Ok(Followed::Changes(Changes { ops, revision }))
    }

    async fn get(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, Error> {
        // As if more records than half a page had more bytes than one answer.
        let keys = &keys[..keys.len().min(self.limit.div_ceil(2))];
        let (records, time) = {
            let mut state = self.request()?;
            state.others += 1;
            let records = keys.iter().map(|key| state.live.get(key).cloned());
            (records.collect(), state.time_per_key)
        };
        let count = u32::try_from(keys.len()).unwrap();
        tokio::time::sleep(time * count).await;
        Ok(records)
    }
}

struct MemoryWriter {
    store: Store,
    fault: Option<Fault>,
    ops: usize,
}

impl MemoryWriter {
    /// Applies one operation, and the fault if it strikes here.
    fn write(&mut self, state: &mut State, op: &Op) {
        self.ops += 1;
        let before = state.live.get(op.key()).cloned();
        let strikes = |at| self.ops > at;
        match (op, self.fault) {
            (Op::Put(_), Some(Fault::DropsAWrite(at))) if strikes(at) => self.fault = None,
            (Op::Delete { .. }, Some(Fault::DropsADeletion(at))) if strikes(at) => {
                self.fault = None;
            }
            (Op::Put(record), Some(Fault::FlipsAByte(at))) if strikes(at) => {
                self.fault = None;
                let mut value = record.value.clone();
                value[1] ^= 1;
                state.put(record.key.clone(), value, record.ttl);
            }
            (Op::Put(record), Some(Fault::RepeatsAStaleWrite(at)))
                if strikes(at) && before.as_ref().is_some_and(|old| old.value != record.value) =>
            {
                self.fault = None;
                let old = before.unwrap();
                state.put(old.key, old.value, old.ttl);
            }
            (Op::Delete { key, .. }, Some(Fault::ResurrectsADeletedKey(at)))
                if strikes(at) && before.is_some() =>
            {
                self.fault = None;
                state.delete(key.clone());
                let old = before.unwrap();
                state.put(old.key, old.value, old.ttl);
            }
            (Op::Put(record), _) => state.put(record.key.clone(), record.value.clone(), record.ttl),
            (Op::Delete { key, .. }, _) => state.delete(key.clone()),
        }
    }
}

#[async_trait]
impl Writer for MemoryWriter {
    async fn count(&mut self) -> Result<u64, Error> {
        Ok(self.store.state().live.len() as u64)
    }

    async fn clear(&mut self) -> Result<(), Error> {
        self.store.state().live.clear();
        Ok(())
    }

    async fn revisions_missing(&mut self, floor: i64) -> Result<u64, Error> {
        Ok(floor.abs_diff(self.store.state().revision.min(floor)))
    }

    async fn raise(&mut self, floor: i64) -> Result<u64, Error> {
        let missing = self.revisions_missing(floor).await?;
        let mut state = self.store.state();
        let Some(most) = state.raised_at_once else {
            return Ok(0);
        };
        let made = missing.min(most);
        state.revision += i64::try_from(made).unwrap();
        Ok(missing - made)
    }

    async fn apply(&mut self, ops: &[Op]) -> Result<(), Error> {
        let store = self.store.clone();
        for op in ops {
            self.write(&mut store.state(), op);
        }
        let time = store.state().time_per_write;
        tokio::time::sleep(time * u32::try_from(ops.len()).unwrap()).await;
        Ok(())
    }

    async fn finish(&mut self, floor: i64) -> Result<(), Error> {
        let mut state = self.store.state();
        state.revision = state.revision.max(floor);
        state.finished = Some(floor);
        Ok(())
    }
}
