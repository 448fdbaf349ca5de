//! Writer of one tenant's data in etcd.
//!
//! Each write is a transaction that compares the owner record and the writer's claim, a key of the operator. A new
//! writer takes the claim over, and a writer whose request may still be carried out later renews it, so that nothing
//! stale can be written behind newer data.

use std::collections::HashMap;

use async_trait::async_trait;
use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp, TxnOpResponse};
use futures::{StreamExt, TryStreamExt};

use super::super::answer::unless;
use super::super::client::Etcd;
use super::super::owners::transfer_keys;
use super::grants::Grants;
use super::scope::Scope;
use crate::driver::DataStore;
use crate::error::Error;
use crate::tenancy::Tenancy;
use crate::transfer::{Op, Writer, place};

/// Transactions that are under way at the same time. Each has one operation: etcd gives all keys of a transaction one
/// revision, and a database, to which the data may be copied later, has one row for each revision.
const CONCURRENT: usize = 64;
/// Attempts at one batch, each after the claim was renewed.
const ATTEMPTS: usize = 4;
/// Writes to one key that are under way at the same time.
const PIPELINED: u64 = 128;
/// Most revisions that one call makes: seconds, in which the source of a copy advances.
const RAISED: u64 = 5000;
/// Revisions after which those that were made are compacted, since each takes room in the store.
const COMPACTED: u64 = 200_000;
/// Words of etcd, and of its gRPC server for what is larger still.
const TOO_LARGE: [&str; 2] = ["request is too large", "message larger than max"];
const COMPACTED_ALREADY: &str = "required revision has been compacted";

/// Writes one tenant's data.
pub(crate) struct EtcdWriter {
    scope: Scope,
    grants: Grants,
    claim: Claim,
    /// True while a request may be carried out later of which no answer came, or which was dropped.
    uncertain: bool,
    /// Revisions that were made since the last compaction.
    raised: u64,
    /// True once the claim was given back, since everything is written.
    ended: bool,
    /// Revision of the store when the transfer was finished.
    finished: Option<i64>,
}

/// Claim of a writer: a key with a random value, valid as of the revision of its last write.
struct Claim {
    key: String,
    value: String,
    revision: i64,
}

/// Outcome of a batch of transactions.
#[derive(Debug, PartialEq, Eq)]
enum Written {
    Yes,
    /// The owner record or the claim is another.
    Refused,
}

impl EtcdWriter {
    /// A writer of the tenancy, which has been ensured. Every earlier writer of it is refused from here on.
    pub(crate) async fn open(etcd: &Etcd, tenancy: &Tenancy) -> Result<Self, Error> {
        let [key, _] = transfer_keys(tenancy.schema.as_str());
        let mut writer = Self {
            scope: Scope::open(etcd, tenancy).await?,
            grants: Grants::default(),
            claim: Claim {
                key,
                value: place::draw(),
                revision: 0,
            },
            uncertain: false,
            raised: 0,
            ended: false,
            finished: None,
        };
        writer.put_claim(Vec::new()).await?;
        Ok(writer)
    }

    /// Writes the claim, if the tenant owns the schema and `conditions` hold.
    async fn put_claim(&mut self, conditions: Vec<Compare>) -> Result<(), Error> {
        let put = TxnOp::put(self.claim.key.clone(), self.claim.value.clone(), None);
        let conditions = [vec![self.scope.still_owned()], conditions].concat();
        let read = TxnOp::get(self.claim.key.clone(), None);
        let transaction = &Txn::new().when(conditions).and_then([put]).or_else([read]);
        let doing = format!("claiming {} for a transfer", self.scope.own);
        let members = &self.scope.etcd.members;
        let answer = members
            .call(doing.as_str(), |mut client| async move {
                client.txn(transaction.clone()).await
            })
            .await?;
        if !answer.succeeded() {
            let found = answer.op_responses().pop().and_then(|response| {
                let TxnOpResponse::Get(found) = response else {
                    return None;
                };
                found.kvs().first().map(|kv| kv.value().to_vec())
            });
            if self.claim.revision > 0 {
                let noted = found.map(|noted| String::from_utf8_lossy(&noted).into_owned());
                let site = || members.site(doing.as_str());
                place::require(&self.claim.value, noted.as_deref(), site)?;
            }
            return Err(self.scope.etcd.overtaken(doing, &self.scope.tenancy));
        }
        self.claim.revision = answer
            .header()
            .map_or(0, etcd_client::ResponseHeader::revision);
        Ok(())
    }

