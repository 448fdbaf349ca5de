//! Inserts that are under way in kine's table: until they end, a row may appear before rows that are visible already.
//!
//! An insert locks the table before it draws its id, and gives the lock back after its row is visible. So all ids up to
//! one that was seen are decided as soon as every transaction has ended that held the lock after it was seen. Nobody
//! waits for that but the reader, and the right to read is enough.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::types::Type;

use crate::postgres::answer::Failure;
use crate::postgres::session::Session;

/// Transactions that hold the lock of a writer.
const WRITERS: &str = "SELECT virtualtransaction, coalesce(pid, 0) FROM pg_locks
    WHERE locktype = 'relation' AND relation = to_regclass('public.kine')::oid
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND mode = 'RowExclusiveLock' AND granted AND pid IS DISTINCT FROM pg_backend_pid()";
/// First wait between two questions; each further one is twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// A transaction that may have written to the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Writing {
    transaction: String,
    /// Process of the server that runs it; 0 for a prepared transaction, which none does.
    pub(super) process: i32,
}

/// The transactions of now that write.
pub(super) async fn under_way(session: &Session) -> Result<Vec<Writing>, Failure> {
    let rows = session.rows(WRITERS, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| Writing {
            transaction: row.get(0),
            process: row.get(1),
        })
        .collect())
}

/// Waits until `writing` have ended, at most for `limit`, and returns those that have not.
pub(super) async fn wait(
    session: &Session,
    mut writing: Vec<Writing>,
    limit: Duration,
) -> Result<Vec<Writing>, Failure> {
    let (start, mut pause) = (Instant::now(), FIRST_WAIT);
    while !writing.is_empty() && start.elapsed() < limit {
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_WAIT);
        let now = under_way(session).await?;
        writing.retain(|each| now.contains(each));
    }
    Ok(writing)
}

/// Ends the sessions of transactions, which are the tenant's own; nothing was acknowledged of what they wrote.
pub(super) async fn end(session: &Session, writing: &[Writing]) -> Result<(), Failure> {
    let processes: Vec<i32> = writing.iter().map(|each| each.process).collect();
    let query = "SELECT pg_terminate_backend(pid) FROM unnest($1::int4[]) AS pid WHERE pid > 0";
    let parameters = [(&processes as _, Type::INT4_ARRAY)];
    session.rows(query, &parameters).await.map(drop)
}
