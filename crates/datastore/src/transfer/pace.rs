//! Pace of a copy: the measured time of comparisons, and attempts that bring the copy no nearer to its end.

use std::time::Duration;

use tokio::time::Instant;

use super::error::CopyError;
use super::state::Progress;

/// Longest time that the comparison under the fence may take, by what was measured before.
pub(super) const UNDER_FENCE: Duration = Duration::from_secs(1);
/// Most keys that are compared under the fence, however fast comparisons are.
const KEYS_UNDER_FENCE: usize = 50_000;
/// Most attempts in sequence of which none brings what is left below its least number so far.
const ATTEMPTS: u32 = 20;

/// Measured time of comparisons. Older measurements weigh less than newer ones.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    keys: u64,
    nanoseconds: u64,
}

impl Pace {
    /// Adds a comparison of so many keys.
    pub(super) fn measure(&mut self, keys: usize, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.keys = (self.keys / 2).saturating_add(keys as u64);
        self.nanoseconds = (self.nanoseconds / 2).saturating_add(nanoseconds);
    }

    /// Keys that are compared in a second; 0 before the first measurement.
    pub(super) fn keys_per_second(&self) -> u64 {
        self.keys.saturating_mul(1_000_000_000) / self.nanoseconds.max(1)
    }

    /// True if so many keys can be compared under the fence: in [`UNDER_FENCE`], and with bounded memory. A single
    /// key always can, however slowly.
    pub(super) fn allows(&self, keys: usize) -> bool {
        let fitting = self.keys_per_second().saturating_mul(UNDER_FENCE.as_secs());
        keys <= 1 || (keys <= KEYS_UNDER_FENCE && keys as u64 <= fitting)
    }
}

/// Attempts to bring a number down while something else raises it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempts {
    least: u64,
    vain: u32,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            least: u64::MAX,
            vain: 0,
        }
    }
}

impl Attempts {
    /// Counts an attempt after which `left` is left. Returns the number of attempts in vain once they are too many.
    pub(super) fn count(&mut self, left: u64) -> Option<u32> {
        if left < self.least {
            (self.least, self.vain) = (left, 0);
        } else {
            self.vain += 1;
        }
        (self.vain >= ATTEMPTS).then_some(self.vain)
    }
}

/// Attempts to follow the changes of a tenant that goes on writing.
#[derive(Debug, Default)]
pub(super) struct Following(Attempts);

impl Following {
    /// Counts an attempt that applied so many changes; true if what comes next can be applied under the fence.
    pub(super) fn count(&mut self, changes: u64, took: Duration) -> Result<bool, CopyError> {
        if took <= UNDER_FENCE {
            *self = Self::default();
            return Ok(true);
        }
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match self.0.count(milliseconds) {
            None => Ok(false),
            Some(attempts) => Err(CopyError::Behind {
                milliseconds,
                per_second: changes.saturating_mul(1000) / milliseconds.max(1),
                attempts,
            }),
        }
    }
}

/// Time of one lap of a race.
const LAP: Duration = Duration::from_secs(5);
/// Most laps in sequence that a copy loses.
const LAPS: u32 = 12;

/// Race of a copy with its source, in laps: the copy loses one if the source advances further than it follows. Every
/// attempt to catch up with a faster source takes longer than the one before, so that it is time that bounds them.
#[derive(Debug)]
pub(super) struct Race {
    since: Instant,
    start: Progress,
    lost: u32,
}

impl Race {
    /// A race that begins with these figures.
    pub(super) fn from(start: Progress) -> Self {
        Self {
            since: Instant::now(),
            start,
            lost: 0,
        }
    }

    /// True once a lap is over, so that the source is to be asked for its latest revision.
    pub(super) fn is_lap_over(&self) -> bool {
        self.since.elapsed() >= LAP
    }

    /// Counts a lap that ended with these figures; an error once the copy has lost too many.
    pub(super) fn count(&mut self, end: Progress) -> Result<(), CopyError> {
        let (start, elapsed) = (self.start, self.since.elapsed());
        let lost = end.followed - start.followed < end.latest - start.latest;
        let lost = if lost { self.lost + 1 } else { 0 };
        (self.since, self.start, self.lost) = (Instant::now(), end, lost);
        if lost < LAPS {
            return Ok(());
        }
        let changes = end.changes.saturating_sub(start.changes);
        Err(CopyError::Outpaced {
            seconds: LAP.as_secs() * u64::from(lost),
            per_second: changes * 1000
                / u64::try_from(elapsed.as_millis()).map_or(1, |ms| ms.max(1)),
            lag: end.lag(),
        })
    }
}

