//! Writer of a tenant's table.
//!
//! Every change is made by the tenant's user while the administrator's transaction holds the owner record, so that
//! nobody else can become the owner meanwhile. Each key has one row, whose id is the revision at the source.
//!
//! A writer reads its place after its connection as the tenant was opened. Who takes the place ends all connections of
//! the tenant, so that an earlier writer, however long it stood still, has none left by which it could write.

use async_trait::async_trait;
use mysql_async::{Params, Value};

use super::super::query::Query;
use super::super::sql::{NAME_BYTES, Statement};
use super::link::Link;
use super::table::{TenantTable, fitting, list, marks};
use crate::error::Error;
use crate::ownership::{Standing, recorded};
use crate::tenancy::Tenancy;
use crate::transfer::kine::{COMPACTION, Row, compaction_row, last_of_each_key, name_of};
use crate::transfer::{BATCH_RECORDS, Op, Writer, place};

const RECORD: &str = "SELECT record FROM kamaji_clastix_io.owners \
     WHERE kind = 'schema' AND name = ? LOCK IN SHARE MODE";
const PLACE: &str =
    "SELECT record FROM kamaji_clastix_io.owners WHERE kind = 'writer' AND name = ?";
/// Most rows that one statement deletes when the table is emptied.
const EMPTIED: usize = 2000;
/// Numbers of rows in one statement, so that few statements are prepared.
const ROWS: [usize; 5] = [256, 64, 16, 4, 1];
/// Bytes of a request beside names and values.
const FRAME: usize = 64 << 10;
/// Largest value in bytes that a `MEDIUMBLOB` takes.
const MEDIUMBLOB: usize = (1 << 24) - 1;
const RAISE_PACKET: &str = "raise max_allowed_packet on the server to 32M";
const OTHER_DRIVER: &str = "use a DataStore of another driver";

/// Writes the table of one tenant.
pub(in super::super) struct TableWriter {
    tenancy: Tenancy,
    place: String,
    administrator: Link,
    table: TenantTable,
    /// Most bytes of a request that the server takes.
    packet: usize,
    /// True once names are compared by their bytes.
    exact: bool,
    /// True once no key can have a second row.
    single: bool,
}

impl TableWriter {
    /// The writer of a tenant that has taken `place`, with its links as administrator and as the tenant.
    pub(super) fn new(
        tenancy: Tenancy,
        place: String,
        (administrator, tenant): (Link, Link),
    ) -> Self {
        let table = TenantTable::new(&tenancy.schema, tenant);
        Self {
            tenancy,
            place,
            administrator,
            table,
            packet: 0,
            exact: false,
            single: false,
        }
    }

    /// Creates the table if there is none, and reads what the server takes.
    pub(super) async fn prepare(&mut self) -> Result<(), Error> {
        self.hold().await?;
        let created = self.create().await;
        self.release(created).await
    }

    async fn create(&mut self) -> Result<(), Error> {
        let statement = Statement::create_kine(self.table.name());
        self.run("creating the table", &statement).await?;
        let packet = "SELECT @@max_allowed_packet";
        let packet = self
            .table
            .number("reading the largest packet", packet)
            .await?;
        self.packet = usize::try_from(packet).unwrap_or_default();
        let exact = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_NAME = 'kine' \
             AND COLUMN_NAME = 'name' AND DATA_TYPE = 'varbinary' AND TABLE_SCHEMA = ?";
        let schema = (self.tenancy.schema.as_str(),);
        let found = self
            .table
            .link
            .rows(Query::new("reading columns", exact), schema)
            .await?;
        let count = found.first().and_then(|row| row.get_opt::<i64, _>(0));
        self.exact = matches!(count, Some(Ok(1)));
        let others = format!(
            "SELECT EXISTS (SELECT 1 FROM {} WHERE prev_revision <> 0 AND name <> '{COMPACTION}')",
            self.table.name()
        );
        self.single = self.table.number("reading versions", &others).await? == 0;
        Ok(())
    }

