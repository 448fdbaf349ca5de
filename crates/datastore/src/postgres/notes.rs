//! Notes beside the owner record of a schema, in the operator's database: the place of the writer, and the fence. Both
//! are taken with sessions that were open, so that a process which stood still has none left by which it could write.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::types::Type;

use super::answer::Failure;
use super::client::Postgres;
use super::observed::Observed;
use super::pool::Lease;
use super::session::Session;
use crate::error::{Error, Site};
use crate::fence::FenceId;
use crate::ownership::Denial;
use crate::tenancy::Tenancy;
use crate::transfer::place;

/// Time within which sessions that were ended have to be gone.
const ENDING: Duration = Duration::from_secs(5);
/// Time between two readings of the sessions.
const POLL: Duration = Duration::from_millis(20);
const TAKE_PLACE: &str = "INSERT INTO public.owners (kind, name, record) VALUES ('writer', $1, $2)
    ON CONFLICT (kind, name) DO UPDATE SET record = excluded.record";
const PLACE: &str = "SELECT record FROM public.owners WHERE kind = 'writer' AND name = $1";
const NOTE_FENCE: &str = "INSERT INTO public.owners (kind, name, record) VALUES ('fence', $1, $2) ON CONFLICT DO NOTHING";
const FENCE: &str = "SELECT record FROM public.owners WHERE kind = 'fence' AND name = $1";
const LIFT_FENCE: &str =
    "DELETE FROM public.owners WHERE kind = 'fence' AND name = $1 AND record = $2";
/// Ends the sessions of a role, or of the administrator's own in a tenant's database.
const END_TENANTS: &str =
    "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
const END_OWN: &str = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = $1 AND usename = current_user AND pid <> pg_backend_pid()";
const LEFT: &str = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1)
    AND backend_type = 'client backend'";

impl Postgres {
    /// Takes the place of the writer at a database that is recorded as the tenant's; returns the place.
    pub(super) async fn take_place(&self, tenancy: &Tenancy) -> Result<String, Error> {
        let (schema, user) = (tenancy.schema.as_str(), tenancy.user.as_str());
        let doing = format!("taking the writer's place at schema {schema}");
        let error = |failure| self.pool.servers.error(doing.as_str(), failure);
        let lease = self.lock_own(tenancy, &doing).await?;
        let place = place::draw();
        let row = [(&schema as _, Type::TEXT), (&place as _, Type::TEXT)];
        lease.execute(TAKE_PLACE, &row).await.map_err(error)?;
        end_sessions(&lease, END_TENANTS, user)
            .await
            .map_err(error)?;
        self.unlock(&lease).await?;
        Ok(place)
    }

    /// Notes the fence of a database that is recorded as the tenant's. An error if another one is noted.
    pub(super) async fn note_fence(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<(), Error> {
        let (schema, id) = (tenancy.schema.as_str(), fence.as_str());
        let doing = format!("noting the fence of schema {schema}");
        let error = |failure| self.pool.servers.error(doing.as_str(), failure);
        let lease = self.lock_own(tenancy, &doing).await?;
        let row = [(&schema as _, Type::TEXT), (&id as _, Type::TEXT)];
        lease.execute(NOTE_FENCE, &row).await.map_err(error)?;
        self.require_fence(&lease, tenancy, Some(fence)).await?;
        // A process that stands still may have a session by which it was about to permit writes.
        end_sessions(&lease, END_OWN, schema).await.map_err(error)?;
        self.unlock(&lease).await
    }

    /// Deletes the note of a fence. An error if another one is noted.
    pub(super) async fn forget_fence(
        &self,
        tenancy: &Tenancy,
        fence: &FenceId,
    ) -> Result<(), Error> {
        let (schema, id) = (tenancy.schema.as_str(), fence.as_str());
        let doing = format!("lifting the fence of schema {schema}");
        let error = |failure| self.pool.servers.error(doing.as_str(), failure);
        let lease = self.lock_own(tenancy, &doing).await?;
        let row = [(&schema as _, Type::TEXT), (&id as _, Type::TEXT)];
        lease.execute(LIFT_FENCE, &row).await.map_err(error)?;
        self.require_fence(&lease, tenancy, None).await?;
        // A call that was given up may have left a session that waits to take the right to write.
        end_sessions(&lease, END_OWN, schema).await.map_err(error)?;
        self.unlock(&lease).await
    }

    /// Fails if a fence other than `fence` is noted, or any without one.
    pub(super) async fn require_fence(
        &self,
        session: &Session,
        tenancy: &Tenancy,
        fence: Option<&FenceId>,
    ) -> Result<(), Error> {
        let doing = format!("reading the fence of schema {}", tenancy.schema);
        let noted = noted(session, FENCE, tenancy).await;
        let noted = noted.map_err(|failure| self.pool.servers.error(doing.as_str(), failure))?;
        let site = || self.pool.servers.site(doing.as_str());
        FenceId::require(fence, noted.as_deref().map(str::as_bytes), site)
    }

    /// A session that holds the locks of a tenancy whose names are recorded as the tenant's.
    async fn lock_own(&self, tenancy: &Tenancy, doing: &str) -> Result<Lease, Error> {
        let error = |failure| self.pool.servers.error(doing, failure);
        let lease = self.pool.lease().await.map_err(error)?;
        self.lock(&lease, tenancy).await?;
        let observed = Observed::read(&lease, tenancy).await.map_err(error)?;
        if self.pool.servers.decide(&observed, tenancy)? {
            let site = self.pool.servers.site(doing);
            return Err(unrecorded(site, tenancy.schema.as_str()));
        }
        Ok(lease)
    }
}

/// Place of the writer at a schema, as it is noted.
pub(super) async fn place_of(
    session: &Session,
    tenancy: &Tenancy,
) -> Result<Option<String>, Failure> {
    noted(session, PLACE, tenancy).await
}

/// Error of a transfer of a database of which no owner is recorded.
pub(super) fn unrecorded(site: Site, schema: &str) -> Error {
    let reason = "no owner record says so; it is recorded when the tenant is ensured";
    Denial::Foreign(reason.to_owned()).into_error(site, "schema", schema)
}

async fn noted(
    session: &Session,
    query: &str,
    tenancy: &Tenancy,
) -> Result<Option<String>, Failure> {
    let schema = tenancy.schema.as_str();
    let rows = session.rows(query, &[(&schema as _, Type::TEXT)]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Ends the sessions that `query` ends by a name, and waits until they are gone.
async fn end_sessions(session: &Session, query: &str, name: &str) -> Result<(), Failure> {
    let ended = session.rows(query, &[(&name as _, Type::TEXT)]).await?;
    let ended: Vec<i32> = ended.iter().map(|row| row.get(0)).collect();
    let since = Instant::now();
    loop {
        let rows = session
            .rows(LEFT, &[(&ended as _, Type::INT4_ARRAY)])
            .await?;
        let left: i64 = rows.first().map_or(0, |row| row.get(0));
        if left == 0 {
            return Ok(());
        }
        if since.elapsed() >= ENDING {
            return Err(Failure::Unavailable(format!(
                "{left} sessions did not end within {} s",
                ENDING.as_secs()
            )));
        }
        sleep(POLL).await;
    }
}
