//! Reader of one tenant's data in etcd.

use std::collections::BTreeSet;

use async_trait::async_trait;
use etcd_client::{GetOptions, KeyValue, TxnOp, TxnOpResponse};

use super::super::client::Etcd;
use super::super::observed::Range;
use super::super::paging::fewer;
use super::leases::Leases;
use super::scope::Scope;
use super::watch::{Lost, Pending, Watch};
use crate::error::Error;
use crate::tenancy::Tenancy;
use crate::transfer::{BATCH_BYTES, BATCH_RECORDS, Changes, Followed, Op, Page, Reader, Record};

/// Records of the first page, before their size is known.
const FIRST_PAGE: usize = 100;
/// Most single keys of one request, fewer where their values are large; etcd's default bound is 128.
const KEYS: usize = 100;
/// Most watches that are opened for one request, each after the one before broke.
const ATTEMPTS: usize = 3;

/// Reads one tenant's data.
pub(crate) struct EtcdReader {
    scope: Scope,
    leases: Leases,
    /// Records of the next page.
    limit: usize,
    /// The watch, unless a request that used it was dropped half-way.
    watch: Option<Watch>,
}

impl EtcdReader {
    /// A reader of the tenancy, which has been ensured.
    pub(crate) async fn open(etcd: &Etcd, tenancy: &Tenancy) -> Result<Self, Error> {
        Ok(Self {
            scope: Scope::open(etcd, tenancy).await?,
            leases: Leases::default(),
            limit: FIRST_PAGE,
            watch: None,
        })
    }

    /// Number of records of the next page, by the size of the last one.
    fn adapt(&mut self, records: usize, bytes: usize) {
        if let Some(average) = bytes.checked_div(records) {
            let fitting = BATCH_BYTES / average.max(1);
            self.limit = fitting.clamp(1, BATCH_RECORDS).min(self.limit * 4);
        }
    }

    async fn learn(&mut self, leases: impl Iterator<Item = i64>) -> Result<(), Error> {
        let leases: BTreeSet<i64> = leases.filter(|lease| *lease != 0).collect();
        self.leases.learn(&self.scope.etcd.members, leases).await
    }

    fn record(&self, kv: &KeyValue) -> Record {
        Record {
            key: self.scope.below_root(kv.key()),
            value: kv.value().to_vec(),
            created: kv.create_revision(),
            modified: kv.mod_revision(),
            ttl: self.leases.ttl(kv.lease()),
        }
    }

    fn op(&self, pending: Pending) -> Op {
        match pending {
            Pending::Put { mut record, lease } => {
                record.ttl = self.leases.ttl(lease);
                Op::Put(record)
            }
            Pending::Delete { key, revision } => Op::Delete { key, revision },
        }
    }

    /// Changes after `after` up to `goal`, or fewer, from a watch that is open or is opened here.
    async fn watched(&mut self, after: i64, goal: i64) -> Result<Result<Changes, Lost>, Error> {
        let open = self.watch.take().filter(|watch| watch.position() == after);
        let mut watch = match open {
            Some(watch) => watch,
            None => match Watch::open(&self.scope, after).await? {
                Ok(watch) => watch,
                Err(lost) => return Ok(Err(lost)),
            },
        };
        if let Err(lost) = watch.receive(&self.scope, goal).await {
            return Ok(Err(lost));
        }
        let (pending, revision) = watch.take_up_to(goal);
        self.learn(pending.iter().map(Pending::lease)).await?;
        self.watch = Some(watch);
        let ops = pending
            .into_iter()
            .map(|pending| self.op(pending))
            .collect();
        Ok(Ok(Changes { ops, revision }))
    }
}

#[async_trait]
impl Reader for EtcdReader {
    async fn revision(&mut self) -> Result<i64, Error> {
        self.scope.revision().await
    }

    async fn page(&mut self, after: Option<&[u8]>) -> Result<Page, Error> {
        let start = match after {
            Some(after) => [self.scope.own.start.as_slice(), after, b"\0"].concat(),
            None => self.scope.own.start.clone(),
        };
        // Of ranges without keys, none has changed since the last page but by a change that is followed later.
        let mut page = Page {
            records: Vec::new(),
            revision: 0,
            more: false,
        };
        let ranges = self.scope.ranges_from(&start);
        for (index, range) in ranges.iter().enumerate() {
            page = self.page_of(range).await?;
            if !page.records.is_empty() {
                page.more |= index + 1 < ranges.len();
                return Ok(page);
            }
        }
        if ranges.is_empty() {
            page.revision = self.scope.revision().await?;
        }
        Ok(page)
    }

    async fn changes(&mut self, after: i64) -> Result<Followed, Error> {
        self.follow(after).await
    }

