//! Copy of a tenant's data to another datastore while the tenant goes on writing.
//!
//! The scan reads pages of the latest state in the order of keys and writes them. After each page the changes are
//! read up to the page's revision at least, and those of keys that were scanned are applied; keys behind are scanned
//! later. When the scan ends, the target has every change that was followed. No revision of the source is held, and
//! memory is bounded by a few pages and by the keys that change during the verification.

use tokio::time::Instant;

use super::cursor::Cursor;
use super::ends::Followed;
use super::error::{CopyError, shown};
use super::follow::changes_until;
use super::pace::{Pace, Race, Raising};
use super::record::{Op, Record};
use super::state::{Ends, Phase, Progress, Report, Roots};
use super::verify::Verification;
use crate::error::Error;

/// Most missing changes of revision with which the verification begins.
const FEW_REVISIONS: u64 = 1000;
/// Most missing changes of revision that are left to be made under the fence, however fast they are made.
const REVISIONS_UNDER_FENCE: u64 = 5000;
/// Prefixes of values that an API server has bound to their full keys.
const BOUND: [&str; 2] = ["k8s:enc:aesgcm:", "k8s:enc:kms:"];

/// Bounds of a copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Most copies that start again after a compaction.
    pub(super) restarts: u32,
    /// Most keys that changed and are remembered during the verification.
    pub(super) changed: usize,
    /// Most verifications that start again because more keys changed.
    pub(super) verifications: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            restarts: 5,
            changed: 200_000,
            verifications: 5,
        }
    }
}

/// A copy of one tenant's data, driven step by step. A step whose future is dropped is repeated by the next.
pub struct Copy {
    pub(super) ends: Ends,
    roots: Roots,
    pub(super) bounds: Bounds,
    pub(super) phase: Phase,
    /// Keys that were copied; `None` before the target was cleared.
    scanned: Option<Cursor>,
    pub(super) check: Verification,
    /// Number of verifications that started again.
    pub(super) rechecks: u32,
    /// Attempts to raise the target's revision, while more than a few revisions are missing.
    raising: Option<Raising>,
    /// Measured time of changes of the target's revision.
    raised: Pace,
    /// Race with the source, once the scan has begun.
    race: Option<Race>,
    /// Revision of the fence, if there is one.
    fenced: Option<i64>,
    pub(super) progress: Progress,
}

/// Reason for which a step ends early.
pub(super) enum Stop {
    Compacted,
    Failed(CopyError),
}

