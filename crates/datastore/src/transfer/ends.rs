//! Reading and writing of one tenant's data, as every driver offers it.

use async_trait::async_trait;

use super::record::{Op, Record};
use crate::error::Error;

/// Most bytes of keys and values that one page or one batch of changes holds, unless a single record is larger.
pub const BATCH_BYTES: usize = 2 << 20;
/// Most records that one page or one batch of changes holds.
pub const BATCH_RECORDS: usize = 1000;

/// Records that follow one another in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records, at most [`BATCH_RECORDS`], each as it was last written when the page was read.
    pub records: Vec<Record>,
    /// Revision of the store at which the page was read: it holds every change of its keys up to that revision, and
    /// none after it.
    pub revision: i64,
    /// True if there may be records behind the last one.
    pub more: bool,
}

/// Changes in the order of their revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The changes, at most [`BATCH_RECORDS`]; a key may occur more than once.
    pub ops: Vec<Op>,
    /// Revision up to which, inclusive, no change is missing from `ops`. No change with this revision or an older
    /// one can appear later.
    pub revision: i64,
}

/// Outcome of a request for changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// The changes since the revision that was asked for; none of them if the tenant wrote nothing.
    Changes(Changes),
    /// The store has compacted changes that were not read: the copy has to start again.
    Compacted,
}

/// Reads one tenant's data.
#[async_trait]
pub trait Reader: Send {
    /// Latest revision of the store: no change with this revision or an older one can appear later.
    async fn revision(&mut self) -> Result<i64, Error>;

    /// Records with keys after `after`, or the first ones, as they are now.
    async fn page(&mut self, after: Option<&[u8]>) -> Result<Page, Error>;

    /// Changes after the revision `after`, without waiting for any.
    async fn changes(&mut self, after: i64) -> Result<Followed, Error>;

    /// The records of the first of `keys` as they are now, in the same order: of as many keys as have at most
    /// [`BATCH_BYTES`] together, and of at least one. A caller goes on with the key behind the last answer. At most
    /// [`BATCH_RECORDS`] keys.
    async fn get(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, Error>;
}

/// Writes one tenant's data at a target at which no API server of the tenant runs.
#[async_trait]
pub trait Writer: Send {
    /// Number of the tenant's keys at the target.
    async fn count(&mut self) -> Result<u64, Error>;

    /// Deletes every key of the tenant at the target, after its owner record was checked.
    async fn clear(&mut self) -> Result<(), Error>;

    /// Prepares a target without a key of the tenant for data up to the revision `floor`, where revisions can be left out
    /// before the first write alone. By default nothing is prepared.
    async fn begin(&mut self, _floor: i64) -> Result<(), Error> {
        Ok(())
    }

    /// Changes of revision that are missing between the target and `floor`, and that [`finish`](Self::finish) would
    /// have to make one by one; 0 where a revision can be set.
    async fn revisions_missing(&mut self, floor: i64) -> Result<u64, Error>;

    /// Makes a bounded number of the missing changes of revision ahead of [`finish`](Self::finish); returns how many
    /// are missing still. By default nothing is made, for targets where a revision can be set.
    async fn raise(&mut self, _floor: i64) -> Result<u64, Error> {
        Ok(0)
    }

    /// Applies the operations in their order. Applying the same operations again changes nothing.
    async fn apply(&mut self, ops: &[Op]) -> Result<(), Error>;

    /// Ends the transfer: the next write of the tenant gets a revision above `floor`, and every older
    /// revision counts as compacted, so that clients who ask for one list again.
    async fn finish(&mut self, floor: i64) -> Result<(), Error>;
}
