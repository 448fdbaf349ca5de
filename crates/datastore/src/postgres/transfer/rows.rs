//! Requests for rows of kine's table, each bounded in rows and bytes and answered from one snapshot.

use tokio_postgres::Row as Answer;
use tokio_postgres::types::{ToSql, Type};

use crate::postgres::answer::Failure;
use crate::postgres::session::Session;
use crate::transfer::kine::{COMPACTION, NAME_BYTES, ROOT_END, Row, VALUE_BYTES};
use crate::transfer::{BATCH_BYTES, BATCH_RECORDS};

/// Ids of the newest rows of the keys in a range of names, at one revision, deleted keys left out.
const IN_RANGE: &str = "SELECT id FROM (
        SELECT DISTINCT ON (name COLLATE \"C\") name, id, deleted FROM public.kine
        WHERE name > $4 COLLATE \"C\" AND name < $5 COLLATE \"C\" AND id <= $6
        ORDER BY name COLLATE \"C\", id DESC) AS newest
    WHERE coalesce(deleted, 0) = 0 ORDER BY name COLLATE \"C\"";
/// Ids of the rows after a revision.
const AFTER: &str = "SELECT id FROM public.kine WHERE id > $4 ORDER BY id";
/// Ids of the newest rows of some keys, in the order in which the keys are given.
const OF_KEYS: &str = "SELECT id FROM (
        SELECT DISTINCT ON (name COLLATE \"C\") name, id FROM public.kine WHERE name = ANY($4)
        ORDER BY name COLLATE \"C\", id DESC) AS newest
    ORDER BY array_position($4, name::text COLLATE \"C\")";
/// Characters of a name that is larger than what is read, by which an error tells it.
const SHOWN: usize = 100;

/// Rows of one request, all of one snapshot.
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    /// True if the request had more rows to give.
    pub(super) more: bool,
    /// Revision up to which old versions are deleted.
    pub(super) compacted: i64,
}

/// Failed request for rows.
#[derive(Debug)]
pub(super) enum Flaw {
    Failure(Failure),
    /// A name or value is larger than what a transfer reads; the text names the key.
    TooLarge(String),
}

impl From<Failure> for Flaw {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Newest rows of the live keys with names after `start`, as they were at `revision`, in the order of their bytes.
pub(super) async fn in_range(session: &Session, start: &str, revision: i64) -> Result<Rows, Flaw> {
    let parameters: [Parameter<'_>; 3] = [
        (&start, Type::TEXT),
        (&ROOT_END, Type::TEXT),
        (&revision, Type::INT8),
    ];
    let request = Request {
        ids: IN_RANGE,
        bytes: BATCH_BYTES,
    };
    request.send(session, &parameters).await
}

/// Rows after the revision `after`, in the order of their ids.
pub(super) async fn after(session: &Session, after: i64) -> Result<Rows, Flaw> {
    let request = Request {
        ids: AFTER,
        bytes: BATCH_BYTES,
    };
    request.send(session, &[(&after, Type::INT8)]).await
}

/// Newest rows of the first keys of `names`, in their order; at most [`BATCH_RECORDS`] names.
pub(super) async fn of_keys(session: &Session, names: &[&str]) -> Result<Rows, Flaw> {
    let request = Request {
        ids: OF_KEYS,
        bytes: BATCH_BYTES,
    };
    request.send(session, &[(&names, Type::TEXT_ARRAY)]).await
}

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// A request for the rows with the first of some ids.
struct Request {
    /// Query for the ids in the order of the rows, without a limit; its parameters begin with `$4`.
    ids: &'static str,
    /// Most bytes of names and values together, unless the first row alone has more.
    bytes: usize,
}

impl Request {
    /// Text of the query. The lengths are known without reading the values, so only those are read that are returned.
    /// `OFFSET 0` has every row looked up by its id, whatever the statistics of the table say. The casts and the last
    /// limit hold for a view in place of the table, too: the client library asks for every type that it does not know,
    /// and for the types in that one.
    fn text(&self) -> String {
        let ids = self.ids;
        format!(
            "WITH part AS MATERIALIZED (
                SELECT id, row_number() OVER () AS place FROM ({ids} LIMIT {BATCH_RECORDS}) AS line),
            sized AS (
                SELECT part.id, place, sum(k.bytes) OVER (ORDER BY place) AS bytes
                FROM part CROSS JOIN LATERAL (
                    SELECT octet_length(name) + coalesce(octet_length(value), 0) AS bytes
                    FROM public.kine WHERE id = part.id OFFSET 0) AS k),
            fit AS (SELECT id, place FROM sized WHERE place = 1 OR bytes <= $1)
            SELECT (SELECT coalesce(max(prev_revision), 0)::int8 FROM public.kine WHERE name = $2),
                (SELECT count(*) FROM part), (SELECT count(*) FROM fit),
                k.id::int8,
                CASE WHEN octet_length(k.name) <= {NAME_BYTES} THEN k.name::text ELSE left(k.name::text, {SHOWN}) END,
                coalesce(k.created, 0) <> 0, coalesce(k.deleted, 0) <> 0,
                coalesce(k.create_revision, 0)::int8, coalesce(k.lease, 0)::int8,
                coalesce(octet_length(k.value), 0),
                CASE WHEN octet_length(k.value) <= $3 THEN k.value::bytea END,
                coalesce(octet_length(k.name), 0)
            FROM (SELECT) AS one LEFT JOIN (fit CROSS JOIN LATERAL (
                SELECT * FROM public.kine WHERE id = fit.id OFFSET 0) AS k) ON true
            ORDER BY place LIMIT {BATCH_RECORDS}"
        )
    }

    async fn send(&self, session: &Session, own: &[Parameter<'_>]) -> Result<Rows, Flaw> {
        let bytes = i64::try_from(self.bytes).unwrap_or(i64::MAX);
        let value_bytes = i32::try_from(VALUE_BYTES).unwrap_or(i32::MAX);
        let mut parameters: Vec<Parameter<'_>> = vec![
            (&bytes, Type::INT8),
            (&COMPACTION, Type::TEXT),
            (&value_bytes, Type::INT4),
        ];
        parameters.extend(own.iter().cloned());
        let answers = match session.rows(&self.text(), &parameters).await {
            Err(Failure::NoTable(_)) => Vec::new(),
            other => other?,
        };
        let foreign = |error: tokio_postgres::Error| {
            Failure::Unexpected(format!("the table is not kine's: {error}"))
        };
        let mut rows = Rows {
            rows: Vec::with_capacity(answers.len()),
            more: false,
            compacted: 0,
        };
        for answer in answers {
            let (listed, fit): (i64, i64) = (
                answer.try_get(1).map_err(foreign)?,
                answer.try_get(2).map_err(foreign)?,
            );
            rows.compacted = answer.try_get(0).map_err(foreign)?;
            rows.more = fit < listed || usize::try_from(listed) == Ok(BATCH_RECORDS);
            if let Some((row, sizes)) = row_of(&answer).map_err(foreign)? {
                sizes.check(&row)?;
                rows.rows.push(row);
            }
        }
        Ok(rows)
    }
}

/// Bytes that a row has in the table.
struct Sizes {
    name: i32,
    value: i32,
}

impl Sizes {
    /// Fails if a transfer does not read as much.
    fn check(&self, row: &Row) -> Result<(), Flaw> {
        let name = String::from_utf8_lossy(&row.name);
        let exceeds = |size: i32, most| usize::try_from(size).is_ok_and(|size| size > most);
        let cause = if exceeds(self.name, NAME_BYTES) {
            let size = self.name;
            format!(
                "the name that begins with {name} has {size} bytes, and a transfer reads at most {NAME_BYTES}; delete the key"
            )
        } else if exceeds(self.value, VALUE_BYTES) {
            let size = self.value;
            format!(
                "the value of {name} has {size} bytes, and a transfer reads at most {VALUE_BYTES}; delete the key or make \
                 its object smaller"
            )
        } else {
            return Ok(());
        };
        Err(Flaw::TooLarge(cause))
    }
}

/// A row and its sizes, without a value that is too large and with the start of such a name; `None` in the answer that stands for no row.
fn row_of(answer: &Answer) -> Result<Option<(Row, Sizes)>, tokio_postgres::Error> {
    let Some(id) = answer.try_get(3)? else {
        return Ok(None);
    };
    let name: String = answer.try_get(4)?;
    let value: Option<Vec<u8>> = answer.try_get(10)?;
    let row = Row {
        id,
        name: name.into_bytes(),
        created: answer.try_get(5)?,
        deleted: answer.try_get(6)?,
        create_revision: answer.try_get(7)?,
        lease: answer.try_get(8)?,
        value: value.unwrap_or_default(),
    };
    let sizes = Sizes {
        name: answer.try_get(11)?,
        value: answer.try_get(9)?,
    };
    Ok(Some((row, sizes)))
}
