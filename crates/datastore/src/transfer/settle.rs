//! Verification of a copy: pages of both ends first, then the keys that changed meanwhile.

use tokio::time::Instant;

use super::copy::{Copy, Stop};
use super::cursor::Cursor;
use super::error::{CopyError, Difference, shown};
use super::pace::Rounds;
use super::record::{Op, Record};
use super::state::Phase;
use super::verify::{Change, Verification, difference, differences};

/// Revision of a key that expired at the target too early and was written again.
const RENEWED: i64 = -1;
/// Revision of a key whose change is being applied.
const APPLYING: i64 = 0;

impl Copy {
    /// Compares one page of both ends. A difference is an error unless the key has changed meanwhile.
    pub(super) async fn verify(&mut self) -> Result<(), Stop> {
        if self.check.changed.exceeds(self.bounds.changed) {
            return self.verify_again();
        }
        if self.check.changed.len() > self.bounds.changed / 2 {
            self.settle_batch().await?;
        }
        let after = self.check.cursor.after();
        let source = self.ends.source.page(after).await?;
        let target = self.ends.copied.page(after).await?;
        let end = self.check.cursor.behind(&source, "source")?;
        let end = end.min(self.check.cursor.behind(&target, "target")?);
        let found = differences(&source, &target, &end);
        drop(target);
        self.follow_to(source.revision).await?;
        for (key, difference) in found {
            if !self.check.changed.contains(&key) {
                let record = source.records.iter().find(|record| record.key == key);
                self.renew_or_refuse(&key, difference, record).await?;
            }
        }
        for record in &source.records {
            if end.covers(&record.key) && !self.check.changed.contains(&record.key) {
                self.check.digests.add(record);
                self.progress.verified += 1;
            }
        }
        if end == Cursor::End {
            self.phase = Phase::Settle;
        }
        self.check.cursor = end;
        Ok(())
    }

    fn verify_again(&mut self) -> Result<(), Stop> {
        self.rechecks += 1;
        if self.rechecks > self.bounds.verifications {
            return Err(Stop::Failed(CopyError::Busy {
                most: self.bounds.changed,
                times: self.rechecks,
            }));
        }
        self.check = Verification::default();
        self.progress.verified = 0;
        self.phase = Phase::Verify;
        Ok(())
    }

    /// Follows the changes and compares some of the keys that changed.
    pub(super) async fn settle(&mut self) -> Result<(), Stop> {
        if self.check.changed.exceeds(self.bounds.changed) {
            return self.verify_again();
        }
        let (began, applied) = (Instant::now(), self.progress.changes);
        self.catch_up().await?;
        let changes = self.progress.changes - applied;
        let followed = self.check.following.count(changes, began.elapsed())?;
        if !followed {
            // What else a step does takes time in which the source advances.
            self.phase = Phase::Settle;
            return Ok(());
        }
        let raised = self.raise_for_fence().await?;
        let compared = self.settle_batch().await?;
        let (left, pace) = (self.check.changed.len(), self.check.pace);
        if !pace.allows(left) {
            self.phase = Phase::Settle;
            return Ok(self.check.rounds.count(compared, left, pace)?);
        }
        self.check.rounds = Rounds::default();
        self.phase = if raised { Phase::Ready } else { Phase::Settle };
        Ok(())
    }

    /// Compares some of the keys that changed at both ends, as they are now; returns their number.
    pub(super) async fn settle_batch(&mut self) -> Result<usize, Stop> {
        let batch = self.check.changed.batch();
        if batch.is_empty() {
            return Ok(0);
        }
        let began = Instant::now();
        let keys: Vec<Vec<u8>> = batch.iter().map(|(key, _)| key.clone()).collect();
        let source = self.ends.source.get(&keys).await?;
        let target = self.ends.copied.get(&keys[..source.len()]).await?;
        // The values may have grown since their changes were recorded. What was not read is left for the next batch.
        let batch = &batch[..target.len()];
        if let Some((last, _)) = batch.last() {
            self.check.changed.go_on_behind(last);
        }
        self.check.pace.measure(batch.len(), began.elapsed());
        // A key that differs because it has just changed gets a new revision here.
        self.catch_up().await?;
        for ((key, change), (source, target)) in batch.iter().zip(source.iter().zip(&target)) {
            if self.check.changed.last(key) != Some(*change) {
                continue;
            }
            match difference(source.as_ref(), target.as_ref()) {
                None => self.settled(key, source.as_ref()),
                Some(Difference::Missing) if change.revision == RENEWED => {
                    return Err(refused(key, Difference::Missing));
                }
                Some(found) => self.renew_or_refuse(key, found, source.as_ref()).await?,
            }
        }
        Ok(batch.len())
    }

    fn settled(&mut self, key: &[u8], record: Option<&Record>) {
        self.check.changed.remove(key);
        if let Some(record) = record
            && self.check.counts(key)
        {
            self.check.digests.add(record);
        }
    }

    /// Writes a record again that has expired at the target and not yet at the source; refuses every other difference.
    async fn renew_or_refuse(
        &mut self,
        key: &[u8],
        difference: Difference,
        source: Option<&Record>,
    ) -> Result<(), Stop> {
        match source {
            Some(record) if difference == Difference::Missing && record.ttl.is_some() => {
                let change = Change {
                    revision: RENEWED,
                    bytes: record.value.len(),
                };
                self.check.changed.insert(key, change);
                self.ends.target.apply(&[Op::Put(record.clone())]).await?;
                Ok(())
            }
            _ => Err(refused(key, difference)),
        }
    }

    /// Remembers the keys of changes, and takes their records as they are still at the target out of the digests.
    pub(super) async fn remember(&mut self, ops: &[Op]) -> Result<(), Stop> {
        let counted = ops.iter().filter(|op| self.check.counts(op.key()));
        let mut counted: Vec<Vec<u8>> = counted.map(|op| op.key().to_vec()).collect();
        counted.sort_unstable();
        counted.dedup();
        let mut left = counted.as_slice();
        while !left.is_empty() {
            let records = self.ends.copied.get(left).await?;
            let (keys, later) = left.split_at(records.len());
            left = later;
            for (key, record) in keys.iter().zip(records) {
                if let Some(record) = record {
                    self.check.digests.subtract(&record);
                }
                let (revision, bytes) = (APPLYING, 0);
                self.check.changed.insert(key, Change { revision, bytes });
            }
        }
        for op in ops {
            self.check.changed.insert(op.key(), Change::of(op));
        }
        Ok(())
    }
}

fn refused(key: &[u8], difference: Difference) -> Stop {
    let key = shown(key);
    Stop::Failed(CopyError::Different { key, difference })
}
