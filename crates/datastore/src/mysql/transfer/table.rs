//! Queries on a tenant's table as its user, and what their rows hold.
//!
//! The tenant may have made the table itself, so that no row is taken to have the types that kine gives it.

use std::collections::HashMap;

use mysql_async::prelude::FromValue;
use mysql_async::{Params, Row as Answer, Value};

use super::super::answer::code::{NO_DATABASE, NO_TABLE};
use super::super::query::Query;
use super::super::sql::Table;
use super::link::Link;
use super::listing::Listing;
use crate::error::Error;
use crate::tenancy::Schema;
use crate::transfer::kine::{COMPACTION, ROOT, ROOT_END, Row, VALUE_BYTES};
use crate::transfer::{BATCH_BYTES, BATCH_RECORDS};

/// Errors of a server on which kine has not run for the tenant yet.
const NONE: [u16; 2] = [NO_DATABASE, NO_TABLE];
/// Numbers of values in a list of parameters; the last value fills a list up, so that few statements are prepared.
const LISTS: [usize; 4] = [1, 10, 100, BATCH_RECORDS];

/// The table of one tenant, read by the tenant's own user.
pub(super) struct TenantTable {
    schema: Schema,
    pub(super) link: Link,
}

/// An id with the size of its row in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowSize {
    pub(super) id: i64,
    pub(super) bytes: usize,
}

impl TenantTable {
    /// The table of the tenant with this schema, read over `link`.
    pub(super) fn new(schema: &Schema, link: Link) -> Self {
        Self {
            schema: schema.clone(),
            link,
        }
    }