    async fn get(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, Error> {
        self.single(keys).await
    }
}

impl EtcdReader {
    /// The first records of a range, as they are now.
    async fn page_of(&mut self, range: &Range) -> Result<Page, Error> {
        let doing = format!("reading keys of {}", self.scope.own);
        let (answer, limit) = loop {
            let limit = self.limit;
            let options = GetOptions::new()
                .with_range(range.end.clone())
                .with_limit(i64::try_from(limit).unwrap_or(1));
            let read = TxnOp::get(range.start.clone(), Some(options));
            if let Some(answer) = self.scope.read(&doing, vec![read]).await? {
                break (answer, limit);
            }
            let too_large = || self.scope.etcd.too_large(&doing, &range.start);
            self.limit = fewer(limit).ok_or_else(too_large)?;
        };
        let revision = answer
            .header()
            .map_or(0, etcd_client::ResponseHeader::revision);
        let Some(TxnOpResponse::Get(got)) = answer.op_responses().pop() else {
            return Err(self.scope.unexpected(&doing, "the answer has no keys"));
        };
        self.limit = limit;
        let (taken, bytes) = fitting(got.kvs());
        self.adapt(taken, bytes);
        let kvs = &got.kvs()[..taken];
        self.learn(kvs.iter().map(KeyValue::lease)).await?;
        Ok(Page {
            records: kvs.iter().map(|kv| self.record(kv)).collect(),
            revision,
            more: got.more() || taken < got.kvs().len(),
        })
    }

    async fn follow(&mut self, after: i64) -> Result<Followed, Error> {
        let goal = self.scope.revision().await?;
        if goal <= after {
            let ops = Vec::new();
            return Ok(Followed::Changes(Changes {
                ops,
                revision: after,
            }));
        }
        let mut broken = String::new();
        for _ in 0..ATTEMPTS {
            match self.watched(after, goal).await? {
                Ok(changes) => return Ok(Followed::Changes(changes)),
                Err(Lost::Compacted) => return Ok(Followed::Compacted),
                Err(Lost::Broken(cause)) => broken = cause,
            }
        }
        Err(Error::Unreachable {
            site: self
                .scope
                .etcd
                .members
                .site(format!("watching {}", self.scope.own)),
            cause: broken,
        })
    }

    async fn single(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, Error> {
        let (mut records, mut bytes) = (Vec::with_capacity(keys.len()), 0);
        let mut at_once = KEYS;
        while records.len() < keys.len() {
            let left = &keys[records.len()..];
            let Some(found) = self.values(&left[..left.len().min(at_once)]).await? else {
                let first = self.scope.full(&left[0]);
                let doing = format!("reading single keys of {}", self.scope.own);
                let too_large = || self.scope.etcd.too_large(&doing, &first);
                at_once = fewer(at_once).ok_or_else(too_large)?;
                continue;
            };
            self.learn(found.iter().flatten().map(KeyValue::lease))
                .await?;
            for kv in &found {
                bytes += kv.as_ref().map_or(0, size);
                if bytes > BATCH_BYTES && !records.is_empty() {
                    return Ok(records);
                }
                records.push(kv.as_ref().map(|kv| self.record(kv)));
            }
        }
        Ok(records)
    }

    /// Keys of one request with their values, in the same order; `None` if they are larger than one answer.
    async fn values(&self, keys: &[Vec<u8>]) -> Result<Option<Vec<Option<KeyValue>>>, Error> {
        let doing = format!("reading single keys of {}", self.scope.own);
        let reads = keys
            .iter()
            .map(|key| TxnOp::get(self.scope.full(key), None));
        let Some(answer) = self.scope.read(&doing, reads.collect()).await? else {
            return Ok(None);
        };
        let found: Vec<Option<KeyValue>> = answer
            .op_responses()
            .into_iter()
            .map(|response| match response {
                TxnOpResponse::Get(mut got) => got.take_kvs().pop(),
                _ => None,
            })
            .collect();
        if found.len() != keys.len() {
            return Err(self.scope.unexpected(&doing, "the answer has other keys"));
        }
        Ok(Some(found))
    }
}

fn size(kv: &KeyValue) -> usize {
    kv.key().len() + kv.value().len()
}

/// Number of the first records that fit a page, at least one of them, and their bytes.
fn fitting(kvs: &[KeyValue]) -> (usize, usize) {
    let mut bytes = 0;
    for (index, kv) in kvs.iter().enumerate() {
        let size = size(kv);
        if index > 0 && bytes + size > BATCH_BYTES {
            return (index, bytes);
        }
        bytes += size;
    }
    (kvs.len(), bytes)
}