/// Rounds of comparisons, each of as many keys as were left when it began.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Keys that the current round has not compared yet.
    open: usize,
    attempts: Attempts,
}

impl Rounds {
    /// Counts the comparison of so many keys, after which `left` are left, by the pace that was measured.
    pub(super) fn count(
        &mut self,
        compared: usize,
        left: usize,
        pace: Pace,
    ) -> Result<(), CopyError> {
        self.open = self.open.saturating_sub(compared);
        if self.open > 0 {
            return Ok(());
        }
        self.open = left;
        match self.attempts.count(left as u64) {
            None => Ok(()),
            Some(rounds) => Err(CopyError::Hot {
                keys: left,
                per_second: pace.keys_per_second(),
                rounds,
            }),
        }
    }
}

/// Attempts to raise the revision of the target to that of a source that advances.
#[derive(Debug)]
pub(super) struct Raising {
    /// Revision of the source at the first attempt.
    from: i64,
    since: Instant,
    attempts: Attempts,
}

impl Raising {
    /// No attempt yet; the source is at the revision `latest`.
    pub(super) fn from(latest: i64) -> Self {
        Self {
            from: latest,
            since: Instant::now(),
            attempts: Attempts::default(),
        }
    }

    /// Counts an attempt after which `missing` revisions are missing; the source is at `latest`.
    pub(super) fn count(&mut self, missing: u64, latest: i64) -> Result<(), CopyError> {
        let Some(attempts) = self.attempts.count(missing) else {
            return Ok(());
        };
        let milliseconds = self.since.elapsed().as_millis().max(1);
        let advanced = u128::from(latest.abs_diff(self.from));
        let per_second = advanced.saturating_mul(1000) / milliseconds;
        Err(CopyError::Outrun {
            missing,
            per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
            attempts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_that_was_not_measured_allows_a_single_key() {
        assert!(Pace::default().allows(1));
        assert!(!Pace::default().allows(2));
    }

    #[test]
    fn a_pace_allows_the_keys_of_one_second_and_never_more_than_the_bound() {
        let mut pace = Pace::default();
        pace.measure(1000, Duration::from_millis(500));
        assert_eq!(pace.keys_per_second(), 2000);
        assert!(pace.allows(2000) && !pace.allows(2001));
        pace.measure(1_000_000, Duration::from_millis(1));
        assert!(pace.allows(KEYS_UNDER_FENCE) && !pace.allows(KEYS_UNDER_FENCE + 1));
    }

    #[test]
    fn a_pace_follows_the_newer_measurements() {
        let mut pace = Pace::default();
        pace.measure(1000, Duration::from_secs(1));
        for _ in 0..20 {
            pace.measure(100, Duration::from_secs(1));
        }
        assert!((100..110).contains(&pace.keys_per_second()), "{pace:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_race_ends_once_every_lap_of_a_minute_was_lost() {
        let mut progress = Progress::default();
        let mut race = Race::from(progress);
        for lap in 1..=2 * LAPS {
            assert!(!race.is_lap_over());
            tokio::time::advance(LAP).await;
            assert!(race.is_lap_over());
            (progress.latest, progress.followed) =
                (progress.latest + 2000, progress.followed + 1500);
            progress.changes += 1000;
            if lap == LAPS {
                // One lap in which the copy keeps up has it begin anew.
                progress.followed += 500;
            }
            let outpaced = CopyError::Outpaced {
                seconds: 60,
                per_second: 200,
                lag: progress.lag(),
            };
            let last = lap == 2 * LAPS;
            let expected = if last { Err(outpaced) } else { Ok(()) };
            assert_eq!(race.count(progress), expected, "{lap}");
        }
    }

    #[test]
    fn attempts_end_when_the_least_number_stays_and_go_on_while_it_falls() {
        let mut attempts = Attempts::default();
        for left in (0..1000).rev() {
            assert_eq!(attempts.count(left), None);
        }
        for _ in 1..ATTEMPTS {
            assert_eq!(attempts.count(7), None);
        }
        assert_eq!(attempts.count(7), Some(ATTEMPTS));
    }
}