    /// Name of the table.
    pub(super) fn name(&self) -> Table<'_> {
        Table::of(&self.schema)
    }

    /// Number of rows with an id above `after`, and the largest id of all; `None` without a table.
    pub(super) async fn rows_after(&mut self, after: i64) -> Result<Option<(i64, i64)>, Error> {
        let table = self.name();
        let query = format!(
            "SELECT (SELECT COUNT(*) FROM {table} WHERE id > ?), \
             (SELECT COALESCE(MAX(id), 0) FROM {table})"
        );
        let rows = self.ask("reading the last revision", &query, (after,));
        let Some(mut rows) = rows.await? else {
            return Ok(None);
        };
        let mut row = rows.pop();
        let found = row
            .as_mut()
            .and_then(|row| Some((value(row, 0)?, value(row, 1)?)));
        found.map(Some).ok_or_else(|| self.malformed())
    }

    /// Revision up to which kine has deleted old versions; 0 if it never has.
    pub(super) async fn compacted(&mut self) -> Result<i64, Error> {
        let query = format!(
            "SELECT COALESCE(MAX(prev_revision), 0) FROM {} WHERE name = '{COMPACTION}'",
            self.name()
        );
        let rows = self.ask("reading the compacted revision", &query, ());
        let mut rows = rows.await?.unwrap_or_default();
        match rows.pop() {
            None => Ok(0),
            Some(mut row) => value(&mut row, 0).ok_or_else(|| self.malformed()),
        }
    }

    /// Adds the names of the API server to a listing.
    pub(super) async fn list(&mut self, mut listing: Listing) -> Result<Listing, Error> {
        let empty = Listing::new(&[], listing.revision);
        let (doing, query) = (
            self.doing("listing names"),
            // Only columns of an index, so that no value is read.
            format!("SELECT name, id FROM {}", self.name()),
        );
        let mut sound = true;
        let add = |mut row: Answer| {
            let (name, id) = (value::<Vec<u8>>(&mut row, 0), value(&mut row, 1));
            match (name, id) {
                (Some(name), Some(id)) => {
                    if name.starts_with(ROOT.as_bytes()) {
                        listing.add(name, id);
                    }
                }
                _ => sound = false,
            }
        };
        let query = Query::new(&doing, &query);
        if !self.link.each_unless(&NONE, query, add).await? {
            return Ok(empty);
        }
        if sound {
            Ok(listing)
        } else {
            Err(self.malformed())
        }
    }

    /// Ids after `after` in ascending order, at most [`BATCH_RECORDS`].
    pub(super) async fn ids_after(&mut self, after: i64) -> Result<Vec<RowSize>, Error> {
        let query = format!(
            "SELECT id, COALESCE(OCTET_LENGTH(value), 0) + OCTET_LENGTH(name) FROM {} \
             WHERE id > ? ORDER BY id LIMIT {BATCH_RECORDS}",
            self.name()
        );
        self.sizes("reading changes", &query, (after,).into()).await
    }

    /// Sizes of the rows with these ids; a row that is gone is left out.
    pub(super) async fn sizes_of(&mut self, ids: &[i64]) -> Result<HashMap<i64, usize>, Error> {
        let query = format!(
            "SELECT id, COALESCE(OCTET_LENGTH(value), 0) + OCTET_LENGTH(name) FROM {} \
             WHERE id IN ({})",
            self.name(),
            marks(ids.len())
        );
        let sizes = self.sizes("reading sizes", &query, list(ids)).await?;
        Ok(sizes.into_iter().map(|row| (row.id, row.bytes)).collect())
    }

    /// Rows with these ids, at most [`BATCH_RECORDS`], in no order; a row that is gone is left out.
    pub(super) async fn rows(&mut self, ids: &[i64]) -> Result<Vec<Row>, Error> {
        let query = format!(
            "SELECT id, name, created, deleted, COALESCE(create_revision, 0), \
             COALESCE(lease, 0), COALESCE(value, '') FROM {} WHERE id IN ({})",
            self.name(),
            marks(ids.len())
        );
        let found = self.ask("reading rows", &query, list(ids)).await?;
        let rows = found.unwrap_or_default().into_iter().map(row);
        let rows: Option<Vec<Row>> = rows.collect();
        rows.ok_or_else(|| self.malformed())
    }

    /// Ids of the last rows with these names, compared by their bytes.
    pub(super) async fn last_ids(
        &mut self,
        names: &[Vec<u8>],
    ) -> Result<HashMap<Vec<u8>, i64>, Error> {
        let mut last = HashMap::new();
        for names in names.chunks(BATCH_RECORDS) {
            // The server may ignore case and blanks at the end, and so finds more than what was asked for.
            let query = format!(
                "SELECT CAST(name AS BINARY), MAX(id) FROM {} WHERE name IN ({}) \
                 GROUP BY CAST(name AS BINARY)",
                self.name(),
                marks(names.len())
            );
            let found = self.ask("reading names", &query, list(names)).await?;
            for mut row in found.unwrap_or_default() {
                let (Some(name), Some(id)) = (value(&mut row, 0), value(&mut row, 1)) else {
                    return Err(self.malformed());
                };
                last.insert(name, id);
            }
        }
        Ok(last)
    }

    /// Number of keys of the API server that are not deleted.
    pub(super) async fn count(&mut self) -> Result<u64, Error> {
        let table = self.name();
        let query = format!(
            "SELECT COUNT(*) FROM {table} AS kv \
             WHERE kv.name > '{ROOT}' AND kv.name < '{ROOT_END}' AND kv.deleted = 0 AND NOT EXISTS \
             (SELECT 1 FROM {table} AS newer WHERE newer.name = kv.name AND newer.id > kv.id)"
        );
        let rows = self.ask("counting keys", &query, ()).await?;
        let mut row = rows.and_then(|mut rows| rows.pop());
        let Some(row) = row.as_mut() else {
            return Ok(0);
        };
        value(row, 0).ok_or_else(|| self.malformed())
    }

    /// Number that a query gives in its first column.
    pub(super) async fn number(&mut self, doing: &str, query: &str) -> Result<i64, Error> {
        let rows = self.ask(doing, query, ()).await?;
        let mut row = rows.and_then(|mut rows| rows.pop());
        let number = row.as_mut().and_then(|row| value(row, 0));
        number.ok_or_else(|| self.malformed())
    }

    /// Error of a table that is not as kine makes it.
    pub(super) fn malformed(&self) -> Error {
        let doing = self.doing("reading");
        self.link
            .unexpected(&doing, "the table kine does not have the columns of kine")
    }

    fn doing(&self, what: &str) -> String {
        format!("{what} of schema {}", self.schema)
    }

    async fn ask(
        &mut self,
        doing: &str,
        query: &str,
        parameters: impl Into<Params> + Send,
    ) -> Result<Option<Vec<Answer>>, Error> {
        let doing = self.doing(doing);
        let request = Query::new(&doing, query);
        self.link.rows_unless(&NONE, request, parameters).await
    }

    async fn sizes(
        &mut self,
        doing: &str,
        query: &str,
        parameters: Params,
    ) -> Result<Vec<RowSize>, Error> {
        let found = self.ask(doing, query, parameters).await?;
        let mut sizes = Vec::new();
        for mut row in found.unwrap_or_default() {
            let (id, bytes) = (value::<i64>(&mut row, 0), value::<usize>(&mut row, 1));
            let (Some(id), Some(bytes)) = (id, bytes) else {
                return Err(self.malformed());
            };
            if bytes > VALUE_BYTES {
                let words = format!(
                    "the row {id} has {bytes} bytes, and {VALUE_BYTES} is the most that is read; \
                     delete the object"
                );
                return Err(self.link.unexpected(&self.doing(doing), words));
            }
            sizes.push(RowSize { id, bytes });
        }
        Ok(sizes)
    }
}

