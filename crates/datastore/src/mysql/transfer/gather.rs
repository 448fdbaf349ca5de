//! Rows of one answer, up to a bound in bytes: in a table that a tenant made itself, any number of rows may have one id.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Params, Row, Value};

use crate::transfer::kine::VALUE_BYTES;

/// Most bytes of the rows of one answer; a row with the largest value is half of it.
pub(super) const ANSWER: usize = 2 * VALUE_BYTES;
/// Bytes that a row, and each value in it, takes in memory beside its text.
const OVERHEAD: usize = 64;

/// Rows of a query; `None` once they exceed [`ANSWER`], after which the connection is of no more use.
pub(super) async fn gather(
    conn: &mut Conn,
    query: &str,
    parameters: Params,
) -> Result<Option<Vec<Row>>, Error> {
    let mut answer = conn.exec_iter(query, parameters).await?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = answer.next().await? {
        bytes += size(&row);
        if bytes > ANSWER {
            return Ok(None);
        }
        rows.push(row);
    }
    answer.drop_result().await?;
    Ok(Some(rows))
}

fn size(row: &Row) -> usize {
    let values = (0..row.len()).map(|column| match row.as_ref(column) {
        Some(Value::Bytes(bytes)) => OVERHEAD + bytes.len(),
        _ => OVERHEAD,
    });
    OVERHEAD + values.sum::<usize>()
}
