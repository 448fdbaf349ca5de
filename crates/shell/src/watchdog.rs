//! A watchdog over the parts of a replica's work: a part that has not told for minutes that it goes on is
//! stalled, and the process had better start anew. A replica that does not work has no parts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::clock;

/// Each part tells at least this often.
pub const BEAT: Duration = Duration::from_secs(30);
/// A part that has told nothing for so long is stalled. Longer than any time limit of one request.
pub const LIMIT: Duration = Duration::from_mins(5);

/// When each part last told that it goes on.
#[derive(Clone, Debug, Default)]
pub struct Watchdog {
    parts: Arc<Mutex<BTreeMap<&'static str, Instant>>>,
}

impl Watchdog {
    /// `part` goes on.
    pub fn beat(&self, part: &'static str) {
        self.locked().insert(part, clock::instant());
    }

    /// `part` has told nothing for long.
    #[cfg(test)]
    pub fn stall(&self, part: &'static str) {
        let long_ago = clock::instant().checked_sub(LIMIT * 2);
        self.locked().extend(long_ago.map(|at| (part, at)));
    }

    /// `part` is over.
    pub fn done(&self, part: &'static str) {
        self.locked().remove(part);
    }

    /// The part that is stalled, if any.
    pub fn stalled(&self) -> Option<&'static str> {
        let now = clock::instant();
        let parts = self.locked();
        let mut parts = parts.iter();
        parts
            .find(|(_, at)| now.saturating_duration_since(**at) > LIMIT)
            .map(|(part, _)| *part)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Instant>> {
        self.parts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_goes_silent_is_stalled_and_one_that_is_over_is_not() {
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
