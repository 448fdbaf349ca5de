//! [`Watchdog`]: finds parts of the work that are stalled, so that the process is restarted.
//!
//! Each part calls [`Watchdog::beat`] regularly. A replica that does not lead has no parts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{clock, lock::lock};

/// Longest time between two beats of a part.
pub const BEAT: Duration = Duration::from_secs(30);
/// Time without a beat after which a part is stalled. Longer than any time limit of one request.
pub const LIMIT: Duration = Duration::from_mins(5);

/// Time of the last beat of each part. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Watchdog {
    parts: Arc<Mutex<BTreeMap<&'static str, Instant>>>,
}

impl Watchdog {
    /// Records a beat of `part`.
    pub fn beat(&self, part: &'static str) {
        self.locked().insert(part, clock::instant());
    }

    /// Makes `part` stalled, for tests.
    #[cfg(test)]
    pub fn stall(&self, part: &'static str) {
        let long_ago = clock::instant().checked_sub(LIMIT * 2);
        self.locked().extend(long_ago.map(|at| (part, at)));
    }

    /// Removes `part`, which has ended.
    pub fn done(&self, part: &'static str) {
        self.locked().remove(part);
    }

    /// The first stalled part, by name.
    pub fn stalled(&self) -> Option<&'static str> {
        let now = clock::instant();
        let parts = self.locked();
        let mut parts = parts.iter();
        parts
            .find(|(_, at)| now.saturating_duration_since(**at) > LIMIT)
            .map(|(part, _)| *part)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Instant>> {
        lock(&self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_without_beats_is_stalled_until_it_is_done() {
        let watchdog = Watchdog::default();
        assert_eq!(watchdog.stalled(), None, "a standby has no work");
        watchdog.beat("tenants");
        watchdog.beat("stores");
        tokio::time::advance(LIMIT.saturating_sub(Duration::from_secs(1))).await;
        watchdog.beat("stores");
        assert_eq!(watchdog.stalled(), None);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(watchdog.stalled(), Some("tenants"));
        watchdog.done("tenants");
        assert_eq!(watchdog.stalled(), None);
    }
}
