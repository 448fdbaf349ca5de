//! Reader of a tenant's table.
//!
//! Pages come from a [`Listing`] of the names and the ids of their last rows at one revision. Whether an id is missing
//! for good or a transaction under way will still show it is decided by the [`barrier`] where ids have gaps. Changes
//! that are read go into the listing, so that no page is older than they are.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::barrier;
use super::link::Link;
use super::listing::Listing;
use super::table::{TenantTable, fitting};
use crate::error::Error;
use crate::tenancy::Schema;
use crate::transfer::kine::{ROOT, Row, certain, name_of};
use crate::transfer::{BATCH_RECORDS, Changes, Followed, Page, Reader, Record};

/// Most readings of ids with a gap before the transactions under way are waited for, and the pause between two: most
/// gaps close by themselves.
const GAP_READINGS: usize = 5;
const GAP_PAUSE: Duration = Duration::from_millis(20);
/// Most times that a listing is made anew since kine has compacted past its revision.
const LISTINGS: usize = 5;

/// Reads the table of one tenant.
pub(in super::super) struct TableReader {
    administrator: Link,
    table: TenantTable,
    /// Revision up to which no row can appear any more.
    decided: i64,
    listing: Option<Listing>,
}

impl TableReader {
    /// The reader of the tenant with this schema.
    pub(super) fn new(schema: &Schema, administrator: Link, tenant: Link) -> Self {
        Self {
            administrator,
            table: TenantTable::new(schema, tenant),
            decided: 0,
            listing: None,
        }
    }

    /// Last revision after every transaction under way has ended.
    pub(super) async fn last_revision(&mut self) -> Result<i64, Error> {
        if self.table.rows_after(0).await?.is_some() {
            barrier::wait(&mut self.administrator, self.table.name()).await?;
        }
        let last = self.table.rows_after(0).await?;
        self.decided = last.map_or(0, |(_, last)| last);
        Ok(self.decided)
    }

    /// The last revision, up to which no row can appear any more.
    async fn decide(&mut self) -> Result<i64, Error> {
        for _ in 0..GAP_READINGS {
            // What kine has compacted has ended: its own compaction waits for it.
            self.decided = self.decided.max(self.table.compacted().await?);
            let Some((rows, last)) = self.table.rows_after(self.decided).await? else {
                return Ok(0);
            };
            if last.saturating_sub(self.decided) <= rows {
                self.decided = self.decided.max(last);
                return Ok(self.decided);
            }
            sleep(GAP_PAUSE).await;
        }
        self.wait().await?;
        Ok(self.decided)
    }

    /// Waits for the transactions under way, after which every id up to now is decided.
    async fn wait(&mut self) -> Result<(), Error> {
        let drawn = self.table.rows_after(0).await?;
        barrier::wait(&mut self.administrator, self.table.name()).await?;
        self.decided = self.decided.max(drawn.map_or(0, |(_, last)| last));
        Ok(())
    }

    /// The listing that tells which names follow `cursor`.
    async fn listing(&mut self, cursor: &[u8]) -> Result<&Listing, Error> {
        let listing = match self.listing.take() {
            Some(listing) if listing.covers(cursor) => listing,
            _ => self.list(cursor).await?,
        };
        Ok(self.listing.insert(listing))
    }

    async fn list(&mut self, cursor: &[u8]) -> Result<Listing, Error> {
        for _ in 0..LISTINGS {
            let revision = self.decide().await?;
            let listing = self.table.list(Listing::new(cursor, revision)).await?;
            if self.table.compacted().await? <= revision {
                return Ok(listing);
            }
        }
        Err(self.outrun())
    }

    /// Brings the listing to the revision of changes that were read: whoever follows them leaves out the keys that
    /// later pages hold, so that no later page may be older.
    fn advance<'a>(&mut self, range: (i64, i64), rows: impl Iterator<Item = &'a Row>) {
        let rows = rows.filter(|row| row.name.starts_with(ROOT.as_bytes()));
        let rows = rows.map(|row| (row.name.as_slice(), row.id));
        let listing = self.listing.as_mut();
        if !listing.is_some_and(|listing| listing.advance(range, rows)) {
            self.listing = None;
        }
    }

    /// Live records of `names`, as they were at the revision of their listing, and how many of the names they are of;
    /// `None` if kine has deleted one of these versions.
    async fn records(
        &mut self,
        ids: &[i64],
        revision: i64,
    ) -> Result<Option<(Vec<Record>, usize)>, Error> {
        let sizes = self.table.sizes_of(ids).await?;
        let size_of = |id: &i64| sizes.get(id).copied().unwrap_or_default();
        let ids = &ids[..fitting(ids.iter().map(size_of)).min(ids.len())];
        let mut rows = self.by_id(ids).await?;
        // A row that only said that its key is deleted goes with a compaction, too.
        if rows.len() < ids.len() && self.table.compacted().await? > revision {
            return Ok(None);
        }
        let rows = ids.iter().filter_map(|id| rows.remove(id));
        let records = rows.filter_map(Row::into_record).collect();
        Ok(Some((records, ids.len())))
    }

    async fn by_id(&mut self, ids: &[i64]) -> Result<HashMap<i64, Row>, Error> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self.table.rows(ids).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }

    fn outrun(&self) -> Error {
        let site = self.table.link.site("reading a tenant's data");
        let cause = "kine compacts faster than its table is read".to_owned();
        Error::Unreachable { site, cause }
    }
}

