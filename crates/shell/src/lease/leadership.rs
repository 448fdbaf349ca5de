//! Whether this replica may write, as everything in the process sees it.

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;

use super::{
    super::clock::{self, Moment},
    NAME,
};

/// The time of day is read this often while somebody waits for the end of a leadership.
const GLANCE: Duration = Duration::from_secs(1);

/// Whether this replica may write.
#[derive(Clone, Debug)]
pub struct Leadership {
    held: Arc<watch::Sender<Held>>,
    gauges: Gauges,
    pub(super) lease: &'static str,
    pub(super) alone: bool,
}

/// What metrics say about it.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// 1 while this replica leads.
    pub leads: Gauge<i64>,
    /// 1 while it waits for an operator of another namespace.
    pub waits: Gauge<i64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Held {
    Always,
    Until(Moment),
    No,
}

impl Held {
    pub(super) fn at(self, now: Moment) -> bool {
        match self {
            Self::Always => true,
            Self::Until(end) => !end.has_passed(now),
            Self::No => false,
        }
    }
}

impl Leadership {
    /// For an operator that is alone.
    pub fn always() -> Self {
        Self::of(Held::Always)
    }

    /// For an operator that must get the lease first.
    pub fn none() -> Self {
        Self::of(Held::No)
    }

    /// For whoever holds the lease of this name; always, if nobody is elected.
    pub fn elected_by(lease: &'static str, elect: bool) -> Self {
        let leadership = if elect { Self::none() } else { Self::always() };
        Self {
            lease,
            ..leadership
        }
    }

    /// The same, but only as long as no operator leads in another namespace.
    #[must_use]
    pub fn alone_in_the_cluster(self) -> Self {
        Self {
            alone: true,
            ..self
        }
    }

    /// The same, with metrics.
    #[must_use]
    pub fn measured(self, gauges: Gauges) -> Self {
        gauges.leads.set(i64::from(self.is_leading()));
        Self { gauges, ..self }
    }

    /// True if there is no lease to hold.
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

    /// True as long as nobody else can hold the lease.
    pub fn is_leading(&self) -> bool {
        self.held.borrow().at(Moment::now())
    }

    /// Waits until this replica leads.
    pub async fn acquired(&self) {
        let mut changes = self.held.subscribe();
        // The sender lives as long as self.
        let _ = changes.wait_for(|held| held.at(Moment::now())).await;
    }

    /// Waits until this replica does not lead, be it that it was told or that time has passed.
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

    pub(super) fn set(&self, held: Held) {
        self.held.send_replace(held);
        self.gauges.leads.set(i64::from(self.is_leading()));
    }

    /// Whether this replica waits for an operator of another namespace.
    pub(super) fn waits(&self, waits: bool) {
        self.gauges.waits.set(i64::from(waits));
    }
}
