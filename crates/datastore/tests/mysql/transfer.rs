//! Transfer of a tenant's rows: tables as kine makes them, and records of a test.

mod copying;
mod fence;
mod holding;
mod lifting;
mod memory;
mod reading;
mod writing;

use std::collections::BTreeMap;

use kamaji_datastore::transfer::{BATCH_BYTES, Changes, Followed, Op, Reader, Record};
use kamaji_datastore::{Access, DataStore, Error, Tenancy};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::{Server, client_of, password};
use crate::attempt::attempt;
use crate::kit_kine::Kine;

/// kine's table as kine v0.17.5 makes it, whose names ignore case.
const TABLE: &str = "\
CREATE TABLE `cp-a`.kine (id BIGINT UNSIGNED AUTO_INCREMENT, name VARCHAR(630) CHARACTER SET ascii, created INTEGER, \
deleted INTEGER, create_revision BIGINT UNSIGNED, prev_revision BIGINT UNSIGNED, lease INTEGER, value MEDIUMBLOB, \
old_value MEDIUMBLOB, PRIMARY KEY (id), INDEX kine_name_index (name), INDEX kine_name_id_index (name, id), \
INDEX kine_id_deleted_index (id, deleted), INDEX kine_prev_revision_index (prev_revision), \
UNIQUE INDEX kine_name_prev_revision_uindex (name, prev_revision))";
const INSERT: &str = "INSERT INTO `cp-a`.kine (id, name, created, deleted, create_revision, prev_revision, lease, value) \
VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

/// One row for [`INSERT`].
struct Row<'a> {
    id: i64,
    name: &'a str,
    deleted: bool,
    /// Revision of the version before; 0 in the row that created the key.
    previous: i64,
    value: &'a [u8],
}

/// The same tenancy without the right to write.
fn fenced(tenancy: &Tenancy) -> Tenancy {
    tenancy.with_access(Access::ReadOnly)
}

/// A connection of the tenant's user with an empty table of kine.
async fn with_table(server: &Server, tenancy: &Tenancy) -> Conn {
    let mut client = client_of(server, tenancy).await.unwrap();
    client.query_drop(TABLE).await.unwrap();
    client
}

/// Starts a kine at the tenant's database.
async fn kine_of(server: &Server, tenancy: &Tenancy) -> Kine {
    let endpoint = format!(
        "mysql://{}:{}@tcp(127.0.0.1:{})/{}",
        tenancy.user,
        password(tenancy),
        server.port,
        tenancy.schema
    );
    Kine::start(&endpoint, &[]).await
}

async fn insert(client: &mut Conn, row: &Row<'_>) {
    let Row {
        id,
        name,
        deleted,
        previous,
        value,
    } = row;
    let created = i64::from(*previous == 0);
    let values = (id, name, created, deleted, previous, previous, 0, value);
    client.exec_drop(INSERT, values).await.unwrap();
}

/// A live row that created its key.
fn created<'a>(id: i64, name: &'a str, value: &'a [u8]) -> Row<'a> {
    Row {
        id,
        name,
        deleted: false,
        previous: 0,
        value,
    }
}

fn record(key: &str, modified: i64, value: &[u8]) -> Record {
    Record {
        key: key.into(),
        value: value.to_vec(),
        created: modified,
        modified,
        ttl: None,
    }
}

fn deletion(key: &str, revision: i64) -> Op {
    Op::Delete {
        key: key.into(),
        revision,
    }
}

/// Every record of a tenant, page by page.
async fn all(reader: &mut dyn Reader) -> Vec<Record> {
    let (mut records, mut after): (Vec<Record>, Option<Vec<u8>>) = (Vec::new(), None);
    loop {
        let page = reader.page(after.as_deref()).await.unwrap();
        assert!(page.records.len() <= kamaji_datastore::transfer::BATCH_RECORDS);
        records.extend(page.records);
        if !page.more {
            return records;
        }
        after = records.last().map(|record| record.key.clone());
    }
}

async fn changes(reader: &mut dyn Reader, after: i64) -> Changes {
    match reader.changes(after).await.unwrap() {
        Followed::Changes(changes) => changes,
        Followed::Compacted => panic!("compacted"),
    }
}

/// Values and revisions of a store's records by key.
async fn content(store: &dyn DataStore, tenancy: &Tenancy) -> BTreeMap<Vec<u8>, Record> {
    let mut reader = store.reader(tenancy).await.unwrap();
    let records = all(reader.as_mut()).await;
    records
        .into_iter()
        .map(|record| (record.key.clone(), record))
        .collect()
}

/// First column of a query as root, as one number.
async fn number(server: &Server, query: &str) -> i64 {
    server.column(query).await[0].parse().unwrap()
}
