//! Wait for every transaction that has used a tenant's table.
//!
//! An id is drawn before its row can be read, so that a row may appear after one with a higher id. Whoever has drawn
//! an id holds the server's lock on the definition of the table until its transaction ends: once that lock was had,
//! no id that was drawn before it can appear any more.

use std::time::Duration;

use tokio::time::sleep;

use super::super::answer::code::LOCK_WAIT;
use super::super::sql::{Statement, Table};
use super::link::Link;
use crate::error::Error;

/// Most waits, each of a second at most, so that a transaction that stays open does not stop all others.
const ATTEMPTS: usize = 10;
/// Pause between two waits, in which the tenant goes on.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until the transactions that have used the table have ended.
pub(super) async fn wait(administrator: &mut Link, table: Table<'_>) -> Result<(), Error> {
    let doing = format!("waiting for transactions on table {table}");
    let statement = Statement::wait_for_transactions(table);
    administrator.awake().await?;
    for _ in 0..ATTEMPTS {
        if administrator
            .run_unless(&[LOCK_WAIT], &doing, &statement)
            .await?
        {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
    Err(Error::Unreachable {
        site: administrator.site(doing),
        cause: format!("one of them did not end in {ATTEMPTS} waits of a second"),
    })
}
