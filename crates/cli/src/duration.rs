//! Reads durations of flags in Go's syntax.

use std::time::Duration;

pub use kamaji_core::go_duration::parse as duration;

/// Reads a period of at least one minute: a shorter one would keep the operator busy without end.
pub fn minutes(text: &str) -> Result<Duration, String> {
    at_least(Duration::from_mins(1), text)
}

/// Reads a time limit or period of at least one second.
pub fn seconds(text: &str) -> Result<Duration, String> {
    at_least(Duration::from_secs(1), text)
}

fn at_least(least: Duration, text: &str) -> Result<Duration, String> {
    let read = duration(text)?;
    if read < least {
        return Err(format!("{text:?} is less than {least:?}: choose more"));
    }
    Ok(read)
}
