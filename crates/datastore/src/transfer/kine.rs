//! Rows of kine's table, and the records and operations of a transfer that they hold.
//!
//! A row is one version of one key, and its id is the revision that wrote it. Rows of kine's own stand among those of
//! the API server: `compact_rev_key`, whose `prev_revision` is the revision up to which old versions were deleted, its
//! copy for the API server, and `gap-<id>` for every id whose insert was rolled back. They are revisions without a
//! record.

use std::collections::HashMap;

use super::{Op, Record};

/// Root of every key that an API server behind kine has.
pub(crate) const ROOT: &str = "/registry/";
/// First name, in the order of bytes, behind every key of the root.
pub(crate) const ROOT_END: &str = "/registry0";
/// Name of the row in which kine notes the revision of its last compaction, as `prev_revision`.
pub(crate) const COMPACTION: &str = "compact_rev_key";
/// Largest value in bytes that is read; an API server stores none above a few MiB.
pub(crate) const VALUE_BYTES: usize = 16 << 20;
/// Largest name in bytes that is read; kine's index holds none above a few KiB.
pub(crate) const NAME_BYTES: usize = 16 << 10;

/// Row of the table, as far as a transfer needs it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Revision of the version.
    pub(crate) id: i64,
    /// Key with its root, or a name of kine's own.
    pub(crate) name: Vec<u8>,
    /// True if the version created the key.
    pub(crate) created: bool,
    /// True if the version deleted the key.
    pub(crate) deleted: bool,
    /// Revision that created the key; 0, or null in the table, in the row that did.
    pub(crate) create_revision: i64,
    /// Seconds until the key expires, counted from the start of kine; 0 for a key that stays.
    pub(crate) lease: i64,
    /// Value of the version; empty where the table has null.
    pub(crate) value: Vec<u8>,
}

impl Row {
    /// Row of a record: the only version of its key, with `prev_revision` 0 and without an old value.
    pub(crate) fn of(record: &Record) -> Self {
        let created = record.created == record.modified;
        Self {
            id: record.modified,
            name: name_of(&record.key),
            created,
            deleted: false,
            create_revision: if created { 0 } else { record.created },
            lease: i64::from(record.ttl.unwrap_or(0)).min(i64::from(i32::MAX)),
            value: record.value.clone(),
        }
    }

    /// Operation that the row is; `None` for a row of kine's own.
    pub(crate) fn into_op(self) -> Option<Op> {
        let key = key_of(&self.name)?.to_vec();
        if self.deleted {
            let revision = self.id;
            return Some(Op::Delete { key, revision });
        }
        // A row without the revision of its creation can only be the first.
        let first = self.created || self.create_revision <= 0;
        Some(Op::Put(Record {
            key,
            created: if first { self.id } else { self.create_revision },
            modified: self.id,
            ttl: (self.lease > 0).then(|| u32::try_from(self.lease).unwrap_or(u32::MAX)),
            value: self.value,
        }))
    }

    /// Record that the row holds; `None` for a deletion and for a row of kine's own.
    pub(crate) fn into_record(self) -> Option<Record> {
        match self.into_op()? {
            Op::Put(record) => Some(record),
            Op::Delete { .. } => None,
        }
    }
}

/// Name of a key in the table.
pub(crate) fn name_of(key: &[u8]) -> Vec<u8> {
    [ROOT.as_bytes(), key].concat()
}

/// Key below the root; `None` for a name of kine's own.
pub(crate) fn key_of(name: &[u8]) -> Option<&[u8]> {
    let key = name.strip_prefix(ROOT.as_bytes())?;
    (!key.is_empty()).then_some(key)
}

/// Last operation of each key, in the order of `ops`: what is left of them in a table with one row per key.
pub(crate) fn last_of_each_key(ops: &[Op]) -> Vec<&Op> {
    let last: HashMap<&[u8], usize> = ops
        .iter()
        .enumerate()
        .map(|(n, op)| (op.key(), n))
        .collect();
    let ops = ops.iter().enumerate();
    ops.filter(|(n, op)| last.get(op.key()) == Some(n))
        .map(|(_, op)| op)
        .collect()
}

/// Number of rows at the start of `ids` that no row can come before any more. The ids are those of all visible rows
/// after `after`, in ascending order; an id that is missing may be that of an insert under way, unless it is at most
/// `decided`, up to which none is.
pub(crate) fn certain(after: i64, decided: i64, ids: &[i64]) -> usize {
    let mut last = after.max(decided);
    ids.iter()
        .take_while(|id| {
            let follows = **id <= last || last.checked_add(1) == Some(**id);
            last = last.max(**id);
            follows
        })
        .count()
}

/// Row `compact_rev_key` after which kine starts without a gap, as id and `prev_revision`: the id follows `floor` and
/// the newest other row, and every revision before it counts as compacted. `None` if no id is left.
pub(crate) fn compaction_row(floor: i64, newest: i64) -> Option<(i64, i64)> {
    let compacted = floor.max(newest).max(0);
    compacted.checked_add(1).map(|id| (id, compacted))
}

#[cfg(test)]
mod tests;
