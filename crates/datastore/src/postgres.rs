//! Driver for PostgreSQL 13 and newer, with or without a superuser as administrator.
//!
//! A tenant has a role with a password, known by its name; and a database named like the schema, which that role owns
//! and into which nobody else may connect. The owner of both is recorded in a database of the operator ([`records`]).

mod access;
mod answer;
mod observed;
mod owners;
mod plan;
mod pool;
mod probe;
mod records;
mod servers;
mod session;
mod sql;
mod tenant;
mod work;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::change::{Change, Step};
use crate::connection::Connection;
use crate::driver::{AccessControl, DataStore};
use crate::error::Error;
use crate::tenancy::{Secret, Tenancy};

use answer::Failure;
use observed::Observed;
use pool::{Lease, Pool};
use records::MAINTENANCE;
use servers::Servers;

/// A PostgreSQL, reached as its administrator.
struct Postgres {
    pool: Arc<Pool>,
    /// True once this connection has seen that the server checks passwords.
    passwords_seen: AtomicBool,
    /// True if an administrator accepts that it does not.
    accepts_open: bool,
    /// Passwords that this driver has set, by user.
    passwords: Mutex<HashMap<String, Secret>>,
    /// Held while the operator's database is prepared.
    preparing: tokio::sync::Mutex<()>,
}

/// Checks the connection data of a PostgreSQL; nothing is dialled yet.
pub(crate) fn open(connection: &Connection) -> Result<impl DataStore + use<>, Error> {
    Ok(Postgres {
        pool: Pool::new(Servers::prepare(connection)?),
        passwords_seen: AtomicBool::new(false),
        accepts_open: connection.without_access_control,
        passwords: Mutex::default(),
        preparing: tokio::sync::Mutex::default(),
    })
}

#[async_trait]
impl DataStore for Postgres {
    async fn check(&self) -> Result<AccessControl, Error> {
        self.passwords_seen.store(false, Ordering::Relaxed);
        self.require_powers().await?;
        self.require_passwords().await
    }

    async fn ensure(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        self.require_passwords().await?;
        self.tenant(tenancy)?;
        let (session, observed) = self.observe(tenancy).await?;
        let unclaimed = self.decide(&observed, tenancy)?;
        let mut change = Change::default();
        if !unclaimed && observed.repairs(tenancy).is_empty() && self.is_served(tenancy).await? {
            return Ok(change);
        }
        self.lock(&session, tenancy).await?;
        let observed = self.claim(&session, tenancy, &mut change).await?;
        for write in observed.repairs(tenancy) {
            change
                .steps
                .extend(self.write(&session, write, tenancy).await?);
        }
        self.serve(&session, tenancy, &mut change).await?;
        self.unlock(&session).await?;
        Ok(change)
    }

    /// Ends log-ins and sessions first, then deletes the database, the role, and the owner records last, so that the
    /// next call finds and removes what a crash left.
    async fn remove(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        let mut change = Change::default();
        let Some(session) = self.anything_of(tenancy).await? else {
            return Ok(change);
        };
        self.lock(&session, tenancy).await?;
        let observed = self.claim(&session, tenancy, &mut change).await?;
        self.destroy(&session, (&observed, tenancy), &mut change)
            .await?;
        let doing = || format!("deleting the owner record of schema {}", tenancy.schema);
        let forgotten = records::forget(&session, tenancy).await;
        if !forgotten.map_err(|failure| self.pool.servers.error(doing(), failure))? {
            return Err(self.overtaken(doing(), tenancy));
        }
        change.steps.push(Step::OwnerRemoved);
        self.unlock(&session).await?;
        Ok(change)
    }

    /// Counts as the tenant itself, which the administrator may let it do; see [`tenant`].
    async fn usage(&self, tenancy: &Tenancy) -> Result<u64, Error> {
        let servers = &self.pool.servers;
        let doing = || format!("counting rows of database {}", tenancy.schema);
        let error = |failure| servers.error(doing(), failure);
        let own = servers.administrator_in(tenancy.schema.as_str());
        let login = if own.user == tenancy.user.as_str() {
            session::Login {
                writes: false,
                ..own
            }
        } else {
            // Only an administrator gets as far as the operator's database.
            self.pool.lease().await.map_err(error)?;
            self.tenant(tenancy)?
        };
        tenant::count(servers, &login).await.map_err(error)
    }

    fn slow_hint(&self) -> &'static str {
        "is it overloaded, or does another session hold a lock?"
    }
}

impl Postgres {
    /// Reads a tenant's state; the operator's database is created where it is missing.
    async fn observe(&self, tenancy: &Tenancy) -> Result<(Lease, Observed), Error> {
        let doing = || {
            format!(
                "reading schema {} and user {}",
                tenancy.schema, tenancy.user
            )
        };
        let error = |failure| self.pool.servers.error(doing(), failure);
        if let Some(found) = self.try_observe(tenancy).await.map_err(error)? {
            return Ok(found);
        }
        let preparing = self.preparing.lock().await;
        if let Some(found) = self.try_observe(tenancy).await.map_err(error)? {
            return Ok(found);
        }
        let session = records::prepare(&self.pool).await.map_err(|failure| {
            let doing = "creating the operator's database kamaji_clastix_io";
            self.pool.servers.error(doing, failure)
        })?;
        drop(preparing);
        let observed = Observed::read(&session, tenancy).await.map_err(error)?;
        Ok((session, observed))
    }

    /// Reads a tenant's state; `None` without the operator's database.
    async fn try_observe(&self, tenancy: &Tenancy) -> Result<Option<(Lease, Observed)>, Failure> {
        let session = match self.pool.lease().await {
            Err(Failure::NoDatabase(_)) => return Ok(None),
            other => other?,
        };
        match Observed::read(&session, tenancy).await {
            Ok(observed) => Ok(Some((session, observed))),
            Err(Failure::NoTable(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// A session for the removal of a tenancy; `None` if the server has nothing of it, and then nothing is created.
    async fn anything_of(&self, tenancy: &Tenancy) -> Result<Option<Lease>, Error> {
        let doing = || {
            format!(
                "reading schema {} and user {}",
                tenancy.schema, tenancy.user
            )
        };
        let error = |failure| self.pool.servers.error(doing(), failure);
        let found = self.try_observe(tenancy).await.map_err(error)?;
        let observed = if let Some((session, observed)) = found {
            if !observed.is_empty() {
                self.decide(&observed, tenancy)?;
                return Ok(Some(session));
            }
            observed
        } else {
            let servers = &self.pool.servers;
            let login = servers.administrator_in(MAINTENANCE);
            let session = servers.direct(&login).await.map_err(error)?;
            let observed = Observed::read_without_records(&session, tenancy).await;
            observed.map_err(error)?
        };
        if observed.is_empty() {
            return Ok(None);
        }
        self.decide(&observed, tenancy)?;
        self.observe(tenancy)
            .await
            .map(|(session, _)| Some(session))
    }

    async fn lock(&self, session: &Lease, tenancy: &Tenancy) -> Result<(), Error> {
        let locked = records::lock(session, tenancy).await;
        locked.map_err(|failure| {
            let doing = format!(
                "locking schema {} and user {}",
                tenancy.schema, tenancy.user
            );
            self.pool.servers.error(doing, failure)
        })
    }

    async fn unlock(&self, session: &Lease) -> Result<(), Error> {
        let unlocked = records::unlock(session).await;
        unlocked.map_err(|failure| self.pool.servers.error("unlocking", failure))
    }

    fn passwords(&self) -> MutexGuard<'_, HashMap<String, Secret>> {
        self.passwords
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
