//! Client of one PostgreSQL: its sessions and locks, and the state of a tenant in it.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};

use super::answer::Failure;
use super::observed::Observed;
use super::pool::{Lease, Pool};
use super::records::{self, MAINTENANCE};
use super::servers::Servers;
use crate::connection::Connection;
use crate::error::Error;
use crate::lock::lock;
use crate::tenancy::{Secret, Tenancy};

/// A PostgreSQL, reached as its administrator.
pub(crate) struct Postgres {
    pub(super) pool: Arc<Pool>,
    /// True once this connection has seen that the server checks passwords.
    pub(super) passwords_seen: AtomicBool,
    /// True if an administrator accepts that it does not.
    pub(super) accepts_open: bool,
    /// Passwords that this driver has set, by user.
    passwords: Mutex<HashMap<String, Secret>>,
    /// Held while the operator's database is prepared.
    preparing: tokio::sync::Mutex<()>,
}

impl Postgres {
    /// Checks the connection data; nothing is dialled yet.
    pub(super) fn open(connection: &Connection) -> Result<Self, Error> {
        Ok(Self {
            pool: Pool::new(Servers::prepare(connection)?),
            passwords_seen: AtomicBool::new(false),
            accepts_open: connection.without_access_control,
            passwords: Mutex::default(),
            preparing: tokio::sync::Mutex::default(),
        })
    }

    /// Reads a tenant's state; the operator's database is created where it is missing.
    pub(super) async fn observe(&self, tenancy: &Tenancy) -> Result<(Lease, Observed), Error> {
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
    pub(super) async fn anything_of(&self, tenancy: &Tenancy) -> Result<Option<Lease>, Error> {
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
                self.pool.servers.decide(&observed, tenancy)?;
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
        self.pool.servers.decide(&observed, tenancy)?;
        self.observe(tenancy)
            .await
            .map(|(session, _)| Some(session))
    }

    pub(super) async fn lock(&self, session: &Lease, tenancy: &Tenancy) -> Result<(), Error> {
        let locked = records::lock(session, tenancy).await;
        locked.map_err(|failure| {
            let doing = format!(
                "locking schema {} and user {}",
                tenancy.schema, tenancy.user
            );
            self.pool.servers.error(doing, failure)
        })
    }

    pub(super) async fn unlock(&self, session: &Lease) -> Result<(), Error> {
        let unlocked = records::unlock(session).await;
        unlocked.map_err(|failure| self.pool.servers.error("unlocking", failure))
    }

    pub(super) fn passwords(&self) -> MutexGuard<'_, HashMap<String, Secret>> {
        lock(&self.passwords)
    }
}
