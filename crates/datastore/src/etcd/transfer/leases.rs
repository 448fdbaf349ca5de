//! Remaining time to live of leases, as records of a transfer have it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::super::members::Members;
use crate::error::Error;

/// Leases that are asked for at the same time.
const CONCURRENT: usize = 16;
/// Most leases that are remembered.
const REMEMBERED: usize = 10_000;
/// Age from which a lease is asked for again: a client may have renewed it.
const AGE: Duration = Duration::from_secs(30);

/// Leases that were asked for lately.
#[derive(Default)]
pub(super) struct Leases {
    known: HashMap<i64, Known>,
}

#[derive(Clone, Copy)]
struct Known {
    /// Seconds that were left; at most 0 for a lease that has ended.
    left: i64,
    at: Instant,
}

impl Leases {
    /// Asks for those of the leases that are not known.
    pub(super) async fn learn(
        &mut self,
        members: &Members,
        leases: BTreeSet<i64>,
    ) -> Result<(), Error> {
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
        let fresh = |lease: &i64| {
            self.known
                .get(lease)
                .is_some_and(|known| known.at.elapsed() < AGE)
        };
        let unknown: Vec<i64> = leases.into_iter().filter(|lease| !fresh(lease)).collect();
        let asked: Vec<_> = unknown
            .into_iter()
            .map(|lease| ask(members, lease))
            .collect();
        let known: Vec<(i64, Known)> = futures::stream::iter(asked)
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await?;
        self.known.extend(known);
        Ok(())
    }

    /// Seconds until a lease that was learned ends, rounded up and at least 1; `None` without a lease. etcd rounds
    /// down, so that a second is added: a copy never expires before its source.
    pub(super) fn ttl(&self, lease: i64) -> Option<u32> {
        if lease == 0 {
            return None;
        }
        let left = self.known.get(&lease).map_or(0, |known| {
            let since = i64::try_from(known.at.elapsed().as_secs()).unwrap_or(i64::MAX);
            known.left.max(0).saturating_sub(since).saturating_add(1)
        });
        Some(u32::try_from(left.max(1)).unwrap_or(u32::MAX))
    }
}

async fn ask(members: &Members, lease: i64) -> Result<(i64, Known), Error> {
    let at = Instant::now();
    let answer = members
        .call("reading a lease", |client| async move {
            client.lease_client().time_to_live(lease, None).await
        })
        .await?;
    let left = answer.ttl();
    Ok((lease, Known { left, at }))
}
