//! kine's table as a whole: its creation, and its state from which kine starts without a gap.

use tokio_postgres::types::Type;

use crate::postgres::answer::Failure;
use crate::postgres::session::Session;
use crate::postgres::sql::Statement;
use crate::transfer::kine::{COMPACTION, compaction_row};

const FORGET: &str = "DELETE FROM public.kine WHERE name = $1";
/// Newest id of any row.
pub(super) const NEWEST: &str = "SELECT coalesce(max(id), 0)::int8 FROM public.kine";
const COMPACT: &str = "INSERT INTO public.kine
    (id, name, created, deleted, create_revision, prev_revision, lease, value)
    VALUES ($1, $2, 1, 0, 0, $3, 0, '')";
/// Sets the sequence of ids so that the next one follows.
const CONTINUE: &str = "SELECT setval(pg_get_serial_sequence('public.kine', 'id')::regclass, $1)";

/// Creates the table where it is missing, with the row without which kine does not start when it may only read.
pub(crate) async fn prepare(session: &Session) -> Result<(), Failure> {
    session.run(&Statement::create_table()).await?;
    seal(session, 0).await
}

/// Newest revision of the table; 0 without a row.
pub(super) async fn newest(session: &Session) -> Result<i64, Failure> {
    let rows = session.rows(NEWEST, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// Makes the next id follow `floor` and every row, and every older revision count as compacted. kine reads on from the
/// newest id, so a sequence that is ahead of it would have kine fill the gap row by row. An error leaves a transaction
/// open.
pub(super) async fn seal(session: &Session, floor: i64) -> Result<(), Failure> {
    session.execute("BEGIN", &[]).await?;
    session
        .execute(FORGET, &[(&COMPACTION as _, Type::TEXT)])
        .await?;
    let newest = newest(session).await?;
    let Some((id, compacted)) = compaction_row(floor, newest) else {
        return Err(Failure::Unexpected(format!(
            "no revision is left after {}",
            floor.max(newest)
        )));
    };
    let row = [
        (&id as _, Type::INT8),
        (&COMPACTION as _, Type::TEXT),
        (&compacted as _, Type::INT8),
    ];
    session.execute(COMPACT, &row).await?;
    session.rows(CONTINUE, &[(&id as _, Type::INT8)]).await?;
    session.execute("COMMIT", &[]).await.map(drop)
}
