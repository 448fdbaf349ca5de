//! The Lease object: who holds it, whether it may be taken, and what a holder writes into it.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::api::ObjectMeta;

use crate::clock;

/// Name of the operator's lease, as upstream's.
pub const NAME: &str = "kamaji.clastix.io";

/// A lease that was not renewed for this long may be taken.
pub(super) const DURATION: Duration = Duration::from_secs(15);

/// Identity of the holder; an empty text if the lease was released.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref()
}

/// Time for which `identity` must wait for a lease that `holder` has and that is `unchanged` for so long. `None` if it may
/// be taken now: it is free, its own, or not renewed for [`DURATION`].
pub(super) fn rest(holder: Option<&str>, identity: &str, unchanged: Duration) -> Option<Duration> {
    match holder {
        None | Some("") => None,
        Some(holder) if holder == identity => None,
        Some(_) => DURATION
            .checked_sub(unchanged)
            .filter(|rest| !rest.is_zero()),
    }
}

/// The lease `name` as `identity` creates it, or renews or takes `old`. Renewing keeps the time of acquisition; taking
/// counts a transition.
pub(super) fn held_by(identity: &str, name: &str, old: Option<&Lease>) -> Lease {
    let now = MicroTime(clock::now());
    let same = old.filter(|lease| holder(lease) == Some(identity));
    let acquired = same.and_then(|lease| lease.spec.as_ref()?.acquire_time.clone());
    let transitions = old
        .and_then(|lease| lease.spec.as_ref()?.lease_transitions)
        .unwrap_or(0);
    Lease {
        metadata: old.map_or_else(
            || ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            |lease| lease.metadata.clone(),
        ),
        spec: Some(LeaseSpec {
            holder_identity: Some(identity.to_owned()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions + i32::from(old.is_some() && same.is_none())),
            ..LeaseSpec::default()
        }),
    }
}