/// Number of rows at the start whose sizes fit into a batch, and at least one.
pub(super) fn fitting(sizes: impl IntoIterator<Item = usize>) -> usize {
    let mut room = BATCH_BYTES;
    let fit = sizes.into_iter().take_while(|bytes| {
        let fits = *bytes <= room;
        room = room.saturating_sub(*bytes);
        fits
    });
    fit.take(BATCH_RECORDS).count().max(1)
}

/// Placeholders of a list with room for `count` values.
pub(super) fn marks(count: usize) -> String {
    let length = LISTS.into_iter().find(|length| count <= *length);
    vec!["?"; length.unwrap_or(count)].join(", ")
}

/// Parameters of such a list.
pub(super) fn list<T: Into<Value> + Clone>(values: &[T]) -> Params {
    let length = LISTS.into_iter().find(|length| values.len() <= *length);
    let mut list: Vec<Value> = values.iter().cloned().map(Into::into).collect();
    let last = list.last().cloned().unwrap_or(Value::NULL);
    list.resize(length.unwrap_or(values.len()), last);
    Params::Positional(list)
}

fn row(mut answer: Answer) -> Option<Row> {
    Some(Row {
        id: value(&mut answer, 0)?,
        name: value(&mut answer, 1)?,
        created: value::<i64>(&mut answer, 2)? != 0,
        deleted: value::<i64>(&mut answer, 3)? != 0,
        create_revision: value(&mut answer, 4)?,
        lease: value(&mut answer, 5)?,
        value: value(&mut answer, 6)?,
    })
}

/// Value of a column, if it has the type.
fn value<T: FromValue>(row: &mut Answer, column: usize) -> Option<T> {
    row.take_opt(column)?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_before_the_row_that_is_too_much_and_has_at_least_one() {
        assert_eq!(fitting([BATCH_BYTES + 1, 1]), 1);
        assert_eq!(fitting([BATCH_BYTES - 1, 1, 1]), 2);
        assert_eq!(fitting(vec![0; BATCH_RECORDS + 1]), BATCH_RECORDS);
    }

    #[test]
    fn a_list_of_parameters_is_filled_up_with_its_last_value() {
        assert_eq!(marks(11).matches('?').count(), 100);
        let Params::Positional(list) = list(&[1_i64, 2]) else {
            panic!("parameters by name");
        };
        assert_eq!(list.len(), 10);
        assert_eq!((&list[0], &list[9]), (&Value::Int(1), &Value::Int(2)));
    }
}
