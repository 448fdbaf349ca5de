//! Writes kine's table: one row for each live key, under the revisions of the source.

use async_trait::async_trait;
use tokio_postgres::types::{ToSql, Type};

use super::link::Link;
use super::table;
use crate::error::Error;
use crate::postgres::answer::Failure;
use crate::postgres::session::Session;
use crate::postgres::sql::Statement;
use crate::transfer::kine::{ROOT, ROOT_END, Row, last_of_each_key, name_of};
use crate::transfer::{Op, Writer};

/// Number of live keys in a range of names.
const COUNT: &str = "SELECT count(*) FROM (
        SELECT DISTINCT ON (name COLLATE \"C\") deleted FROM public.kine
        WHERE name > $1 COLLATE \"C\" AND name < $2 COLLATE \"C\"
        ORDER BY name COLLATE \"C\", id DESC) AS newest
    WHERE coalesce(deleted, 0) = 0";
/// Deletes every version of some keys, and rows of kine's own that have an id of theirs.
const DELETE: &str = "DELETE FROM public.kine
    WHERE name = ANY($1) OR (id = ANY($2) AND NOT starts_with(name, $3))";
const INSERT: &str = "INSERT INTO public.kine
    (id, name, created, deleted, create_revision, prev_revision, lease, value)
    SELECT id, name, created::int4, 0, create_revision, 0, lease, value
    FROM unnest($1::int8[], $2::text[], $3::bool[], $4::int8[], $5::int8[], $6::bytea[])
        AS incoming (id, name, created, create_revision, lease, value)";

/// Writer of one tenant's table.
pub(crate) struct TableWriter {
    link: Link,
}

impl TableWriter {
    /// Writer of the table behind `link`, which is created where it is missing.
    pub(crate) async fn open(mut link: Link) -> Result<Self, Error> {
        let session = link.checked().await?;
        let created = session.run(&Statement::create_table()).await;
        created.map_err(|failure| link.error("creating kine's table in", failure))?;
        Ok(Self { link })
    }

    /// Result of writes; the session of those that failed is closed, which ends their transaction.
    fn written<T>(&mut self, done: Result<T, Failure>) -> Result<T, Error> {
        done.map_err(|failure| {
            self.link.close();
            self.link.error("writing", failure)
        })
    }
}

#[async_trait]
impl Writer for TableWriter {
    async fn count(&mut self) -> Result<u64, Error> {
        let range = [(&ROOT as _, Type::TEXT), (&ROOT_END as _, Type::TEXT)];
        let rows = self.link.session().await?.rows(COUNT, &range).await;
        let rows = rows.map_err(|failure| self.link.error("counting keys of", failure))?;
        let count: i64 = rows.first().map_or(0, |row| row.get(0));
        Ok(count.unsigned_abs())
    }

    async fn clear(&mut self) -> Result<(), Error> {
        let done = self
            .link
            .checked()
            .await?
            .run(&Statement::empty_table())
            .await;
        self.written(done)
    }

    async fn revisions_missing(&mut self, _: i64) -> Result<u64, Error> {
        Ok(0)
    }

    async fn apply(&mut self, ops: &[Op]) -> Result<(), Error> {
        let batch = Batch::of(ops).map_err(|cause| self.link.unsupported("writing", cause))?;
        let done = batch.write(self.link.checked().await?).await;
        self.written(done)
    }

    async fn finish(&mut self, floor: i64) -> Result<(), Error> {
        let done = table::seal(self.link.checked().await?, floor).await;
        self.written(done)
    }
}

/// Outcome of some operations, in the columns of the table.
#[derive(Default)]
struct Batch {
    /// Names of all keys, deleted ones included.
    names: Vec<String>,
    /// Names of the keys that get a row.
    live: Vec<String>,
    ids: Vec<i64>,
    created: Vec<bool>,
    create_revisions: Vec<i64>,
    leases: Vec<i64>,
    values: Vec<Vec<u8>>,
}

impl Batch {
    /// Outcome of `ops`; the error says which key the table cannot hold.
    fn of(ops: &[Op]) -> Result<Self, String> {
        let mut batch = Self::default();
        for op in last_of_each_key(ops) {
            let name = text(op.key());
            match (op, name) {
                (Op::Put(record), Some(name)) => {
                    let row = Row::of(record);
                    batch.names.push(name.clone());
                    batch.live.push(name);
                    batch.ids.push(row.id);
                    batch.created.push(row.created);
                    batch.create_revisions.push(row.create_revision);
                    batch.leases.push(row.lease);
                    batch.values.push(row.value);
                }
                (Op::Delete { .. }, Some(name)) => batch.names.push(name),
                // Such a key was never written.
                (Op::Delete { .. }, None) => {}
                (Op::Put(record), None) => {
                    return Err(format!(
                        "the key {:?} is not UTF-8 or has a NUL, so that no text of PostgreSQL can hold it; delete the \
                         key or use a DataStore of another driver",
                        String::from_utf8_lossy(&record.key)
                    ));
                }
            }
        }
        Ok(batch)
    }

    /// Replaces the rows of the keys in one transaction; an error leaves it open.
    async fn write(&self, session: &Session) -> Result<(), Failure> {
        if self.names.is_empty() {
            return Ok(());
        }
        session.execute("BEGIN", &[]).await?;
        let deleted = [
            (&self.names as _, Type::TEXT_ARRAY),
            (&self.ids as _, Type::INT8_ARRAY),
            (&ROOT as _, Type::TEXT),
        ];
        session.execute(DELETE, &deleted).await?;
        if !self.live.is_empty() {
            let rows: [(&(dyn ToSql + Sync), Type); 6] = [
                (&self.ids, Type::INT8_ARRAY),
                (&self.live, Type::TEXT_ARRAY),
                (&self.created, Type::BOOL_ARRAY),
                (&self.create_revisions, Type::INT8_ARRAY),
                (&self.leases, Type::INT8_ARRAY),
                (&self.values, Type::BYTEA_ARRAY),
            ];
            session.execute(INSERT, &rows).await?;
        }
        session.execute("COMMIT", &[]).await.map(drop)
    }
}

/// Name of a key as the table can hold it.
fn text(key: &[u8]) -> Option<String> {
    let name = String::from_utf8(name_of(key)).ok()?;
    (!name.contains('\0')).then_some(name)
}