    /// Locks the owner record of the schema, and fails unless it is the tenant's and the place is this writer's.
    async fn hold(&mut self) -> Result<(), Error> {
        let schema = self.tenancy.schema.as_str();
        let doing = format!("checking the owner of schema {schema}");
        self.table.link.awake().await?;
        self.table.link.pin();
        self.administrator.awake().await?;
        self.administrator.run(&doing, &Statement::begin()).await?;
        let rows = self
            .administrator
            .rows_in_transaction(Query::new(&doing, RECORD), (schema,))
            .await?;
        let record: Option<Vec<u8>> = rows.first().and_then(|row| row.get_opt(0)?.ok());
        let rows = self
            .administrator
            .rows_in_transaction(Query::new(&doing, PLACE), (schema,))
            .await?;
        let noted: Option<String> = rows.first().and_then(|row| row.get_opt(0)?.ok());
        let site = || self.administrator.site(doing.as_str());
        let placed = place::require(&self.place, noted.as_deref(), site);
        let refused = match recorded(record.as_deref(), &self.tenancy) {
            Ok(Some(Standing::Own)) => match placed {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            Ok(_) => Error::Refused {
                site: self.administrator.site(doing),
                reason: "no record says that it is this tenant's; it is set up first".to_owned(),
            },
            Err(denial) => denial.into_error(self.administrator.site(doing), "schema", schema),
        };
        self.administrator.close();
        Err(refused)
    }

    /// Gives the owner record back. After a failure the connections are closed, which undoes what was not committed.
    async fn release<T>(&mut self, done: Result<T, Error>) -> Result<T, Error> {
        if done.is_err() {
            self.administrator.close();
            self.table.link.close();
            return done;
        }
        let doing = "giving the owner record back";
        self.administrator.run(doing, &Statement::commit()).await?;
        done
    }

    async fn write(&mut self, ops: &[Op]) -> Result<(), Error> {
        self.compare_bytes().await?;
        for ops in ops.chunks(BATCH_RECORDS) {
            let ops = last_of_each_key(ops);
            let (mut names, mut rows) = (Vec::new(), Vec::new());
            for op in ops {
                match op {
                    Op::Delete { key, .. } => names.push(name_of(key)),
                    Op::Put(record) => {
                        let row = Row::of(record);
                        self.require_room(&row)?;
                        if !self.single {
                            names.push(row.name.clone());
                        }
                        rows.push(row);
                    }
                }
            }
            self.run("beginning a transaction", &Statement::begin())
                .await?;
            self.delete(&names).await?;
            self.replace(rows).await?;
            self.run("ending a transaction", &Statement::commit())
                .await?;
        }
        Ok(())
    }

    async fn delete(&mut self, names: &[Vec<u8>]) -> Result<u64, Error> {
        if names.is_empty() {
            return Ok(0);
        }
        let query = format!(
            "DELETE FROM {} WHERE name IN ({})",
            self.table.name(),
            marks(names.len())
        );
        self.change("deleting keys", &query, list(names)).await
    }

    /// Writes rows, each in the place of an older one of the same name or id.
    async fn replace(&mut self, mut rows: Vec<Row>) -> Result<(), Error> {
        while !rows.is_empty() {
            let room = self.packet.saturating_sub(FRAME);
            let mut bytes = 0;
            let fit = rows.iter().take_while(|row| {
                bytes += size(row);
                bytes <= room
            });
            let most = fit.count().min(fitting(rows.iter().map(size))).max(1);
            let count = ROWS.into_iter().find(|count| *count <= most).unwrap_or(1);
            let query = format!(
                "REPLACE INTO {} (id, name, created, deleted, create_revision, prev_revision, \
                 lease, value) VALUES {}",
                self.table.name(),
                vec!["(?, ?, ?, 0, ?, 0, ?, ?)"; count].join(", ")
            );
            let values = rows.drain(..count).flat_map(|row| {
                [
                    Value::Int(row.id),
                    Value::Bytes(row.name),
                    Value::Int(row.created.into()),
                    Value::Int(row.create_revision),
                    Value::Int(row.lease),
                    Value::Bytes(row.value),
                ]
            });
            let values = Params::Positional(values.collect());
            self.change("writing keys", &query, values).await?;
        }
        Ok(())
    }

    /// Refuses a row that the table or the server does not take.
    fn require_room(&self, row: &Row) -> Result<(), Error> {
        let limit = self.packet.saturating_sub(FRAME);
        let (what, remedy) = if row.name.len() > NAME_BYTES {
            (format!("a name of {} bytes", row.name.len()), OTHER_DRIVER)
        } else if row.value.len() > MEDIUMBLOB {
            (
                format!("a value of {} bytes", row.value.len()),
                OTHER_DRIVER,
            )
        } else if size(row) > limit {
            (format!("{} bytes", size(row)), RAISE_PACKET)
        } else {
            return Ok(());
        };
        Err(Error::Unsuitable {
            site: self.table.link.site("writing keys"),
            cause: format!(
                "the key {} has {what}, which is too much for the server",
                String::from_utf8_lossy(&row.name)
            ),
            remedy,
        })
    }

    /// Makes the names of a table that kine created bytes.
    async fn compare_bytes(&mut self) -> Result<(), Error> {
        if !self.exact {
            let statement = Statement::compare_bytes(self.table.name());
            self.run("making names bytes", &statement).await?;
            self.exact = true;
        }
        Ok(())
    }

    async fn begin_after(&mut self, floor: i64) -> Result<(), Error> {
        self.compare_bytes().await?;
        let newest = format!(
            "SELECT COALESCE(MAX(id), 0) FROM {} WHERE name <> '{COMPACTION}'",
            self.table.name()
        );
        let newest = self
            .table
            .number("reading the last revision", &newest)
            .await?;
        let doing = "setting the revision";
        let Some((id, compacted)) = compaction_row(floor, newest) else {
            return Err(self.table.link.unexpected(doing, "no revision is left"));
        };
        self.run(doing, &Statement::begin()).await?;
        self.delete(&[COMPACTION.into()]).await?;
        let query = format!(
            "REPLACE INTO {} (id, name, created, deleted, create_revision, prev_revision, lease, \
             value) VALUES (?, '{COMPACTION}', 1, 0, 0, ?, 0, '')",
            self.table.name()
        );
        self.change(doing, &query, (id, compacted)).await?;
        self.run(doing, &Statement::commit()).await?;
        let statement = Statement::set_next_id(self.table.name(), id.saturating_add(1));
        self.run(doing, &statement).await
    }

    async fn empty_once(&mut self) -> Result<u64, Error> {
        let query = format!("DELETE FROM {} LIMIT {EMPTIED}", self.table.name());
        self.change("deleting the tenant's keys", &query, ()).await
    }

    async fn run(&mut self, doing: &str, statement: &Statement) -> Result<(), Error> {
        let doing = format!("{doing} of schema {}", self.tenancy.schema);
        self.table.link.run(&doing, statement).await
    }

    async fn change(
        &mut self,
        doing: &str,
        query: &str,
        parameters: impl Into<Params> + Send,
    ) -> Result<u64, Error> {
        let doing = format!("{doing} of schema {}", self.tenancy.schema);
        let query = Query::new(&doing, query);
        self.table.link.change(query, parameters).await
    }
}

/// Bytes of a row in a request, roughly.
fn size(row: &Row) -> usize {
    row.name.len() + row.value.len() + 64
}

#[async_trait]
impl Writer for TableWriter {
    async fn count(&mut self) -> Result<u64, Error> {
        self.table.link.awake().await?;
        self.table.count().await
    }

    async fn clear(&mut self) -> Result<(), Error> {
        loop {
            self.hold().await?;
            let deleted = self.empty_once().await;
            if self.release(deleted).await? == 0 {
                self.single = true;
                return Ok(());
            }
        }
    }

    async fn revisions_missing(&mut self, _: i64) -> Result<u64, Error> {
        Ok(0)
    }

    async fn apply(&mut self, ops: &[Op]) -> Result<(), Error> {
        self.hold().await?;
        let written = self.write(ops).await;
        self.release(written).await
    }

    async fn finish(&mut self, floor: i64) -> Result<(), Error> {
        self.hold().await?;
        let begun = self.begin_after(floor).await;
        self.release(begun).await
    }
}
