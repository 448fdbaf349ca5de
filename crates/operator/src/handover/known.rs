//! [`Handover`]: lines of the former process that no tenant has taken yet, what the Secret has, and the identity of this
//! build.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, OnceLock},
};

use k8s_openapi::jiff::Timestamp;
use kamaji_shell::lock::lock;

use super::{
    build::Identity,
    line::{Digest, Line},
};

/// Handover of the former process, as far as no tenant has taken it, and the one for the next process.
#[derive(Default)]
pub struct Handover {
    lines: Mutex<HashMap<Digest, Line>>,
    /// Times due of the lines that the Secret has, as far as this process knows.
    written: Mutex<HashMap<Digest, Timestamp>>,
    build: OnceLock<Option<Identity>>,
}

impl Handover {
    /// Records the lines of the former process.
    pub fn set(&self, lines: HashMap<Digest, Line>) {
        self.written(&lines);
        *lock(&self.lines) = lines;
    }

    /// Records the lines that the Secret has from now on.
    pub fn written<'a>(&self, lines: impl IntoIterator<Item = (&'a Digest, &'a Line)>) {
        let due = |(digest, line): (&Digest, &Line)| (digest.clone(), line.due);
        *lock(&self.written) = lines.into_iter().map(due).collect();
    }

    /// Number of the lines that the Secret lacks, or whose time in it has passed.
    pub fn missing(&self, lines: &BTreeMap<Digest, Line>, now: Timestamp) -> usize {
        let written = lock(&self.written);
        let is_missing = |digest: &&Digest| written.get(*digest).is_none_or(|due| *due <= now);
        lines.keys().filter(is_missing).count()
    }

    /// Removes and returns the line of a digest: it is good for one reconcile.
    pub fn take(&self, digest: &Digest) -> Option<Line> {
        let mut lines = lock(&self.lines);
        let line = lines.remove(digest);
        if lines.is_empty() {
            // Its memory is not needed any more.
            *lines = HashMap::new();
        }
        line
    }

    /// True if no line is left.
    pub fn is_empty(&self) -> bool {
        lock(&self.lines).is_empty()
    }

    /// Records the identity of this build; `None` if it cannot be known. The first one counts.
    pub fn identify(&self, build: Option<Identity>) {
        self.build.get_or_init(|| build);
    }

    /// True once [`Handover::identify`] was called.
    pub fn is_identified(&self) -> bool {
        self.build.get().is_some()
    }

    /// The identity of this build; `None` if it is not known.
    pub fn build(&self) -> Option<Identity> {
        self.build.get().copied().flatten()
    }
}
