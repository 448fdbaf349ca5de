//! Errors of a copy: each names the key or revision, the cause and the next action.

use std::fmt;

use thiserror::Error as ThisError;

use super::state::Phase;
use crate::error::Error;

/// Most bytes of a key that an error shows.
const SHOWN: usize = 200;

/// Way in which a key at the target differs from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The source has the key, the target has not.
    Missing,
    /// The target has the key, the source has not.
    Surplus,
    /// Both have the key with different values.
    Value,
    /// The key expires at one end and stays at the other.
    Expiry,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing at the target",
            Self::Surplus => "is at the target and not at the source",
            Self::Value => "has another value at the target",
            Self::Expiry => "expires at one end and stays at the other",
        })
    }
}

/// Reason for which a copy cannot go on. The source is as it was; the target is not to be used.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum CopyError {
    /// Failure of one of the two datastores. The copy may go on with the same step.
    #[error(transparent)]
    Store(#[from] Error),
    /// The target is not equal to the source.
    #[error(
        "the key {key} {difference}: something else writes at the target, or the copy is at fault; \
         stop what writes there and copy again"
    )]
    Different {
        /// Key below the root, shortened.
        key: String,
        /// Way in which the ends differ.
        difference: Difference,
    },
    /// The API server's encryption has bound a value to a key that is another at the target.
    #[error(
        "the value of the key {key} is encrypted by {provider}, which binds it to its full key, and the root of the \
         keys is another at the target, where no API server could decrypt it; decrypt it first (put `identity` first \
         in the encryption configuration and write every object again), or choose a target with the same root"
    )]
    Bound {
        /// Key below the root, shortened.
        key: String,
        /// Prefix of the value that names the encryption provider.
        provider: &'static str,
    },
    /// The source compacted changes again and again before they were copied.
    #[error(
        "the source compacted changes that were not copied yet, {times} times; lengthen the interval of its \
         compaction, or copy while the tenant writes less"
    )]
    Compacted {
        /// Number of copies that had to start again.
        times: u32,
    },
    /// More keys changed during the verification than are remembered.
    #[error(
        "the tenant changed more than {most} keys during the verification, {times} times; copy while it writes less"
    )]
    Busy {
        /// Number of keys that are remembered.
        most: usize,
        /// Number of verifications that had to start again.
        times: u32,
    },
    /// Keys change faster than they are compared, so that too many would be left to compare under the fence.
    #[error(
        "{keys} keys that the tenant changed are left to compare, at {per_second} keys a second, and their number did \
         not fall in {rounds} rounds: under the fence they would take too long; copy while the tenant writes less, or \
         nearer to both datastores"
    )]
    Hot {
        /// Number of keys that are left.
        keys: usize,
        /// Keys that are compared in a second.
        per_second: u64,
        /// Number of rounds in vain.
        rounds: u32,
    },
    /// Changes come as fast as they are applied, so that too many would be left to apply under the fence.
    #[error(
        "the changes since the step before took {milliseconds} ms to apply, at {per_second} changes a second, and that \
         did not fall in {attempts} attempts: under the fence they would take too long; copy while the tenant writes \
         less, or to a datastore that takes more writes a second"
    )]
    Behind {
        /// Time that the changes between two steps take.
        milliseconds: u64,
        /// Changes that are applied in a second.
        per_second: u64,
        /// Number of attempts in vain.
        attempts: u32,
    },
    /// The source advances faster than the copy follows.
    #[error(
        "for {seconds} s the source has advanced faster than the copy followed: it applies {per_second} changes a second \
         and is {lag} revisions behind; copy while the tenant writes less, or to a datastore that takes more writes a \
         second"
    )]
    Outpaced {
        /// Time for which the distance grew.
        seconds: u64,
        /// Changes that were applied in a second.
        per_second: u64,
        /// Revisions that are not followed yet.
        lag: i64,
    },
    /// The revision of the source advances faster than that of the target is raised.
    #[error(
        "the target misses {missing} revisions, and their number did not fall in {attempts} attempts to raise it, \
         while the source advanced by {per_second} revisions a second; copy while the source is written less, or to \
         a datastore that takes more writes a second"
    )]
    Outrun {
        /// Number of revisions that are missing.
        missing: u64,
        /// Revisions of the source in a second.
        per_second: u64,
        /// Number of attempts in vain.
        attempts: u32,
    },
    /// The source does not say which changes there are up to a revision that it named itself.
    #[error(
        "the source has named revision {goal} and gives its changes up to {followed} only; look for a long \
         transaction of the tenant at the source, then copy again"
    )]
    Stalled {
        /// Revision up to which changes were read.
        followed: i64,
        /// Revision that the source named.
        goal: i64,
    },
    /// A page holds a key that is not behind the last one.
    #[error(
        "a page of the {end} has the key {key} out of order; check that store, then copy again"
    )]
    Disorder {
        /// The end whose page it is, `source` or `target`.
        end: &'static str,
        /// Key below the root, shortened.
        key: String,
    },
    /// The tenant wrote after its right to write was taken.
    #[error(
        "the key {key} was written at revision {revision}, after the fence at revision {fenced}: somebody else may \
         write the tenant's data at the source; find and stop it, then copy again"
    )]
    Unfenced {
        /// Key below the root, shortened.
        key: String,
        /// Revision of the write.
        revision: i64,
        /// Revision of the fence.
        fenced: i64,
    },
    /// The copy was to be finished before it was verified.
    #[error("the copy is in phase {phase:?} and cannot be finished; step it until it is ready")]
    NotReady {
        /// Phase of the copy.
        phase: Phase,
    },
}

/// A key as errors show it: printable and at most [`SHOWN`] bytes of it.
pub(super) fn shown(key: &[u8]) -> String {
    let text = key[..key.len().min(SHOWN)].escape_ascii().to_string();
    if key.len() > SHOWN {
        format!("{text}...")
    } else {
        text
    }
}
