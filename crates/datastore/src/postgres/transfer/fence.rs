//! Waits for the writes that were under way when a tenant lost the right to write.

use std::time::Duration;

use super::inserts;
use super::link::Link;
use super::table::newest;
use crate::error::Error;
use crate::postgres::answer::Failure;
use crate::postgres::session::Session;

/// Time that writes under way get to end by themselves; kine's take milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time in which the server ends the sessions of those that did not.
const ENDING: Duration = Duration::from_secs(3);
/// Rights of which a fenced tenant has none.
const MAY_WRITE: &str =
    "SELECT has_table_privilege('public.kine', 'INSERT, UPDATE, DELETE, TRUNCATE')
    OR has_any_column_privilege('public.kine', 'INSERT, UPDATE')";

/// Waits for the writes that are under way, and ends those that take long: taking the right to write waits for them, and
/// everything else would wait behind it.
pub(crate) async fn drain(link: &mut Link) -> Result<(), Error> {
    let drained = wait(link.session().await?).await;
    drained.map_err(|failure| link.error("waiting for the last writes to", failure))
}

/// Revision of the last write, after the right to write was taken and no write is under way.
pub(crate) async fn last_write(link: &mut Link) -> Result<i64, Error> {
    let last = last_revision(link.session().await?).await;
    last.map_err(|failure| link.error("reading the last revision of", failure))
}

async fn wait(session: &Session) -> Result<(), Failure> {
    let writing = inserts::under_way(session).await?;
    let late = inserts::wait(session, writing, PATIENCE).await?;
    if late.is_empty() {
        return Ok(());
    }
    inserts::end(session, &late).await?;
    let left = inserts::wait(session, late, ENDING).await?;
    match left.first() {
        None => Ok(()),
        Some(one) => Err(Failure::Unavailable(format!(
            "the transaction of process {} is still under way",
            one.process
        ))),
    }
}

async fn last_revision(session: &Session) -> Result<i64, Failure> {
    // A statement locks the table before its rights are checked, so one that was permitted earlier holds its lock.
    wait(session).await?;
    let rows = session.rows(MAY_WRITE, &[]).await?;
    if rows.first().is_none_or(|row| row.get(0)) {
        return Err(Failure::Unavailable(
            "the tenant was granted the right to write again meanwhile".to_owned(),
        ));
    }
    newest(session).await
}
