//! [`Line`]: one tenant of a handover, its digest, and the text of all lines.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use kamaji_core::{
    object::Version,
    pki::expiry::{Expiry, Purpose},
};
use kamaji_shell::telemetry::Certificates;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::expiry_metrics::{Counts, Measured};

/// First half of a SHA-256, as [`DIGITS`] hexadecimal digits.
pub type Digest = String;
/// Length of a [`Digest`].
const DIGITS: usize = 32;

/// A tenant that was as planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Time of its next reconcile.
    pub due: Timestamp,
    /// Metrics of its certificates until then.
    pub measured: Measured,
}

impl Line {
    /// The line of a tenant whose next reconcile is due `left` after `now`.
    pub fn due_after(left: Duration, now: Timestamp, measured: Measured) -> Self {
        let due = now.checked_add(left).unwrap_or(now);
        Self { due, measured }
    }

    /// Time from `now` until the next reconcile; zero if it is due.
    pub fn left(&self, now: Timestamp) -> Duration {
        Duration::try_from(self.due.duration_since(now)).unwrap_or_default()
    }
}

/// Numbers of a [`Line`] as JSON: time due, the six counts, and of each authority purpose, end and notice. Times are
/// Unix seconds; purposes are positions in [`Purpose::ALL`], each of them once at most.
#[derive(Serialize, Deserialize)]
struct Numbers(i64, [u32; 6], Vec<(usize, i64, i64)>);

impl Numbers {
    fn of(line: &Line) -> Self {
        let Counts {
            certificates: c,
            kubeconfigs: k,
        } = line.measured.counts;
        let position = |purpose| Purpose::ALL.iter().position(|known| *known == purpose);
        let expiries = line.measured.expiries.iter().filter_map(|expiry| {
            let purpose = position(expiry.purpose)?;
            Some((purpose, expiry.ends.as_second(), expiry.notice.as_second()))
        });
        let counts = [
            c.valid, c.expiring, c.invalid, k.valid, k.expiring, k.invalid,
        ];
        let counts = counts.map(|count| u32::try_from(count).unwrap_or_default());
        Self(line.due.as_second(), counts, expiries.collect())
    }

    fn into_line(self) -> Option<Line> {
        let Self(due, counts, expiries) = self;
        let purposes: BTreeSet<usize> = expiries.iter().map(|(purpose, ..)| *purpose).collect();
        if purposes.len() != expiries.len() {
            return None;
        }
        let [cv, ce, ci, kv, ke, ki] = counts.map(i64::from);
        let at = |second| Timestamp::from_second(second).ok();
        let certificates = |valid, expiring, invalid| Certificates {
            valid,
            expiring,
            invalid,
        };
        let expiries = expiries.into_iter().map(|(purpose, ends, notice)| {
            Some(Expiry {
                purpose: *Purpose::ALL.get(purpose)?,
                ends: at(ends)?,
                notice: at(notice)?,
            })
        });
        Some(Line {
            due: at(due)?,
            measured: Measured {
                counts: Counts {
                    certificates: certificates(cv, ce, ci),
                    kubeconfigs: certificates(kv, ke, ki),
                },
                expiries: expiries.collect::<Option<_>>()?,
            },
        })
    }
}

/// Reads lines. One that is damaged is left out; a text that is longer than `most` bytes has none.
pub fn parse(text: &[u8], most: usize) -> HashMap<Digest, Line> {
    if text.len() > most {
        return HashMap::new();
    }
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().filter_map(|line| {
        let (digest, numbers) = line.split_once(' ')?;
        if digest.len() != DIGITS {
            return None;
        }
        let numbers: Numbers = serde_json::from_str(numbers).ok()?;
        Some((digest.to_owned(), numbers.into_line()?))
    });
    lines.collect()
}

/// Writes lines, as many as `most` bytes can hold.
pub fn text(lines: &BTreeMap<Digest, Line>, most: usize) -> Vec<u8> {
    let mut text = String::new();
    for (digest, line) in lines {
        let numbers = serde_json::to_string(&Numbers::of(line)).unwrap_or_default();
        if text.len() + digest.len() + numbers.len() + 2 > most {
            break;
        }
        text.extend([digest.as_str(), " ", numbers.as_str(), "\n"]);
    }
    text.into_bytes()
}

/// A digest under construction.
#[derive(Default)]
pub struct DigestBuilder {
    hasher: Sha256,
    /// True if the version of a part is not known.
    unknown: bool,
}

impl DigestBuilder {
    /// Adds a part; its length counts, too.
    pub fn add(&mut self, part: &[u8]) {
        self.hasher.update((part.len() as u64).to_be_bytes());
        self.hasher.update(part);
    }

    /// Adds the version of an object.
    pub fn add_version(&mut self, version: &Version) {
        self.unknown |= version.uid.is_empty() || version.revision == 0;
        self.add(version.uid.as_bytes());
        self.add(&version.revision.to_be_bytes());
    }

    /// Completes the digest; `None` if the version of a part is not known.
    pub fn finish(self) -> Option<Digest> {
        use std::fmt::Write;
        let mut text = Digest::new();
        for byte in &self.hasher.finalize()[..DIGITS / 2] {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        (!self.unknown).then_some(text)
    }
}

#[cfg(test)]
mod tests;