    /// Makes every request of this writer that is still under way fail, if there may be one.
    async fn renew_claim(&mut self) -> Result<(), Error> {
        if self.uncertain {
            self.grants.forget();
            let (key, value) = (self.claim.key.clone(), self.claim.value.clone());
            self.put_claim(vec![Compare::value(key, CompareOp::Equal, value)])
                .await?;
            self.uncertain = false;
        }
        Ok(())
    }

    /// Error of a transaction whose conditions do not hold.
    async fn refused(&mut self, doing: &str) -> Result<(), Error> {
        self.uncertain = true;
        self.renew_claim().await?;
        Err(self
            .scope
            .etcd
            .overtaken(doing.to_owned(), &self.scope.tenancy))
    }

    fn claimed(&self) -> [Compare; 2] {
        let key = self.claim.key.clone();
        let claim = Compare::mod_revision(key, CompareOp::Equal, self.claim.revision);
        [self.scope.still_owned(), claim]
    }

    /// The requests of a batch with the bytes of each, the operation that is the last of its key in the batch alone.
    async fn requests(&mut self, ops: &[Op]) -> Result<Vec<(TxnOp, usize)>, Error> {
        let last: HashMap<&[u8], usize> = ops
            .iter()
            .enumerate()
            .map(|(index, op)| (op.key(), index))
            .collect();
        let mut requests = Vec::with_capacity(last.len());
        for (index, op) in ops.iter().enumerate() {
            if last.get(op.key()) != Some(&index) {
                continue;
            }
            let key = self.scope.full(op.key());
            requests.push(match op {
                Op::Delete { .. } => (TxnOp::delete(key, None), op.key().len()),
                Op::Put(record) => {
                    let options = match record.ttl {
                        Some(ttl) => {
                            let members = &self.scope.etcd.members;
                            let lease = self.grants.lease(members, ttl).await?;
                            Some(PutOptions::new().with_lease(lease))
                        }
                        None => None,
                    };
                    let size = record.key.len() + record.value.len();
                    (TxnOp::put(key, record.value.clone(), options), size)
                }
            });
        }
        Ok(requests)
    }

    async fn write(&mut self, ops: &[Op]) -> Result<Written, Error> {
        let requests = self.requests(ops).await?;
        let conditions = self.claimed();
        let scope = &self.scope;
        let transactions: Vec<_> = requests
            .into_iter()
            .map(|(request, bytes)| {
                let transaction = Txn::new().when(conditions.clone()).and_then([request]);
                send(scope, transaction, bytes)
            })
            .collect();
        let outcomes: Vec<bool> = futures::stream::iter(transactions)
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await?;
        let all = outcomes.iter().all(|succeeded| *succeeded);
        Ok(if all { Written::Yes } else { Written::Refused })
    }

    async fn missing(&self, floor: i64) -> Result<u64, Error> {
        let revision = self.scope.revision().await?;
        Ok(u64::try_from(floor - revision).unwrap_or(0))
    }

    /// Makes `count` revisions at least, by as many writes to one key of the operator.
    async fn make_revisions(&mut self, count: u64) -> Result<(), Error> {
        let [_, key] = &transfer_keys(self.scope.tenancy.schema.as_str());
        let share = count.div_ceil(PIPELINED);
        let put = TxnOp::put(key.as_str(), "", None);
        let transaction = &Txn::new().when(self.claimed()).and_then([put]);
        let scope = &self.scope;
        let writers: Vec<_> = (0..count.min(PIPELINED))
            .map(|_| send_often(scope, transaction, share))
            .collect();
        let made = futures::future::try_join_all(writers).await?;
        if made.contains(&Written::Refused) {
            self.refused("raising the revision").await?;
        }
        self.raised += count;
        if self.raised >= COMPACTED {
            self.raised = 0;
            let revision = self.scope.revision().await?;
            self.compact(revision).await?;
        }
        Ok(())
    }

