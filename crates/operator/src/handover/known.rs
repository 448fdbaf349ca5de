//! [`Handover`]: lines of the former process that no tenant has taken yet, and the identity of this build.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock},
};

use kamaji_shell::lock::lock;

use super::{
    build::Identity,
    line::{Digest, Line},
};

/// Handover of the former process, as far as no tenant has taken it.
#[derive(Default)]
pub struct Handover {
    lines: Mutex<HashMap<Digest, Line>>,
    build: OnceLock<Option<Identity>>,
}

impl Handover {
    /// Records the lines of the former process.
    pub fn set(&self, lines: HashMap<Digest, Line>) {
        *lock(&self.lines) = lines;
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
