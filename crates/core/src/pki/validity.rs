//! Arithmetic of the times in certificates, which have whole seconds.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

/// Certificates are valid from this much before they are issued, five minutes, for clients with late clocks.
pub(super) const BACKDATE: Duration = Duration::from_mins(5);

/// Returns the time `span` after `at`, cut to whole seconds; the end of time if there is none.
pub(super) fn after(at: Timestamp, span: Duration) -> Timestamp {
    whole_seconds(at.checked_add(span).unwrap_or(Timestamp::MAX))
}

/// Returns the time `span` before `at`, cut to whole seconds; the beginning of time if there is none.
pub(super) fn before(at: Timestamp, span: Duration) -> Timestamp {
    whole_seconds(at.checked_sub(span).unwrap_or(Timestamp::MIN))
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