    async fn compact(&self, revision: i64) -> Result<(), Error> {
        let doing = format!("compacting up to revision {revision}");
        let members = &self.scope.etcd.members;
        members
            .call(doing, |mut client| async move {
                unless(COMPACTED_ALREADY, client.compact(revision, None).await)
            })
            .await
            .map(drop)
    }
}

/// Carries out a transaction; false if its conditions do not hold.
async fn send(scope: &Scope, transaction: Txn, bytes: usize) -> Result<bool, Error> {
    let doing = format!("writing keys of {}", scope.own);
    let transaction = &transaction;
    let answer = scope
        .etcd
        .members
        .call(doing.as_str(), |mut client| async move {
            client.txn(transaction.clone()).await
        })
        .await;
    match answer {
        Ok(answer) => Ok(answer.succeeded()),
        Err(Error::Protocol { site, cause } | Error::Unreachable { site, cause })
            if TOO_LARGE.iter().any(|words| cause.contains(words)) =>
        {
            Err(Error::Unsuitable {
                site,
                cause: format!("a value of {bytes} bytes with its key is larger than etcd takes"),
                remedy: "start this etcd with a larger --max-request-bytes",
            })
        }
        Err(error) => Err(error),
    }
}

/// Carries out a transaction `times` times, one after the other, as long as its conditions hold.
async fn send_often(scope: &Scope, transaction: &Txn, times: u64) -> Result<Written, Error> {
    for _ in 0..times {
        if !send(scope, transaction.clone(), 0).await? {
            return Ok(Written::Refused);
        }
    }
    Ok(Written::Yes)
}

#[async_trait]
impl Writer for EtcdWriter {
    async fn count(&mut self) -> Result<u64, Error> {
        self.scope.etcd.usage(&self.scope.tenancy).await
    }

    async fn clear(&mut self) -> Result<(), Error> {
        self.renew_claim().await?;
        let unserved = self.scope.etcd.members.unserved();
        self.uncertain = true;
        let (tenancy, claimed) = (&self.scope.tenancy, self.claimed());
        let cleared = self.scope.etcd.delete_keys(tenancy, &claimed).await;
        self.uncertain = unserved != self.scope.etcd.members.unserved() || cleared.is_err();
        self.renew_claim().await?;
        cleared.map(drop)
    }

    async fn revisions_missing(&mut self, floor: i64) -> Result<u64, Error> {
        self.missing(floor).await
    }

    async fn raise(&mut self, floor: i64) -> Result<u64, Error> {
        let missing = self.missing(floor).await?;
        if missing == 0 {
            return Ok(0);
        }
        self.make_revisions(missing.min(RAISED)).await?;
        self.missing(floor).await
    }

    async fn apply(&mut self, ops: &[Op]) -> Result<(), Error> {
        self.renew_claim().await?;
        for _ in 0..ATTEMPTS {
            let unserved = self.scope.etcd.members.unserved();
            self.uncertain = true;
            let written = self.write(ops).await;
            if written == Ok(Written::Yes) && unserved == self.scope.etcd.members.unserved() {
                self.uncertain = false;
                return Ok(());
            }
            // A request without an answer may be carried out later: no longer, once the claim is renewed.
            self.renew_claim().await?;
            written?;
        }
        let doing = format!("writing keys of {}", self.scope.own);
        Err(self.scope.etcd.overtaken(doing, &self.scope.tenancy))
    }

    /// Compacts the whole store up to the revision that is reached. That ends no watch which has caught up; clients of
    /// other tenants that ask for an older revision list again, as after every compaction.
    async fn finish(&mut self, floor: i64) -> Result<(), Error> {
        if self.finished.is_some_and(|revision| revision >= floor) {
            return Ok(());
        }
        if !self.ended {
            while self.raise(floor).await? > 0 {}
            let keys = transfer_keys(self.scope.tenancy.schema.as_str());
            let deletes = keys.each_ref().map(|key| TxnOp::delete(key.as_str(), None));
            let transaction = Txn::new().when(self.claimed()).and_then(deletes);
            if !send(&self.scope, transaction, 0).await? {
                return self.refused("ending a transfer").await;
            }
            self.ended = true;
        }
        let revision = self.scope.revision().await?;
        self.compact(revision).await?;
        self.finished = Some(revision);
        Ok(())
    }
}
