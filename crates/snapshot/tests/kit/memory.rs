//! A datastore in memory whose tenant writes whenever it is read.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use kamaji_datastore::{
    Error,
    transfer::{Changes, Followed, Op, Page, Reader, Record, Writer},
};
use kamaji_snapshot::State;

/// Records on a page.
const PAGE: usize = 3;

/// Data of one tenant with its history.
#[derive(Default)]
pub struct Memory {
    data: BTreeMap<Vec<u8>, Record>,
    pub log: Vec<Op>,
    /// Writes that the tenant makes while it is read, the last one first.
    pub pending: Vec<(u8, Option<u8>)>,
    /// Requests for changes that find them compacted.
    pub compactions: u32,
    /// Keys that are lost on their way into this datastore.
    pub loses: Option<Vec<u8>>,
    pub finished: Option<i64>,
}

pub type Shared = Arc<Mutex<Memory>>;

impl Memory {
    fn revision(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap() + 1
    }

    pub fn write(&mut self, key: u8, value: Option<u8>) {
        let key = format!("configmaps/a/{key:03}").into_bytes();
        let modified = self.revision() + 1;
        let op = match value {
            Some(value) => Op::Put(Record {
                key: key.clone(),
                value: vec![value],
                created: self
                    .data
                    .get(&key)
                    .map_or(modified, |record| record.created),
                modified,
                ttl: None,
            }),
            None => Op::Delete {
                key: key.clone(),
                revision: modified,
            },
        };
        self.take(&op);
        self.log.push(op);
    }

    fn take(&mut self, op: &Op) {
        match op {
            Op::Put(record) => self.data.insert(record.key.clone(), record.clone()),
            Op::Delete { key, .. } => self.data.remove(key),
        };
    }

    /// State after the changes up to a revision.
    pub fn state_at(&self, revision: i64) -> State {
        let mut then = Self::default();
        self.log
            .iter()
            .filter(|op| op.revision() <= revision)
            .for_each(|op| then.take(op));
        then.state()
    }

    pub fn state(&self) -> State {
        let mut state = State::default();
        self.data
            .values()
            .for_each(|record| state.add(&record.key, &record.value));
        state
    }

    fn disturb(&mut self) {
        for _ in 0..2 {
            if let Some((key, value)) = self.pending.pop() {
                self.write(key, value);
            }
        }
    }
}

pub struct End(pub Shared);

#[async_trait]
impl Reader for End {
    async fn revision(&mut self) -> Result<i64, Error> {
        Ok(self.0.lock().unwrap().revision())
    }

    async fn page(&mut self, after: Option<&[u8]>) -> Result<Page, Error> {
        let mut memory = self.0.lock().unwrap();
        memory.disturb();
        let mut behind = memory.data.values();
        let mut records: Vec<_> = behind
            .by_ref()
            .filter(|record| after.is_none_or(|after| record.key.as_slice() > after))
            .take(PAGE + 1)
            .cloned()
            .collect();
        let more = records.len() > PAGE;
        records.truncate(PAGE);
        let revision = memory.revision();
        memory.disturb();
        Ok(Page {
            records,
            revision,
            more,
        })
    }

    async fn changes(&mut self, after: i64) -> Result<Followed, Error> {
        let mut memory = self.0.lock().unwrap();
        if memory.compactions > 0 {
            memory.compactions -= 1;
            return Ok(Followed::Compacted);
        }
        let later = memory.log.iter().filter(|op| op.revision() > after);
        let ops: Vec<_> = later.take(2).cloned().collect();
        let revision = ops.last().map_or(after, Op::revision);
        Ok(Followed::Changes(Changes { ops, revision }))
    }

    async fn get(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, Error> {
        let memory = self.0.lock().unwrap();
        Ok(keys
            .iter()
            .map(|key| memory.data.get(key).cloned())
            .collect())
    }
}

#[async_trait]
impl Writer for End {
    async fn count(&mut self) -> Result<u64, Error> {
        Ok(self.0.lock().unwrap().data.len() as u64)
    }

    async fn clear(&mut self) -> Result<(), Error> {
        self.0.lock().unwrap().data.clear();
        Ok(())
    }

    async fn revisions_missing(&mut self, _floor: i64) -> Result<u64, Error> {
        Ok(0)
    }

    async fn apply(&mut self, ops: &[Op]) -> Result<(), Error> {
        let mut memory = self.0.lock().unwrap();
        for op in ops
            .iter()
            .filter(|op| memory.loses.as_deref() != Some(op.key()))
            .cloned()
            .collect::<Vec<_>>()
        {
            memory.take(&op);
        }
        Ok(())
    }

    async fn finish(&mut self, floor: i64) -> Result<(), Error> {
        self.0.lock().unwrap().finished = Some(floor);
        Ok(())
    }
}
