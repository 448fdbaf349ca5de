//! Writes kine's bucket: one message for each operation, behind the last one.
//!
//! Every message names the one that it follows. A new writer begins with more messages of its own than may be under way
//! of an earlier one, so that none of these follows the last one any more. Revisions are numbers in the stream: they are
//! new at the target, and above those of the source, because an empty bucket begins behind them and what is missing is
//! filled up.

use std::iter;

use async_trait::async_trait;

use super::super::client::Nats;
use super::link::Link;
use super::publish::{Message, UNACKNOWLEDGED, Unwritten};
use super::{entry, keys};
use crate::error::Error;
use crate::tenancy::Tenancy;
use crate::transfer::kine::last_of_each_key;
use crate::transfer::{Op, Writer};

/// Attempts at one batch, each after the owner records and the place were checked.
const ATTEMPTS: usize = 4;
/// Messages with which a writer begins.
const BARRIER: u64 = 2 * UNACKNOWLEDGED as u64;
/// Most revisions that one call makes: about a second, in which the source of a copy advances.
const RAISED: u64 = 20_000;
/// Largest revision that a target begins behind: kine counts with signed numbers, and the tenant goes on for ever.
const HIGHEST: u64 = 1 << 62;

/// Writer of one tenant's bucket.
pub(in super::super) struct BucketWriter {
    link: Link,
    /// Number of the last message when the transfer was finished.
    finished: Option<u64>,
}

impl BucketWriter {
    /// A writer of the tenancy, which has been ensured. Every earlier writer of it is refused from here on.
    pub(in super::super) async fn open(nats: &Nats, tenancy: &Tenancy) -> Result<Self, Error> {
        let link = Link::placed(nats, tenancy).await?;
        let writer = Self {
            link,
            finished: None,
        };
        writer.write(&|_| writer.marks(BARRIER, 0)).await?;
        Ok(writer)
    }

    /// Writes what `messages` makes of the number of the last message, again if somebody else has written meanwhile;
    /// returns the number of the last message then.
    async fn write(
        &self,
        messages: &(dyn Fn(u64) -> Result<Vec<Message>, Error> + Sync),
    ) -> Result<u64, Error> {
        let mut cause = String::new();
        for _ in 0..ATTEMPTS {
            let last = self.link.checked().await?;
            let messages = messages(last)?;
            match self.link.publish(last, messages.into_iter()).await {
                Ok(last) => return Ok(last),
                Err(Unwritten::Failed(error)) => return Err(error),
                Err(Unwritten::Lost(reason)) => cause = reason,
                Err(Unwritten::Overtaken) => {
                    "another client writes to the bucket at the same time".clone_into(&mut cause);
                }
            }
        }
        let site = self.link.site("writing");
        Err(Error::Unreachable { site, cause })
    }

    /// `count` notes of a compaction at `revision`: the only messages that are no change of a tenant's key.
    fn marks(&self, count: u64, revision: u64) -> Result<Vec<Message>, Error> {
        let value = entry::of_compaction(revision)
            .map_err(|flaw| self.link.unsupported("writing", flaw))?;
        let subject = keys::compaction(self.link.bucket());
        let mark = || Message {
            subject: subject.clone(),
            value: Some(value.clone()),
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(iter::repeat_with(mark).take(count).collect())
    }

    fn message(&self, op: &Op) -> Result<Message, Error> {
        let value = match op {
            Op::Put(record) => entry::of_record(record).map(Some),
            Op::Delete { .. } => Ok(None),
        };
        Ok(Message {
            subject: keys::subject(self.link.bucket(), op.key()),
            value: value.map_err(|flaw| self.link.unsupported("writing", flaw))?,
        })
    }

    /// The floor as a number in the stream; an error if no revision is left after it.
    fn floor(&self, floor: i64) -> Result<u64, Error> {
        let floor = u64::try_from(floor).unwrap_or(0);
        if floor > HIGHEST {
            let cause = format!("no revision is left after {floor}");
            return Err(self.link.unsupported("writing", cause));
        }
        Ok(floor)
    }
}

/// Numbers that have to be passed after `last`, so that no record of `ops` gets one below its revision.
fn behind(last: u64, ops: &[&Op]) -> u64 {
    let missing = (last + 1..).zip(ops).map(|(number, op)| match op {
        Op::Put(record) => {
            u64::try_from(record.modified).map_or(0, |own| own.saturating_sub(number))
        }
        Op::Delete { .. } => 0,
    });
    missing.max().unwrap_or(0)
}

#[async_trait]
impl Writer for BucketWriter {
    async fn count(&mut self) -> Result<u64, Error> {
        self.link.count().await
    }

    /// Deletes what was there when owner records and place were checked, and nothing that was written later.
    async fn clear(&mut self) -> Result<(), Error> {
        let last = self.link.checked().await?;
        if last > 0 {
            self.link.purge_before(last + 1).await?;
        }
        self.finished = None;
        Ok(())
    }

    /// Numbers of a stream can be left out as long as it is empty. A request for it that arrives late does no harm: the
    /// next writer begins behind the same floor or a higher one.
    async fn begin(&mut self, floor: i64) -> Result<(), Error> {
        let floor = self.floor(floor)?;
        if self.link.checked().await? < floor && self.link.count().await? == 0 {
            self.link.purge_before(floor + 1).await?;
            // kine waits for the last message that there was.
            self.write(&|_| self.marks(1, 0)).await?;
        }
        Ok(())
    }

    async fn revisions_missing(&mut self, floor: i64) -> Result<u64, Error> {
        let floor = self.floor(floor)?;
        Ok(floor.saturating_sub(self.link.last().await?))
    }

    async fn raise(&mut self, floor: i64) -> Result<u64, Error> {
        let floor = self.floor(floor)?;
        if self.link.checked().await? >= floor {
            return Ok(0);
        }
        let marks = |last: u64| self.marks(floor.saturating_sub(last).min(RAISED), 0);
        let last = self.write(&marks).await?;
        Ok(floor.saturating_sub(last))
    }

    /// Gives no key a revision below that of its source, as far as that takes a bounded number of messages.
    async fn apply(&mut self, ops: &[Op]) -> Result<(), Error> {
        let ops = last_of_each_key(ops);
        let messages = |last| {
            let mut messages = self.marks(behind(last, &ops).min(RAISED), 0)?;
            for op in &ops {
                messages.push(self.message(op)?);
            }
            Ok(messages)
        };
        self.write(&messages).await.map(drop)
    }

    /// kine begins with the last message, which has to be one that it reads: the note of a compaction at its own revision.
    async fn finish(&mut self, floor: i64) -> Result<(), Error> {
        let known = self.floor(floor)?;
        if self.finished.is_some_and(|last| last > known) {
            return self.link.checked().await.map(drop);
        }
        while self.raise(floor).await? > 0 {}
        self.finished = Some(self.write(&|last| self.marks(1, last + 1)).await?);
        Ok(())
    }
}
