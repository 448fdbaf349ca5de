//! Reads durations of flags in Go's syntax.

use std::time::Duration;

/// Longest duration that a flag takes, 100 years: beyond it, clocks overflow.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 100);

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

/// Reads a duration such as `1h30m`, `250ms`, `10s` or `0`, of at most 100 years.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as 30s, 10m or 1h30m");
    if text.is_empty() {
        return Err(wrong());
    }
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = &rest[digits..];
        let end = unit
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(unit.len());
        total += number
            * match &unit[..end] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return Err(wrong()),
            };
        rest = &unit[end..];
    }
    Duration::try_from_secs_f64(total)
        .ok()
        .filter(|read| *read <= LONGEST)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "5", "1d", "h", "-1s", "1..2s", "99999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