#[async_trait]
impl Reader for TableReader {
    async fn revision(&mut self) -> Result<i64, Error> {
        self.decide().await
    }

    async fn page(&mut self, after: Option<&[u8]>) -> Result<Page, Error> {
        let mut cursor = name_of(after.unwrap_or_default());
        let mut stale = 0;
        loop {
            let listing = self.listing(&cursor).await?;
            let revision = listing.revision;
            let names = listing.after(&cursor, BATCH_RECORDS);
            let names: Vec<(Vec<u8>, i64)> = names
                .iter()
                .map(|(name, id)| (name.to_vec(), *id))
                .collect();
            let ids: Vec<i64> = names.iter().map(|(_, id)| *id).collect();
            let Some((records, read)) = self.records(&ids, revision).await? else {
                stale += 1;
                self.listing = None;
                if stale > LISTINGS {
                    return Err(self.outrun());
                }
                continue;
            };
            if let Some((last, _)) = names[..read].last() {
                cursor.clone_from(last);
            }
            let more = self.listing.as_ref().is_some_and(|all| all.more(&cursor));
            if !records.is_empty() || !more {
                return Ok(Page {
                    records,
                    revision,
                    more,
                });
            }
        }
    }

    async fn changes(&mut self, after: i64) -> Result<Followed, Error> {
        let mut readings = 0;
        loop {
            let found = self.table.ids_after(after).await?;
            if self.table.compacted().await? > after {
                return Ok(Followed::Compacted);
            }
            let ids: Vec<i64> = found.iter().map(|row| row.id).collect();
            let certain = certain(after, self.decided, &ids);
            if let Some(last) = ids[..certain].last() {
                self.decided = self.decided.max(*last);
                let fit = fitting(found[..certain].iter().map(|row| row.bytes));
                let ids = &ids[..fit.min(certain)];
                let mut rows = self.by_id(ids).await?;
                if rows.len() < ids.len() && self.table.compacted().await? > after {
                    return Ok(Followed::Compacted);
                }
                let revision = ids.last().copied().unwrap_or(after);
                self.advance((after, revision), rows.values());
                let rows = ids.iter().filter_map(|id| rows.remove(id));
                return Ok(Followed::Changes(Changes {
                    ops: rows.filter_map(Row::into_op).collect(),
                    revision,
                }));
            }
            if ids.is_empty() {
                return Ok(Followed::Changes(Changes {
                    ops: Vec::new(),
                    revision: after,
                }));
            }
            readings += 1;
            if readings < GAP_READINGS {
                sleep(GAP_PAUSE).await;
            } else {
                self.wait().await?;
            }
        }
    }

    async fn get(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, Error> {
        let names: Vec<Vec<u8>> = keys.iter().map(|key| name_of(key)).collect();
        for _ in 0..LISTINGS {
            let last = self.table.last_ids(&names).await?;
            let ids: Vec<i64> = names
                .iter()
                .filter_map(|name| last.get(name).copied())
                .collect();
            let sizes = self.table.sizes_of(&ids).await?;
            let size_of = |name| sizes.get(last.get(name)?).copied();
            let answered = fitting(names.iter().map(|name| size_of(name).unwrap_or_default()));
            let answered = &names[..answered.min(names.len())];
            let ids: HashSet<i64> = answered
                .iter()
                .filter_map(|name| last.get(name).copied())
                .collect();
            let asked: Vec<i64> = ids.iter().copied().collect();
            let rows = self.by_id(&asked).await?;
            // A row that is gone was replaced and compacted meanwhile, or its key was deleted.
            if rows.len() == ids.len() {
                let record = |name: &Vec<u8>| rows.get(last.get(name)?)?.clone().into_record();
                return Ok(answered.iter().map(record).collect());
            }
        }
        Err(self.outrun())
    }
}
