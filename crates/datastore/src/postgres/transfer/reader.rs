//! Reads kine's table page by page and follows its changes.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::types::Type;

use super::inserts;
use super::link::Link;
use super::rows::{self, Flaw, Rows};
use crate::error::Error;
use crate::postgres::answer::Failure;
use crate::postgres::session::Session;
use crate::transfer::kine::{Row, certain, name_of};
use crate::transfer::{Changes, Followed, Page, Reader, Record};

/// Newest id, and the number of rows after another one, in one snapshot. More rows than [`COUNTED`] are not counted.
const PROGRESS: &str = "SELECT (SELECT coalesce(max(id), 0)::int8 FROM public.kine),
    (SELECT count(*) FROM (SELECT FROM public.kine WHERE id > $1 LIMIT 10000) AS counted)";
const COUNTED: i64 = 10_000;
/// Time that inserts under way get to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most attempts to read a page before kine deletes versions that belong to it.
const ATTEMPTS: usize = 5;

/// Reader of one tenant's table.
pub(crate) struct TableReader {
    link: Link,
    /// Revision up to which no insert is under way.
    decided: i64,
}

impl TableReader {
    /// Reader of the table behind `link`.
    pub(crate) fn new(link: Link) -> Self {
        Self { link, decided: 0 }
    }

    /// Newest revision of now, once no insert before it is under way.
    async fn decide(&mut self) -> Result<i64, Error> {
        let decided = newest_decided(self.link.session().await?, self.decided).await;
        self.decided = decided.map_err(|failure| self.link.error("reading", failure))?;
        Ok(self.decided)
    }

    fn rows(&self, read: Result<Rows, Flaw>) -> Result<Rows, Error> {
        read.map_err(|flaw| match flaw {
            Flaw::Failure(failure) => self.link.error("reading", failure),
            Flaw::TooLarge(cause) => self.link.unsupported("reading", cause),
        })
    }
}

#[async_trait]
impl Reader for TableReader {
    async fn revision(&mut self) -> Result<i64, Error> {
        self.decide().await
    }

    async fn page(&mut self, after: Option<&[u8]>) -> Result<Page, Error> {
        let start = String::from_utf8(name_of(after.unwrap_or_default()));
        let start = start.map_err(|_| {
            let cause = "a page cannot begin after a key that is not UTF-8".to_owned();
            self.link.unsupported("reading", cause)
        })?;
        for _ in 0..ATTEMPTS {
            let revision = self.decide().await?;
            let read = rows::in_range(self.link.session().await?, &start, revision).await;
            let read = self.rows(read)?;
            // Where a later version follows, the one that was current at `revision` may have been deleted.
            if read.compacted <= revision {
                let records = read.rows.into_iter().filter_map(Row::into_record);
                return Ok(Page {
                    records: records.collect(),
                    revision,
                    more: read.more,
                });
            }
        }
        let cause = "kine deletes versions faster than they can be read".to_owned();
        Err(self.link.error("reading", Failure::Unavailable(cause)))
    }

    async fn changes(&mut self, after: i64) -> Result<Followed, Error> {
        loop {
            let decided = self.decided;
            let read = rows::after(self.link.session().await?, after).await;
            let read = self.rows(read)?;
            if read.compacted > after {
                return Ok(Followed::Compacted);
            }
            let ids: Vec<i64> = read.rows.iter().map(|row| row.id).collect();
            let count = certain(after, decided, &ids);
            if let (0, Some(_)) = (count, ids.first()) {
                self.decide().await?;
                continue;
            }
            let last = ids[..count].last().copied().unwrap_or(after);
            let complete = count == ids.len() && !read.more;
            let ops = read.rows.into_iter().take(count).filter_map(Row::into_op);
            return Ok(Followed::Changes(Changes {
                ops: ops.collect(),
                revision: if complete { last.max(decided) } else { last },
            }));
        }
    }

    async fn get(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, Error> {
        let names = keys.iter().map(|key| String::from_utf8(name_of(key)));
        // The table can hold no other names.
        let names: Vec<String> = names
            .filter_map(Result::ok)
            .filter(|name| !name.contains('\0'))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let read = rows::of_keys(self.link.session().await?, &names).await;
        let read = self.rows(read)?;
        let last = read.rows.last().filter(|_| read.more);
        let last = last.and_then(|row| keys.iter().position(|key| name_of(key) == row.name));
        // Which keys behind the last row have none is not known.
        let answered = last.map_or(keys, |last| &keys[..=last]);
        let found: HashMap<Vec<u8>, Record> = read
            .rows
            .into_iter()
            .filter_map(Row::into_record)
            .map(|record| (record.key.clone(), record))
            .collect();
        let answers = answered.iter().map(|key| found.get(key).cloned());
        Ok(answers.collect())
    }
}

/// Newest revision of now, once no insert before it is under way; none before `decided` is. 0 without a table.
async fn newest_decided(session: &Session, decided: i64) -> Result<i64, Failure> {
    let rows = match session.rows(PROGRESS, &[(&decided, Type::INT8)]).await {
        Err(Failure::NoTable(_)) => return Ok(0),
        other => other?,
    };
    let (newest, count): (i64, i64) = match rows.first() {
        Some(row) => (row.get(0), row.get(1)),
        None => (0, 0),
    };
    if newest <= decided {
        return Ok(decided);
    }
    if count < COUNTED && newest.checked_sub(decided) == Some(count) {
        return Ok(newest);
    }
    let writing = inserts::under_way(session).await?;
    let late = inserts::wait(session, writing, PATIENCE).await?;
    match late.first() {
        None => Ok(newest),
        Some(one) => Err(Failure::Unavailable(format!(
            "the transaction of process {} has been writing for {} s, and what it wrote may come before what is \
             visible already",
            one.process,
            PATIENCE.as_secs()
        ))),
    }
}
