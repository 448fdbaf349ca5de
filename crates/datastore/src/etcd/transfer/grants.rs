//! Leases of a target, shared by records that expire at about the same time.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::super::members::Members;
use crate::error::Error;

/// Most leases that are remembered.
const REMEMBERED: usize = 10_000;

/// Leases that were granted, by their rounded time to live in seconds.
#[derive(Default)]
pub(super) struct Grants {
    granted: HashMap<u32, Grant>,
}

struct Grant {
    lease: i64,
    end: Instant,
}

impl Grants {
    /// A lease that ends after `ttl` seconds at the earliest, and at most a sixteenth and two seconds later.
    pub(super) async fn lease(&mut self, members: &Members, ttl: u32) -> Result<i64, Error> {
        let grain = grain(ttl);
        let rounded = ttl.div_ceil(grain).saturating_mul(grain);
        let needed = Instant::now() + Duration::from_secs(u64::from(ttl));
        if let Some(grant) = self.granted.get(&rounded)
            && grant.end >= needed
        {
            return Ok(grant.lease);
        }
        let seconds = i64::from(rounded) + i64::from(grain);
        let at = Instant::now();
        let answer = members
            .call("granting a lease", |client| async move {
                client.lease_client().grant(seconds, None).await
            })
            .await?;
        let grant = Grant {
            lease: answer.id(),
            end: at + Duration::from_secs(seconds.unsigned_abs()),
        };
        if self.granted.len() > REMEMBERED {
            self.granted.clear();
        }
        let lease = grant.lease;
        self.granted.insert(rounded, grant);
        Ok(lease)
    }

    /// Forgets every lease, since one of them may be gone.
    pub(super) fn forget(&mut self) {
        self.granted.clear();
    }
}

/// Seconds to which a time to live is rounded: a power of two, at most a thirty-second of it.
fn grain(ttl: u32) -> u32 {
    match ttl / 32 {
        0 => 1,
        share => 1 << share.ilog2(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live_are_rounded_by_at_most_a_thirty_second() {
        for (ttl, rounded_to) in [(1, 1), (15, 1), (64, 2), (3600, 64), (86_400, 2048)] {
            assert_eq!(grain(ttl), rounded_to);
        }
        for ttl in 1..10_000 {
            assert!(grain(ttl) == 1 || grain(ttl) * 32 <= ttl, "{ttl}");
        }
    }
}
