//! Hold of a tenant's table: while it lasts, no statement that begins gets an answer from the table.
//!
//! kine 0.17.5 acknowledges a creation whose insert failed, even by the end of its connection, if the search for the key
//! that follows finds nothing. So connections are ended under a hold: a search waits until its own connection ends.
//!
//! A connection reads the table in a transaction that stays open; another one waits for every transaction on the
//! table, that one included. Whatever begins later waits behind both, by the order in which the server grants locks on
//! a table's definition. Both locks end with their connections, so that a hold never outlives the process for long.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use mysql_async::OptsBuilder;
use tokio::time::timeout;

use super::super::answer::code::NO_THREAD;
use super::super::query::Query;
use super::super::session::Session;
use super::super::sql::{SQL_MODE, Statement, Table};
use super::link::Link;
use crate::error::Error;
use crate::tenancy::Schema;

/// Setting of the connection that waits, in seconds: longer than everything that is done under a hold takes.
const LONG_WAIT: &str = "SET SESSION lock_wait_timeout = 40";
/// Time in which the wait has to end once the table is let go.
const LETTING_GO: Duration = Duration::from_secs(1);
const OWN_NUMBER: &str = "SELECT CONNECTION_ID()";

/// A tenant's table that is about to be held.
pub(in super::super) struct Hold {
    schema: Schema,
    /// Reads the table in an open transaction.
    reading: Link,
    /// Waits for that transaction, and so keeps all others waiting.
    waiting: Link,
    /// Number of the connection that waits.
    number: u64,
}

impl Hold {
    /// Prepares a hold of the tenant's table, which is created if there is none.
    pub(in super::super) async fn prepare(
        session: &Session<'_>,
        schema: &Schema,
    ) -> Result<Self, Error> {
        let (endpoint, options) = session.origin();
        let link = || {
            let options = OptsBuilder::from_opts(options.clone()).init(vec![SQL_MODE, LONG_WAIT]);
            Link::new(endpoint, options, session.site(""))
        };
        let (mut reading, mut waiting) = (link(), link());
        let (doing, table) = (format!("holding schema {schema}"), Table::of(schema));
        reading.run(&doing, &Statement::create_kine(table)).await?;
        reading.run(&doing, &Statement::begin()).await?;
        let row = format!("SELECT 1 FROM {table} LIMIT 1");
        reading
            .rows_in_transaction(Query::new(&doing, &row), ())
            .await?;
        let numbers = waiting.rows(Query::new(&doing, OWN_NUMBER), ()).await?;
        let number = numbers.first().and_then(|row| row.get_opt(0)?.ok());
        let number = number.ok_or_else(|| waiting.unexpected(&doing, "no connection number"))?;
        Ok(Self {
            schema: schema.clone(),
            reading,
            waiting,
            number,
        })
    }

    /// Number of the connection that waits for the table while the hold lasts.
    pub(in super::super) fn number(&self) -> u64 {
        self.number
    }

    /// Carries out `work` while the table is held, and lets the table go, whether the work succeeds or not. An error if
    /// the hold ended before the work did. A server that sees the connections end, as it does once a call is dropped,
    /// ends the wait within a second; one that does not, behind a proxy or a broken network, after [`LONG_WAIT`].
    pub(in super::super) async fn during<T>(
        self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Self {
            schema,
            mut reading,
            mut waiting,
            number,
        } = self;
        let doing = format!("holding schema {schema}");
        let site = waiting.site(&doing);
        let statement = Statement::wait_for_transactions(Table::of(&schema));
        let held = pin!(waiting.run(&doing, &statement));
        let (done, held) = match select(held, pin!(work)).await {
            Either::Left((ended, _)) => {
                ended?;
                let cause = "another program ended the wait of a connection for the table";
                return Err(Error::Unreachable {
                    site,
                    cause: cause.to_owned(),
                });
            }
            Either::Right(outcome) => outcome,
        };
        let committed = match &done {
            Ok(_) => reading.run(&doing, &Statement::commit()).await,
            Err(error) => Err(error.clone()),
        };
        if committed.is_ok() && timeout(LETTING_GO, held).await.is_ok() {
            return done;
        }
        // A transaction of somebody else may be open: whoever reads the table must not wait behind it.
        let kill = Statement::kill(number);
        if let Err(error) = committed {
            let let_go = async {
                reading.run_unless(&[NO_THREAD], &doing, &kill).await?;
                reading.run(&doing, &Statement::commit()).await
            };
            let _ = timeout(LETTING_GO, let_go).await;
            return Err(error);
        }
        reading.run_unless(&[NO_THREAD], &doing, &kill).await?;
        done
    }
}
