//! Ends, phases, figures and result of a copy.

use super::digest::Digests;
use super::ends::{Reader, Writer};

/// Ends of a copy.
pub struct Ends {
    /// Reads the data that is copied.
    pub source: Box<dyn Reader>,
    /// Writes the copy. Whatever the tenant has there is deleted first.
    pub target: Box<dyn Writer>,
    /// Reads the copy at the target, to verify it.
    pub copied: Box<dyn Reader>,
}

/// Roots of the full keys at both ends of a copy, which some encryption of an API server binds values to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roots {
    /// Full keys are the same at both ends.
    Equal,
    /// Full keys differ, so that a value which is bound to its key is refused.
    Different,
}

/// Part of a copy that its next step works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Pages of the source are written to the target, and changes of the keys that were copied are followed.
    Scan,
    /// Every key was copied; changes are followed.
    Follow,
    /// The revision of the target is raised towards that of the source.
    Raise,
    /// Pages of both ends are compared.
    Verify,
    /// Keys that changed during the verification are compared.
    Settle,
    /// Few keys are left to compare: the tenant may be fenced. Steps go on following and comparing.
    Ready,
}

/// Figures of a copy between two steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that were copied by the current scan.
    pub keys: u64,
    /// Bytes of keys and values that were copied by the current scan.
    pub bytes: u64,
    /// Changes that were applied by the current scan and since.
    pub changes: u64,
    /// Records that the current verification found equal at both ends.
    pub verified: u64,
    /// Keys that changed since and are to be compared.
    pub unsettled: usize,
    /// Revision up to which the target has every change of the keys that were copied.
    pub followed: i64,
    /// Latest revision of the source that was observed.
    pub latest: i64,
    /// Changes of revision that the target misses and that are made one by one.
    pub revisions_missing: u64,
    /// Number of times that the copy started again because the source compacted.
    pub restarts: u32,
}

impl Progress {
    /// Revisions of the source that were observed and not followed yet.
    pub fn lag(&self) -> i64 {
        (self.latest - self.followed).max(0)
    }
}

/// Result of a copy: both ends are equal at [`revision`](Self::revision).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Revision of the source at which both ends are equal.
    pub revision: i64,
    /// Count and digest of each range of keys at that revision, without keys that expire.
    pub ranges: Digests,
    /// Keys that were compared under the fence.
    pub settled_under_fence: u64,
    /// Figures of the whole copy.
    pub progress: Progress,
}
