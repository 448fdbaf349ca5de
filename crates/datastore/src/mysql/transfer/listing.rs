//! Names of a table after a cursor in the order of their bytes, as many as fit into a bound. Pure code.
//!
//! The table is read in whatever order the server has: a collation that ignores case has another order than bytes,
//! and its index is of no use for them. The ids in a listing are those of one revision.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Most bytes of names that a listing holds.
const BYTES: usize = 8 << 20;
/// Bytes that an entry takes beside its name, roughly.
const ENTRY: usize = 48;

/// Names after a cursor, each with the id of its last row.
pub(super) struct Listing {
    cursor: Vec<u8>,
    /// Revision of the listing: newer rows are left out.
    pub(super) revision: i64,
    last: BTreeMap<Vec<u8>, i64>,
    bytes: usize,
    /// True once a name was left out for want of room.
    full: bool,
}

impl Listing {
    /// An empty listing of the names after `cursor` at `revision`.
    pub(super) fn new(cursor: &[u8], revision: i64) -> Self {
        Self {
            cursor: cursor.to_vec(),
            revision,
            last: BTreeMap::new(),
            bytes: 0,
            full: false,
        }
    }

    /// Adds a row of the table; rows may come in any order.
    pub(super) fn add(&mut self, name: Vec<u8>, id: i64) {
        if id > self.revision || name <= self.cursor {
            return;
        }
        if let Some(last) = self.last.get_mut(&name) {
            *last = id.max(*last);
            return;
        }
        let behind = |(last, _): (&Vec<u8>, &i64)| *last < name;
        if self.full && self.last.last_key_value().is_none_or(behind) {
            return;
        }
        self.bytes += name.len() + ENTRY;
        self.last.insert(name, id);
        while self.bytes > BYTES && self.last.len() > 1 {
            self.full = true;
            if let Some((dropped, _)) = self.last.pop_last() {
                self.bytes -= dropped.len() + ENTRY;
            }
        }
    }

    /// Brings the listing to `revision` by the rows after `since`, all of which `rows` gives; false if rows between the
    /// listing and `since` are unknown.
    pub(super) fn advance<'a>(
        &mut self,
        (since, revision): (i64, i64),
        rows: impl IntoIterator<Item = (&'a [u8], i64)>,
    ) -> bool {
        if since > self.revision {
            return false;
        }
        self.revision = self.revision.max(revision);
        for (name, id) in rows {
            self.add(name.to_vec(), id);
        }
        true
    }

    /// True if the listing tells which names follow `cursor`.
    pub(super) fn covers(&self, cursor: &[u8]) -> bool {
        let end = self.last.last_key_value();
        *cursor >= *self.cursor
            && (!self.full || end.is_some_and(|(last, _)| last.as_slice() > cursor))
    }

    /// At most `most` names after `cursor` with the ids of their last rows.
    pub(super) fn after(&self, cursor: &[u8], most: usize) -> Vec<(&[u8], i64)> {
        let range = (Bound::Excluded(cursor), Bound::Unbounded);
        let names = self.last.range::<[u8], _>(range).take(most);
        names.map(|(name, id)| (name.as_slice(), *id)).collect()
    }

    /// True if the table has names after `cursor`.
    pub(super) fn more(&self, cursor: &[u8]) -> bool {
        self.full || !self.after(cursor, 1).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(cursor: &[u8], rows: &[(&str, i64)]) -> Listing {
        let mut listing = Listing::new(cursor, 100);
        for (name, id) in rows {
            listing.add(name.as_bytes().to_vec(), *id);
        }
        listing
    }

    #[test]
    fn names_come_in_the_order_of_bytes_each_with_its_last_id_at_the_revision() {
        let rows = [
            ("b", 3),
            ("a", 9),
            ("B", 2),
            ("_", 4),
            ("a", 5),
            ("a", 101),
            ("new", 102),
        ];
        let all = listing(b"", &rows);
        let names: Vec<(&[u8], i64)> = vec![(b"B", 2), (b"_", 4), (b"a", 9), (b"b", 3)];
        assert_eq!(all.after(b"", 9), names);
        assert_eq!(all.after(b"B", 2), names[1..3]);
        assert!(all.more(b"a") && !all.more(b"b") && all.covers(b"z"));
        let behind = listing(b"_", &rows);
        assert_eq!(behind.after(b"_", 9), names[2..]);
        assert!(!behind.covers(b"B") && behind.covers(b"_"));
    }

    #[test]
    fn a_listing_follows_changes_and_refuses_those_that_leave_a_gap() {
        let mut listing = listing(b"a", &[("b", 1), ("c", 2)]);
        let rows: [(&[u8], i64); 3] = [(b"a", 101), (b"c", 102), (b"d", 103)];
        assert!(listing.advance((100, 103), rows));
        assert_eq!(listing.revision, 103);
        let names: Vec<(&[u8], i64)> = vec![(b"b", 1), (b"c", 102), (b"d", 103)];
        assert_eq!(listing.after(b"a", 9), names);
        assert!(listing.advance((50, 60), []) && listing.revision == 103);
        assert!(!listing.advance((104, 105), []) && listing.revision == 103);
    }

    #[test]
    fn a_listing_that_is_full_keeps_the_first_names_whatever_their_order() {
        let count = 30_000_u64;
        let mut listing = Listing::new(b"", i64::MAX);
        for n in 0..count {
            // Steps of a prime reach every number once.
            let n = n * 7919 % count;
            listing.add(format!("{n:0>600}").into_bytes(), 1);
            listing.add(format!("{n:0>600}").into_bytes(), 2);
        }
        assert!(listing.bytes <= BYTES && listing.full);
        let kept = listing.after(b"", usize::MAX);
        assert_eq!(kept.len(), BYTES / (600 + ENTRY));
        for (n, (name, id)) in kept.iter().enumerate() {
            assert_eq!((*name, *id), (format!("{n:0>600}").as_bytes(), 2));
        }
        let (last, _) = kept[kept.len() - 1];
        assert!(listing.more(last) && !listing.covers(last));
    }
}
