//! The operator's database with the owner records, and the locks that serialise work on a tenancy's names.
//!
//! No tenant may connect to it, so none can hold such a lock or read a record.

use std::sync::atomic::Ordering;

use kamaji_api::owner::DATABASE;
use tokio_postgres::types::Type;

use super::answer::Failure;
use super::observed::Observed;
use super::pool::{Lease, Pool};
use super::session::Session;
use super::sql::{Ident, Statement};
use crate::tenancy::Tenancy;

/// Database that is there on every server; used as long as the operator's is not.
pub(super) const MAINTENANCE: &str = "postgres";
const NAMES: &str = "SELECT pg_advisory_lock(key) FROM (
        SELECT DISTINCT hashtextextended(name, 0) AS key FROM unnest($1::text[]) AS name ORDER BY 1
    ) AS names";
const STATE: &str = "SELECT datallowconn, EXISTS (
        SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) AS a WHERE a.grantee = 0
    ) FROM pg_database WHERE datname = $1";
/// A record is inserted, or replaced if it still is as it was read ($4 of the schema, $5 of the user).
const CLAIM: &str = "INSERT INTO public.owners AS old (kind, name, record)
    VALUES ('schema', $1, $3), ('user', $2, $3)
    ON CONFLICT (kind, name) DO UPDATE SET record = excluded.record
    WHERE old.record = CASE old.kind WHEN 'schema' THEN $4 ELSE $5 END";
const FORGET_NOTES: &str =
    "DELETE FROM public.owners WHERE kind IN ('writer', 'fence') AND name = $1";
const FORGET: &str = "DELETE FROM public.owners
    WHERE record = $3 AND ((kind = 'schema' AND name = $1) OR (kind = 'user' AND name = $2))";

/// Makes the operator's database, its table and their protection as they have to be.
pub(super) async fn prepare(pool: &std::sync::Arc<Pool>) -> Result<Lease, Failure> {
    let login = pool.servers.administrator_in(MAINTENANCE);
    let session = pool.servers.direct(&login).await?;
    let database = Ident::known(DATABASE);
    let state = [(&DATABASE as _, Type::TEXT)];
    if session.rows(STATE, &state).await?.is_empty() {
        unless_exists(
            session
                .run_slow(&Statement::create_database(database))
                .await,
        )?;
    }
    for row in session.rows(STATE, &state).await? {
        if row.get(1) {
            session.run(&Statement::close_database(database)).await?;
        }
        let open: bool = row.get(0);
        if !open {
            session.run(&Statement::open_database(database)).await?;
        }
    }
    drop(session);
    let lease = pool.lease().await?;
    unless_exists(lease.run(&Statement::create_records()).await)?;
    Ok(lease)
}

/// Success also where another operator was first.
fn unless_exists(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(Failure::Exists(_)) => Ok(()),
        other => other,
    }
}

/// Keeps every other operation away from the names of a tenancy until [`unlock`], or the end of the session.
pub(super) async fn lock(session: &Session, tenancy: &Tenancy) -> Result<(), Failure> {
    session.locked.store(true, Ordering::Relaxed);
    let names = [
        format!("schema {}", tenancy.schema),
        format!("user {}", tenancy.user),
    ];
    let names = names.as_slice();
    match session
        .rows(NAMES, &[(&names as _, Type::TEXT_ARRAY)])
        .await
    {
        Err(Failure::Unavailable(cause)) => Err(Failure::Unavailable(format!(
            "another operation on these names is under way: {cause}"
        ))),
        other => other.map(drop),
    }
}

/// Ends [`lock`]; after it the session can be used again.
pub(super) async fn unlock(session: &Session) -> Result<(), Failure> {
    session.rows("SELECT pg_advisory_unlock_all()", &[]).await?;
    session.locked.store(false, Ordering::Relaxed);
    Ok(())
}

/// Records the tenant as owner of both names; false if a record changed since it was observed.
pub(super) async fn claim(
    session: &Session,
    tenancy: &Tenancy,
    observed: &Observed,
) -> Result<bool, Failure> {
    let record = text_of_record(tenancy);
    let (schema, user) = (tenancy.schema.as_str(), tenancy.user.as_str());
    let written = session
        .execute(
            CLAIM,
            &[
                (&schema as _, Type::TEXT),
                (&user as _, Type::TEXT),
                (&record as _, Type::TEXT),
                (&observed.schema_record as _, Type::TEXT),
                (&observed.user_record as _, Type::TEXT),
            ],
        )
        .await?;
    Ok(written == 2)
}

/// Deletes both records, if they are the tenant's as this build writes them, and before them the notes of the schema;
/// returns whether they were.
pub(super) async fn forget(session: &Session, tenancy: &Tenancy) -> Result<bool, Failure> {
    let record = text_of_record(tenancy);
    let (schema, user) = (tenancy.schema.as_str(), tenancy.user.as_str());
    session
        .execute(FORGET_NOTES, &[(&schema as _, Type::TEXT)])
        .await?;
    let parameters = [
        (&schema as _, Type::TEXT),
        (&user as _, Type::TEXT),
        (&record as _, Type::TEXT),
    ];
    Ok(session.execute(FORGET, &parameters).await? == 2)
}

/// The owner record as the table has it.
pub(super) fn text_of_record(tenancy: &Tenancy) -> String {
    String::from_utf8_lossy(&tenancy.owner.record()).into_owned()
}
