//! One attempt to move a tenant's data: copy, fence, cut.

mod target;

use std::time::{Duration, Instant};

use kamaji_api::{
    condition::Reason,
    labels,
    tenant::{MigrationPhase, MigrationProgress, StorageMigrationStatus, TenantControlPlane},
};
use kamaji_core::migration::{
    Change,
    ends::{self, Ends},
    record,
};
use kamaji_datastore::transfer::{Copy, CopyError, Phase, Progress, Report, Roots};
use kamaji_shell::{ObjectKey, clock};

use super::{
    apart,
    outcome::{Stop, failed, publish},
    records::{asks_for, begins, current, fence_id, with},
    source::{lift, observed},
    update::{Until, update},
};
use crate::context::Context;

/// Longest time from the fence to the end of the copy, after which the fence is lifted.
const FENCE: Duration = Duration::from_secs(30);
/// Time limit of one step of a copy.
const STEP: Duration = Duration::from_mins(10);
/// Shortest time between two figures in the status.
const REPORT: Duration = Duration::from_secs(5);
/// Interval at which a step of a copy looks whether it is still wanted.
const GLANCE: Duration = Duration::from_millis(250);
/// Failures of a datastore in a row after which an attempt ends; the pauses between them sum up to a minute.
const FAILURES: u32 = 6;

/// A tenant and its record between two steps.
struct Attempt<'a> {
    context: &'a Context,
    key: &'a ObjectKey,
    object: TenantControlPlane,
    record: StorageMigrationStatus,
    ends: Ends,
    /// Keys and bytes that metrics have counted.
    counted: (u64, u64),
}

/// Moves the data of a tenant, and records a failure with the time of the next attempt.
pub(super) async fn run(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    record: StorageMigrationStatus,
) -> Result<(), Stop> {
    let begun = record.clone();
    let object = update(context, object, Until::Tried, move |live, storage| {
        begins(live, storage, &begun)
    })
    .await?;
    let ended = match Box::pin(Attempt::open(context, key, object.clone(), record.clone())).await {
        Ok(mut attempt) => Box::pin(attempt.move_data()).await,
        Err(stop) => Err(stop),
    };
    let Err(Stop::Failed(why)) = ended else {
        return ended;
    };
    context.metrics.migrations.end("failed");
    tracing::warn!(tenant = %key, "the migration from {} to {} failed: {why}", record.source, record.target);
    let recorded = update(context, &object, Until::Known, |_, storage| {
        let now = current(storage, &record)?;
        let next = record::failed(now, &why, clock::now());
        Some(with(storage, next))
    });
    recorded.await.map(drop)
}

impl<'a> Attempt<'a> {
    /// Gives the tenant its right to write at the source, and claims its names at the target.
    async fn open(
        context: &'a Context,
        key: &'a ObjectKey,
        object: TenantControlPlane,
        record: StorageMigrationStatus,
    ) -> Result<Self, Stop> {
        let (tenant, snapshot) = observed(context, key, &object).await?;
        let ends = ends::ends(&tenant, &snapshot, &Change::of(&record)).map_err(failed)?;
        let object = lift(context, key, &object, &ends.source).await?;
        let mut attempt = Self {
            context,
            key,
            object,
            record,
            ends,
            counted: (0, 0),
        };
        Box::pin(attempt.claim()).await?;
        Box::pin(apart::require(&context.databases, &attempt.ends)).await?;
        Box::pin(attempt.clear_former()).await?;
        let databases = &context.databases;
        let ensured = databases.lift(key, &attempt.ends.target, None).await;
        ensured.map_err(failed)?;
        Ok(attempt)
    }

    async fn move_data(&mut self) -> Result<(), Stop> {
        let (opened, count) = self
            .context
            .databases
            .copy_ends(&self.ends)
            .await
            .map_err(failed)?;
        self.prepare(count).await?;
        let roots = if self.ends.one_root {
            Roots::Equal
        } else {
            Roots::Different
        };
        let mut copy = Copy::new(opened, roots);
        let metrics = &self.context.metrics.migrations;
        let copying = metrics.begin("copying");
        Box::pin(self.copy(&mut copy)).await?;
        drop(copying);
        let thawed = self.context.databases.thaw(self.key, &self.ends.target);
        thawed.await.map_err(failed)?;
        let _fenced = metrics.begin("fenced");
        let id = fence_id(&self.ends.source.binding.owner.tenant, self.record.attempts);
        let fenced = self.transition(|now| record::fenced(now, &id));
        self.object = fenced.await?;
        let since = clock::instant();
        let cut = match Box::pin(self.finish(&mut copy, &id)).await {
            Ok(report) => Box::pin(self.cut(&report, &id, since)).await,
            Err(stop) => Err(stop),
        };
        if let Err(stop) = cut {
            return Err(Box::pin(self.unfence(stop)).await);
        }
        Ok(())
    }

    /// Records a change of the migration, as long as the tenant asks for it.
    async fn transition(
        &self,
        change: impl Fn(&StorageMigrationStatus) -> StorageMigrationStatus + Send + Sync,
    ) -> Result<TenantControlPlane, Stop> {
        update(self.context, &self.object, Until::Tried, |live, storage| {
            let now = current(storage, &self.record)?;
            asks_for(live, &self.record).then(|| with(storage, change(now)))
        })
        .await
    }

