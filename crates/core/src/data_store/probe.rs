//! Answer of a datastore to a probe, in steps so coarse that a status at rest does not change.

use std::time::Duration;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kamaji_api::datastore::ProbeStatus;

/// Time after which another step of the latency is published.
pub const LATENCY_AGE: Duration = Duration::from_hours(1);
/// Most characters of a server's version.
const LONGEST_VERSION: usize = 64;
/// Upper bounds of the steps of latencies in milliseconds, with their names.
const STEPS: [(u64, &str); 6] = [
    (5, "5ms"),
    (20, "20ms"),
    (100, "100ms"),
    (500, "500ms"),
    (2_000, "2s"),
    (10_000, "10s"),
];
/// Name of the step beyond the last bound.
const BEYOND: &str = "over 10s";

/// A datastore's answer to one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Product and version of the server, in its own words.
    pub version: String,
    /// Time that the answer to one request took.
    pub latency: Duration,
    /// Time of the probe.
    pub at: Timestamp,
}

/// The status after `probe`: `old` while the version is the same, and the step of the latency too or the last
/// change younger than [`LATENCY_AGE`].
pub fn published(old: Option<&ProbeStatus>, probe: &Probe) -> ProbeStatus {
    let next = ProbeStatus {
        latency: step(probe.latency).to_owned(),
        probed_at: Some(Time(probe.at)),
        version: probe.version.chars().take(LONGEST_VERSION).collect(),
    };
    match old {
        Some(old) if old.version == next.version => {
            let since = old
                .probed_at
                .as_ref()
                .map(|time| probe.at.duration_since(time.0));
            let fresh = since.is_some_and(|since| since.unsigned_abs() < LATENCY_AGE);
            if fresh || old.latency == next.latency {
                old.clone()
            } else {
                next
            }
        }
        _ => next,
    }
}

/// Name of the step that `latency` lies in.
fn step(latency: Duration) -> &'static str {
    let bounds = STEPS.iter();
    let mut within = bounds.filter(|(most, _)| latency <= Duration::from_millis(*most));
    within.next().map_or(BEYOND, |(_, name)| *name)
}

#[cfg(test)]
mod tests;
