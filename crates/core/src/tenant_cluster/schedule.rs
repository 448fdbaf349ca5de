//! Time of the next reconcile of a tenant cluster, from the outcome of the last one and the state of
//! the control plane.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::availability::Availability;
use crate::spread;

/// Longest wait after a failure while the control plane is available.
pub const RETRY: Duration = Duration::from_secs(30);
/// A tenant cluster whose writes are limited is reconciled again after this and up to twice as much: its
/// administrators can delete the configuration that limits them.
pub const LIMITED: Duration = Duration::from_secs(30);

/// Inputs of the decision when a tenant cluster is reconciled next.
#[derive(Clone, Copy, Debug)]
pub struct Schedule<'a> {
    /// Uid of the tenant.
    pub uid: &'a str,
    /// A tenant cluster is reconciled again after this, and up to half as much again.
    pub period: Duration,
    /// True if writes of the tenant are limited.
    pub limited: bool,
    /// Availability of the tenant cluster for a reconcile.
    pub availability: Availability,
    /// True if the published status says that an earlier reconcile succeeded.
    pub published: bool,
    /// The last reconcile of this process.
    pub last: Option<Last<'a>>,
    /// Hash of the desired content, where it is known without a request.
    pub desired: Option<&'a str>,
    /// The present time, from the caller.
    pub now: Timestamp,
}

/// One reconcile of a tenant cluster.
#[derive(Clone, Copy, Debug)]
pub struct Last<'a> {
    /// Time at which the reconcile ended.
    pub at: Timestamp,
    /// True if it left everything as desired.
    pub ready: bool,
    /// Hash of what it applied; empty if it did not come that far.
    pub content: &'a str,
}

/// Time of the next reconcile of a tenant cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At once, and why.
    Now(Cause),
    /// After that at the latest.
    After(Duration),
    /// Not at all: the tenant is being deleted.
    Never,
}

/// Cause of an immediate reconcile of a tenant cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No reconcile has run yet.
    New,
    /// The control plane turned available after the last reconcile.
    Available,
    /// The last reconcile applied something else.
    Changed,
    /// The last reconcile is older than the period.
    Overdue,
}

impl Schedule<'_> {
    /// The next reconcile. There is always one unless the tenant is being deleted: a tenant cluster that cannot be
    /// reconciled now is scheduled again.
    pub fn next(&self) -> Next {
        let period = self.drift();
        let since = match self.availability {
            Availability::Deleting => return Next::Never,
            Availability::Unavailable => return Next::After(period),
            Availability::Since(since) => since,
        };
        let Some(last) = self.last else {
            // After a restart of the operator: some time within the period.
            return if self.published {
                Next::After(period.mul_f64(spread::share(self.uid, "restart")))
            } else {
                Next::Now(Cause::New)
            };
        };
        let differs = |desired: &str| !last.content.is_empty() && desired != last.content;
        let age = Duration::try_from(self.now.duration_since(last.at)).unwrap_or_default();
        if since > last.at {
            Next::Now(Cause::Available)
        } else if self.desired.is_some_and(differs) {
            Next::Now(Cause::Changed)
        } else if !last.ready {
            Next::After(RETRY)
        } else if age >= period {
            Next::Now(Cause::Overdue)
        } else {
            Next::After(period.saturating_sub(age))
        }
    }

    /// Time after which a reconciled tenant cluster is reconciled again for drift.
    pub fn drift(&self) -> Duration {
        let share = spread::share(self.uid, "drift");
        let usual = self.period.mul_f64(1.0 + share / 2.0);
        if self.limited {
            LIMITED.mul_f64(1.0 + share).min(usual)
        } else {
            usual
        }
    }
}

#[cfg(test)]
mod tests;