    /// Steps the copy until the tenant may be fenced.
    async fn copy(&mut self, copy: &mut Copy) -> Result<(), Stop> {
        let (mut failures, mut reported) = (0, clock::instant());
        loop {
            self.require_wanted()?;
            let stepped = tokio::select! {
                stop = self.stopped() => return Err(stop),
                stepped = tokio::time::timeout(STEP, Box::pin(copy.step())) => stepped,
            };
            match stepped {
                Ok(Ok(Phase::Ready)) => return self.report(copy.progress()).await,
                Ok(Ok(_)) => failures = 0,
                Ok(Err(CopyError::Store(error))) if failures < FAILURES => {
                    tracing::debug!(tenant = %self.key, %error, "a step of the copy is repeated");
                    tokio::time::sleep(Duration::from_secs(1 << failures)).await;
                    failures += 1;
                }
                Ok(Err(error)) => return Err(failed(error)),
                Err(_) => {
                    return Err(Stop::Failed(format!(
                        "a step of the copy took longer than {STEP:?}; look for a datastore that is overloaded"
                    )));
                }
            }
            if reported.elapsed() >= REPORT {
                reported = clock::instant();
                self.report(copy.progress()).await?;
            }
        }
    }

    /// Completes when the process is to stop, or the tenant asks for something else.
    async fn stopped(&self) -> Stop {
        while !self.context.migration_queue.is_closed() {
            if let Err(stop) = self.require_wanted() {
                return stop;
            }
            tokio::time::sleep(GLANCE).await;
        }
        Stop::Closing
    }

    /// Fails once the tenant asks for something else, or the time limit has passed.
    fn require_wanted(&self) -> Result<(), Stop> {
        let live = self.context.tenants.get(self.key);
        let same = live.filter(|live| live.metadata.uid == self.object.metadata.uid);
        if same.is_none_or(|live| !asks_for(&live, &self.record)) {
            return Err(Stop::Superseded);
        }
        if record::is_overdue(&self.record, clock::now()) {
            return Err(Stop::Failed(format!(
                "the time limit of the annotation {} has passed",
                labels::MIGRATION_TIMEOUT
            )));
        }
        Ok(())
    }

    async fn report(&mut self, found: Progress) -> Result<(), Stop> {
        let new = |now: u64, had: u64| now.saturating_sub(had);
        let copied = (
            new(found.keys, self.counted.0),
            new(found.bytes, self.counted.1),
        );
        self.counted = (found.keys, found.bytes);
        let metrics = &self.context.metrics.migrations;
        metrics.copied(copied, found.lag());
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let progress = MigrationProgress {
            bytes: number(found.bytes),
            keys: number(found.keys),
            lag: found.lag(),
            verified: number(found.verified),
        };
        self.object = self
            .transition(|record| record::advanced(record, progress.clone()))
            .await?;
        Ok(())
    }

    /// Takes the tenant's right to write, and ends the copy.
    async fn finish(&self, copy: &mut Copy, id: &str) -> Result<Report, Stop> {
        let finishing = async {
            let fence = self
                .context
                .databases
                .fence(self.key, &self.ends.source, id);
            let revision = fence.await.map_err(failed)?;
            Box::pin(copy.finish(revision)).await.map_err(failed)
        };
        match tokio::time::timeout(FENCE, finishing).await {
            Ok(finished) => finished,
            Err(_) => Err(Stop::Failed(format!(
                "the last changes did not arrive within {FENCE:?}, after which the tenant may write again"
            ))),
        }
    }

    /// Moves the tenant to the target by one status patch, whose outcome has to be known before anything else is done.
    async fn cut(&self, report: &Report, fence: &str, since: Instant) -> Result<(), Stop> {
        let target = &self.ends.target;
        let object = update(self.context, &self.object, Until::Known, |live, storage| {
            let switched = storage.migration.as_ref();
            let switched = switched.filter(|record| record.phase == MigrationPhase::Switched);
            if switched.is_some_and(|record| Change::of(record) == Change::of(&self.record)) {
                // An answer was lost on the way.
                return Some(storage.clone());
            }
            asks_for(live, &self.record)
                .then(|| record::cut(storage, target, fence, clock::now()))
                .flatten()
        })
        .await?;
        let refused = since.elapsed();
        let metrics = &self.context.metrics.migrations;
        metrics.refused(refused.as_secs_f64());
        metrics.end("moved");
        let note = format!(
            "{} has moved from the DataStore {} to {} at revision {}, {} keys; writes were refused for {} ms until then",
            Change::of(&self.record).subject(),
            self.record.source,
            self.record.target,
            report.revision,
            report.progress.keys,
            refused.as_millis()
        );
        publish(self.context, &object, Reason::Migrated, note).await;
        Ok(())
    }

    /// Lifts the fence after a failure. The status says first that there is none, so that a cut which is still on its way
    /// comes to nothing.
    async fn unfence(&self, stop: Stop) -> Stop {
        let why = match &stop {
            Stop::Failed(why) => why.clone(),
            Stop::Superseded => "the spec asks for something else".to_owned(),
            Stop::Closing => "the operator stops".to_owned(),
        };
        let recorded = update(self.context, &self.object, Until::Known, |_, storage| {
            let now = current(storage, &self.record)?;
            let next = match &stop {
                Stop::Failed(_) => record::failed(now, &why, clock::now()),
                _ => StorageMigrationStatus {
                    phase: MigrationPhase::Copying,
                    ..now.clone()
                },
            };
            Some(with(storage, next))
        });
        if let Err(other) = recorded.await {
            return other;
        }
        if let Err(Stop::Failed(problem)) =
            lift(self.context, self.key, &self.object, &self.ends.source).await
        {
            tracing::warn!(tenant = %self.key, "the fence is not lifted yet: {problem}");
        }
        match stop {
            // The failure is recorded.
            Stop::Failed(_) => Stop::Superseded,
            stop => stop,
        }
    }
}
