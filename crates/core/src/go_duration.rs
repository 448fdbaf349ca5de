//! Durations in Go's syntax, as flags and annotations have them.

use std::time::Duration;

/// Longest duration that is read, 100 years: beyond it, clocks overflow.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 100);

/// Reads a duration such as `1h30m`, `250ms`, `10s` or `0`, of at most 100 years.
pub fn parse(text: &str) -> Result<Duration, String> {
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
        total += number * seconds_of(&unit[..end]).ok_or_else(wrong)?;
        rest = &unit[end..];
    }
    Duration::try_from_secs_f64(total)
        .ok()
        .filter(|read| *read <= LONGEST)
        .ok_or_else(wrong)
}

fn seconds_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "h" => 3600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(parse("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "5", "1d", "h", "-1s", "1..2s", "99999999h"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
