//! Driver for PostgreSQL 13 and newer, with or without a superuser as administrator.
//!
//! A tenant has a role with a password, known by its name; and a database named like the schema, which that role owns
//! and into which nobody else may connect. The owner of both is recorded in a database of the operator ([`records`]).

mod access;
mod answer;
mod client;
#[cfg(test)]
mod fixture;
mod metered;
mod notes;
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
mod transfer;
mod work;

use std::sync::atomic::Ordering;

use async_trait::async_trait;

use crate::change::{Change, Step};
use crate::connection::Connection;
use crate::driver::{AccessControl, DataStore};
use crate::error::Error;
use crate::fence::{FenceId, require_read_only};
use crate::tenancy::{Access, Tenancy};
use crate::transfer::{Reader, Writer};

use client::Postgres;
use transfer::{Link, TableReader, TableWriter};

/// Checks the connection data of a PostgreSQL; nothing is dialled yet.
pub(crate) fn open(connection: &Connection) -> Result<impl DataStore + use<>, Error> {
    Postgres::open(connection)
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
        self.pool.servers.tenant(tenancy)?;
        let (session, observed) = self.observe(tenancy).await?;
        let unclaimed = self.pool.servers.decide(&observed, tenancy)?;
        let mut change = Change::default();
        if !unclaimed && observed.repairs(tenancy).is_empty() && self.is_served(tenancy).await? {
            return Ok(change);
        }
        self.lock(&session, tenancy).await?;
        let observed = self.claim(&session, tenancy, &mut change).await?;
        if tenancy.access == Access::ReadWrite {
            self.require_fence(&session, tenancy, None).await?;
        }
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
        let removed = self.destroy(&session, &observed, tenancy).await?;
        change.steps.extend(removed);
        let doing = || format!("deleting the owner record of schema {}", tenancy.schema);
        let forgotten = records::forget(&session, tenancy).await;
        if !forgotten.map_err(|failure| self.pool.servers.error(doing(), failure))? {
            return Err(self.overtaken(doing(), tenancy));
        }
        self.forget_password(tenancy);
        change.steps.push(Step::OwnerRemoved);
        self.unlock(&session).await?;
        Ok(change)
    }

    /// Counts as the tenant itself, which the administrator may let it do; see [`tenant`].
    async fn usage(&self, tenancy: &Tenancy) -> Result<u64, Error> {
        let doing = format!("counting rows of database {}", tenancy.schema);
        let login = self.reading_login(&doing, tenancy).await?;
        let servers = &self.pool.servers;
        let counted = tenant::count(servers, &login).await;
        counted.map_err(|failure| servers.error(doing, failure))
    }

    /// Measures as the tenant itself, like [`usage`](Self::usage).
    async fn bytes(&self, tenancy: &Tenancy) -> Result<u64, Error> {
        let doing = format!("reading the size of database {}", tenancy.schema);
        let login = self.reading_login(&doing, tenancy).await?;
        let servers = &self.pool.servers;
        let size = tenant::size(servers, &login).await;
        size.map_err(|failure| servers.error(doing, failure))
    }

    async fn version(&self) -> Result<String, Error> {
        self.server_version().await
    }

    async fn fence(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<i64, Error> {
        require_read_only(tenancy, |doing| self.pool.servers.site(doing))?;
        self.note_fence(tenancy, fence).await?;
        let mut link = Link::open(&self.pool, tenancy).await?;
        transfer::drain(&mut link).await?;
        self.ensure(tenancy).await?;
        transfer::last_write(&mut link).await
    }

    async fn lift(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<Change, Error> {
        self.forget_fence(tenancy, fence).await?;
        let tenancy = tenancy.with_access(Access::ReadWrite);
        self.ensure(&tenancy).await
    }

    async fn reader(&self, tenancy: &Tenancy) -> Result<Box<dyn Reader>, Error> {
        let link = Link::open(&self.pool, tenancy).await?;
        Ok(Box::new(TableReader::new(link)))
    }

    async fn writer(&self, tenancy: &Tenancy) -> Result<Box<dyn Writer>, Error> {
        let place = self.take_place(tenancy).await?;
        let link = Link::placed(&self.pool, tenancy, place).await?;
        Ok(Box::new(TableWriter::open(link).await?))
    }

    fn slow_hint(&self) -> &'static str {
        "is it overloaded, or does another session hold a lock?"
    }
}
