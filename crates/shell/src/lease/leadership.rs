//! [`Leadership`]: whether this replica leads, shared by all parts of the process.

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;

use super::record::NAME;
use crate::clock::{self, Moment};

/// Interval at which [`Leadership::lost`] reads the time of day.
const GLANCE: Duration = Duration::from_secs(1);

/// State of this replica's leadership: it may write while it leads. Clones share the state.
#[derive(Clone, Debug)]
pub struct Leadership {
    held: Arc<watch::Sender<Held>>,
    gauges: Gauges,
    pub(super) lease: &'static str,
    pub(super) alone: bool,
}

/// Metrics of one lease.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// 1 while this replica leads.
    pub leads: Gauge<i64>,
    /// 1 while this replica waits for an operator of another namespace.
    pub waits: Gauge<i64>,
}

/// State of the leadership.
#[derive(Clone, Copy, Debug)]
pub(super) enum Held {
    /// Leading without an election.
    Always,
    /// Until this moment, unless the lease is renewed.
    Until(Moment),
    /// Not acquired, or lost.
    No,
}

impl Held {
    /// True if it lasts at `now`.
    pub(super) fn at(self, now: Moment) -> bool {
        match self {
            Self::Always => true,
            Self::Until(end) => !end.has_passed(now),
            Self::No => false,
        }
    }
}

impl Leadership {
    /// Leadership without an election: this replica always leads.
    pub fn always() -> Self {
        Self::of(Held::Always)
    }

    /// Leadership of a replica that has to acquire the lease [`NAME`] first.
    pub fn none() -> Self {
        Self::of(Held::No)
    }

    /// Leadership by the lease of this name; without an election unless `elect`.
    pub fn elected_by(lease: &'static str, elect: bool) -> Self {
        let leadership = if elect { Self::none() } else { Self::always() };
        Self {
            lease,
            ..leadership
        }
    }

    /// Makes this replica wait while an operator leads in another namespace.
    #[must_use]
    pub fn alone_in_the_cluster(self) -> Self {
        Self {
            alone: true,
            ..self
        }
    }

    /// Publishes the leadership in `gauges`.
    #[must_use]
    pub fn measured(self, gauges: Gauges) -> Self {
        gauges.leads.set(i64::from(self.is_leading()));
        Self { gauges, ..self }
    }

    /// True if this replica leads without an election.
    pub fn is_given(&self) -> bool {
        matches!(*self.held.borrow(), Held::Always)
    }

    fn of(held: Held) -> Self {
        Self {
            held: Arc::new(watch::Sender::new(held)),
            gauges: Gauges::default(),
            lease: NAME,
            alone: false,
        }
    }

    /// True while this replica leads: no other replica can hold the lease.
    pub fn is_leading(&self) -> bool {
        self.held.borrow().at(Moment::now())
    }

    /// Waits until this replica leads.
    pub async fn acquired(&self) {
        let mut changes = self.held.subscribe();
        // The sender lives as long as self.
        let _ = changes.wait_for(|held| held.at(Moment::now())).await;
    }

    /// Waits until this replica does not lead: the lease was lost, or it was not renewed in time.
    pub async fn lost(&self) {
        let mut changes = self.held.subscribe();
        loop {
            let held = *changes.borrow_and_update();
            let now = Moment::now();
            match held {
                Held::Always => std::future::pending().await,
                Held::Until(end) if held.at(now) => {
                    // Timers follow the monotonic clock alone.
                    let next = end.monotonic.min(now.monotonic + GLANCE);
                    tokio::select! {
                        () = clock::sleep_until(next) => {}
                        _ = changes.changed() => {}
                    }
                }
                Held::Until(_) | Held::No => return,
            }
        }
    }

    /// Changes the state and publishes it.
    pub(super) fn set(&self, held: Held) {
        self.held.send_replace(held);
        self.gauges.leads.set(i64::from(self.is_leading()));
    }

    /// Publishes whether this replica waits for an operator of another namespace.
    pub(super) fn set_waiting(&self, waiting: bool) {
        self.gauges.waits.set(i64::from(waiting));
    }
}
