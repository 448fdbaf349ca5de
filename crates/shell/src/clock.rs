//! Clocks and randomness: the only module that reads them.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use rand_core::{OsRng, RngCore};

/// The time of day.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The monotonic clock: the one that the runtime's timers follow, so that tests can turn it.
pub fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A moment by both clocks. The monotonic one stands still while a virtual machine is suspended; the time
/// of day may be set.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the monotonic clock.
    pub monotonic: Instant,
    /// By the time of day.
    pub wall: Timestamp,
}

impl Moment {
    /// The present moment by both clocks.
    pub fn now() -> Self {
        Self {
            monotonic: instant(),
            wall: now(),
        }
    }

    /// The moment that is `time` later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self {
            monotonic: self.monotonic + time,
            wall: self.wall.saturating_add(time).unwrap_or(Timestamp::MAX),
        }
    }

    /// True if at `now` it has passed by one of the clocks at least.
    pub fn has_passed(self, now: Self) -> bool {
        now.monotonic >= self.monotonic || now.wall >= self.wall
    }
}

/// Duration until `at`; zero if it has passed.
pub fn until(at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now())).unwrap_or_default()
}

/// Waits until `at`; not at all if it has passed.
pub async fn sleep_until(at: Instant) {
    tokio::time::sleep_until(at.into()).await;
}

/// Random bytes for a seed.
pub fn seed() -> [u8; 32] {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

/// A random duration between `least` and `most`.
pub fn jitter(least: Duration, most: Duration) -> Duration {
    let share = f64::from(OsRng.next_u32()) / f64::from(u32::MAX);
    least + most.saturating_sub(least).mul_f64(share)
}
