//! Parts of a schema in which its tenant may not write: a note of the operator beside the owner records. Pure code.
//!
//! The note names each part with the fence that took the right to write, and is written before the right is taken. What
//! a role is to permit follows from the note alone, so that a repair of the role, a restart of the operator or a plan
//! from before the fence gives nothing back.

use std::collections::BTreeMap;

use super::observed::{Access, Range};
use crate::part::{KeyPrefix, Part};
use crate::tenancy::{self, Tenancy};

/// Most parts of one note: those of many migrations, each of which stays until its resource moves back.
const PARTS: usize = 128;

/// Frozen parts, each with the identity of its fence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Frozen(BTreeMap<KeyPrefix, String>);

/// Flaw of a note.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Refusal of a change: the identity of another fence, or too many parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// A part is frozen by another fence.
    Other(String),
    /// The note is full.
    Full,
}

impl Frozen {
    /// The parts that a note names; none without a note. An error for any other text than [`Self::note`] makes.
    pub(super) fn parse(note: Option<&[u8]>) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(note.unwrap_or_default()).map_err(|_| Unreadable)?;
        let mut parts = BTreeMap::new();
        for line in text.lines() {
            let (prefix, fence) = line.split_once(' ').ok_or(Unreadable)?;
            let prefix = KeyPrefix::parse(prefix).map_err(|_| Unreadable)?;
            parts.insert(prefix, fence.to_owned());
        }
        (parts.len() <= PARTS)
            .then_some(Self(parts))
            .ok_or(Unreadable)
    }

    /// The note; `None` if no part is frozen.
    pub(super) fn note(&self) -> Option<String> {
        let lines = self
            .0
            .iter()
            .map(|(prefix, fence)| format!("{prefix} {fence}\n"));
        (!self.0.is_empty()).then(|| lines.collect())
    }

    /// The frozen parts with `part` added, frozen by `fence`. A part that another fence has frozen is refused.
    pub(super) fn with(&self, part: &Part, fence: &str) -> Result<Self, Refused> {
        let mut parts = self.0.clone();
        for prefix in part.prefixes() {
            let before = parts.insert(prefix.clone(), fence.to_owned());
            if let Some(other) = before.filter(|other| other != fence) {
                return Err(Refused::Other(other));
            }
        }
        if parts.len() > PARTS {
            return Err(Refused::Full);
        }
        Ok(Self(parts))
    }

    /// The frozen parts without `part`. With a fence, a part that another one has frozen is refused.
    pub(super) fn without(&self, part: &Part, fence: Option<&str>) -> Result<Self, Refused> {
        let mut parts = self.0.clone();
        for prefix in part.prefixes() {
            if let Some(has) = parts.remove(prefix)
                && fence.is_some_and(|fence| fence != has)
            {
                return Err(Refused::Other(has));
            }
        }
        Ok(Self(parts))
    }

    /// Permissions of the role, in the order in which they are granted: parts that may be written come before the right
    /// to write the whole is taken.
    pub(super) fn permissions(&self, tenancy: &Tenancy) -> Vec<(Access, Range)> {
        let own = Range::of(&tenancy.schema);
        if tenancy.access == tenancy::Access::ReadOnly {
            return vec![(Access::Read, own)];
        }
        if self.0.is_empty() {
            return vec![(Access::Full, own)];
        }
        let mut permissions = Vec::new();
        let mut start = own.start.clone();
        for prefix in self.0.keys() {
            let frozen = Range::under(&tenancy.schema, prefix);
            if start < frozen.start {
                let end = frozen.start;
                permissions.push((Access::Full, Range { start, end }));
                start = frozen.end;
            } else {
                start = start.max(frozen.end);
            }
        }
        if start < own.end {
            let end = own.end.clone();
            permissions.push((Access::Full, Range { start, end }));
        }
        permissions.push((Access::Read, own));
        permissions
    }
}

#[cfg(test)]
mod tests;