impl From<CopyError> for Stop {
    fn from(error: CopyError) -> Self {
        Self::Failed(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Copy {
    /// Prepares a copy; nothing is read or written yet.
    pub fn new(ends: Ends, roots: Roots) -> Self {
        Self {
            ends,
            roots,
            bounds: Bounds::default(),
            phase: Phase::Scan,
            scanned: None,
            check: Verification::default(),
            rechecks: 0,
            raising: None,
            raised: Pace::default(),
            race: None,
            fenced: None,
            progress: Progress::default(),
        }
    }

    /// Part of the copy that the next step works on.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Figures of the copy so far.
    pub fn progress(&self) -> Progress {
        Progress {
            unsettled: self.check.changed.len(),
            ..self.progress
        }
    }

    /// Carries out one bounded part of the work; returns the phase of the next step. From [`Phase::Ready`] on, further steps
    /// follow the changes and compare the keys that changed.
    pub async fn step(&mut self) -> Result<Phase, CopyError> {
        self.fenced = None;
        let worked = match self.phase {
            Phase::Scan => self.scan().await,
            Phase::Follow => self.follow().await,
            Phase::Raise => self.raise().await,
            Phase::Verify => self.verify().await,
            Phase::Settle | Phase::Ready => self.settle().await,
        };
        match worked {
            Ok(()) => Ok(self.phase),
            Err(Stop::Compacted) => self.start_again(),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// Ends the copy after the tenant's right to write was taken at revision `fenced`: applies the last changes,
    /// compares the keys that changed, and sets the target's revision. Safe to repeat. An error leaves the source as
    /// it was, and the caller lifts the fence there.
    pub async fn finish(&mut self, fenced: i64) -> Result<Report, CopyError> {
        if self.phase != Phase::Ready {
            return Err(CopyError::NotReady { phase: self.phase });
        }
        self.fenced = Some(fenced);
        match self.last_changes(fenced).await {
            Ok(report) => Ok(report),
            Err(Stop::Compacted) => Err(CopyError::Compacted { times: 1 }),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    async fn last_changes(&mut self, fenced: i64) -> Result<Report, Stop> {
        self.follow_to(fenced).await?;
        let settled_under_fence = self.check.changed.len() as u64;
        while self.check.changed.len() > 0 {
            self.settle_batch().await?;
        }
        let revision = self.progress.followed.max(fenced);
        self.ends.target.finish(revision).await?;
        self.progress.revisions_missing = 0;
        Ok(Report {
            revision,
            ranges: self.check.digests.clone(),
            settled_under_fence,
            progress: self.progress(),
        })
    }

    /// Starts again from nothing, after the source compacted changes that were not read.
    fn start_again(&mut self) -> Result<Phase, CopyError> {
        let restarts = self.progress.restarts + 1;
        if restarts > self.bounds.restarts {
            return Err(CopyError::Compacted { times: restarts });
        }
        self.progress = Progress {
            restarts,
            ..Progress::default()
        };
        self.scanned = None;
        self.check = Verification::default();
        self.raising = None;
        self.phase = Phase::Scan;
        Ok(self.phase)
    }

    /// Copies one page, and the changes up to its revision of all keys that were copied.
    async fn scan(&mut self) -> Result<(), Stop> {
        let cursor = match self.scanned.clone() {
            Some(cursor) => cursor,
            None => self.begin().await?,
        };
        let page = self.ends.source.page(cursor.after()).await?;
        let behind = cursor.behind(&page, "source")?;
        let (keys, bytes) = size(&page.records);
        let ops: Vec<Op> = page.records.into_iter().map(Op::Put).collect();
        self.refuse_bound(&ops)?;
        if !ops.is_empty() {
            self.ends.target.apply(&ops).await?;
        }
        drop(ops);
        self.progress.keys += keys;
        self.progress.bytes += bytes;
        self.scanned = Some(behind.clone());
        self.progress.latest = self.progress.latest.max(page.revision);
        if behind == Cursor::End {
            self.phase = Phase::Follow;
        }
        self.follow_to(page.revision).await
    }

    async fn begin(&mut self) -> Result<Cursor, Stop> {
        if self.ends.target.count().await? > 0 {
            self.ends.target.clear().await?;
        }
        let revision = self.ends.source.revision().await?;
        self.ends.target.begin(revision).await?;
        (self.progress.followed, self.progress.latest) = (revision, revision);
        self.scanned = Some(Cursor::Start);
        self.race = Some(Race::from(self.progress));
        Ok(Cursor::Start)
    }

    async fn follow(&mut self) -> Result<(), Stop> {
        self.catch_up().await?;
        self.phase = Phase::Raise;
        Ok(())
    }

    async fn raise(&mut self) -> Result<(), Stop> {
        let raised = self.raise_target().await?;
        self.catch_up().await?;
        if raised {
            self.check = Verification::default();
            self.progress.verified = 0;
            self.phase = Phase::Verify;
        }
        Ok(())
    }

    /// Raises the target's revision towards the latest of the source; returns false if more than a few revisions
    /// are missing still. An error if the source advances faster.
    pub(super) async fn raise_target(&mut self) -> Result<bool, Stop> {
        let latest = self.progress.latest;
        let before = self.ends.target.revisions_missing(latest).await?;
        let began = Instant::now();
        let missing = self.ends.target.raise(latest).await?;
        if let Ok(made @ 1..) = usize::try_from(before.saturating_sub(missing)) {
            self.raised.measure(made, began.elapsed());
        }
        self.progress.revisions_missing = missing;
        if missing <= FEW_REVISIONS {
            self.raising = None;
            return Ok(true);
        }
        let raising = self.raising.get_or_insert_with(|| Raising::from(latest));
        raising.count(missing, latest)?;
        Ok(false)
    }

    /// Raises the target's revision, unless what is missing can be made under the fence by the measured pace; returns
    /// false if it cannot. Raising takes the time in which the source advances, so that it is not repeated each time.
    pub(super) async fn raise_for_fence(&mut self) -> Result<bool, Stop> {
        let latest = self.progress.latest;
        let missing = self.ends.target.revisions_missing(latest).await?;
        let quick = usize::try_from(missing).is_ok_and(|missing| self.raised.allows(missing));
        if missing <= REVISIONS_UNDER_FENCE && quick {
            self.progress.revisions_missing = missing;
            self.raising = None;
            return Ok(true);
        }
        self.raise_target().await
    }

    /// Applies all changes up to now.
    pub(super) async fn catch_up(&mut self) -> Result<(), Stop> {
        let latest = self.ends.source.revision().await?;
        self.progress.latest = self.progress.latest.max(latest);
        self.follow_to(latest).await
    }

    /// Applies the changes up to `goal` at least.
    pub(super) async fn follow_to(&mut self, goal: i64) -> Result<(), Stop> {
        while self.progress.followed < goal {
            let followed = self.progress.followed;
            let source = self.ends.source.as_mut();
            let Followed::Changes(changes) = changes_until(source, followed, goal).await? else {
                return Err(Stop::Compacted);
            };
            self.apply(changes.ops).await?;
            self.progress.followed = changes.revision;
            self.progress.latest = self.progress.latest.max(changes.revision);
            if let Some(race) = self.race.as_mut().filter(|race| race.is_lap_over()) {
                let latest = self.ends.source.revision().await?;
                self.progress.latest = self.progress.latest.max(latest);
                race.count(self.progress)?;
            }
        }
        Ok(())
    }

    /// Applies changes of keys that were scanned.
    async fn apply(&mut self, mut ops: Vec<Op>) -> Result<(), Stop> {
        let scanned = self.scanned.as_ref();
        ops.retain(|op| scanned.is_some_and(|cursor| cursor.covers(op.key())));
        if ops.is_empty() {
            return Ok(());
        }
        self.refuse_bound(&ops)?;
        self.refuse_unfenced(&ops)?;
        if self.phase >= Phase::Verify {
            self.remember(&ops).await?;
        }
        self.ends.target.apply(&ops).await?;
        self.progress.changes += ops.len() as u64;
        Ok(())
    }

    fn refuse_bound(&self, ops: &[Op]) -> Result<(), CopyError> {
        if self.roots == Roots::Equal {
            return Ok(());
        }
        for op in ops {
            let Op::Put(record) = op else { continue };
            let bound = |prefix: &&str| record.value.starts_with(prefix.as_bytes());
            if let Some(provider) = BOUND.iter().copied().find(bound) {
                let key = shown(&record.key);
                return Err(CopyError::Bound { key, provider });
            }
        }
        Ok(())
    }

    /// Refuses a write after the fence. Deletions are let pass: keys expire there, too.
    fn refuse_unfenced(&self, ops: &[Op]) -> Result<(), CopyError> {
        let Some(fenced) = self.fenced else {
            return Ok(());
        };
        let late = |op: &&Op| matches!(op, Op::Put(_)) && op.revision() > fenced;
        match ops.iter().find(late) {
            None => Ok(()),
            Some(op) => Err(CopyError::Unfenced {
                key: shown(op.key()),
                revision: op.revision(),
                fenced,
            }),
        }
    }
}

/// Copies data that nobody changes, such as a snapshot, and verifies the copy. A source whose revision stays is asked
/// for pages only, never for changes or single keys.
pub async fn copy_all(ends: Ends, roots: Roots) -> Result<Report, CopyError> {
    let mut copy = Copy::new(ends, roots);
    while copy.step().await? != Phase::Ready {}
    let revision = copy.progress().followed;
    copy.finish(revision).await
}

fn size(records: &[Record]) -> (u64, u64) {
    let bytes = records
        .iter()
        .map(|record| record.key.len() + record.value.len());
    (records.len() as u64, bytes.sum::<usize>() as u64)
}
