//! Driver for etcd with access control and client certificates.
//!
//! A tenant has a user without password, known by the common name of its certificate; a role named
//! like the schema; one permission, to read and write the keys under `/<schema>/`; and nothing
//! else. The owner of user and schema is recorded in keys of the operator ([`owners`]).

mod answer;
mod claims;
mod client;
mod deletion;
mod diagnosis;
mod fence;
mod frozen;
mod material;
mod members;
mod observed;
mod owners;
mod paging;
mod plan;
mod size;
mod state;
mod transfer;

use std::sync::atomic::Ordering;

use crate::change::{Change, Step};
use crate::connection::Connection;
use crate::driver::{AccessControl, DataStore};
use crate::error::Error;
use crate::fence::{FenceId, require_read_only};
use crate::part::Part;
use crate::tenancy::{Access, Tenancy};
use crate::transfer::{Reader, Writer};
use async_trait::async_trait;

use answer::ENABLE_AUTH;
use client::Etcd;
use observed::Range;
use plan::ADMINISTRATOR;
use transfer::{EtcdReader, EtcdWriter};

/// Prepares the clients of an etcd cluster; nothing is dialled yet.
pub(crate) async fn open(connection: &Connection) -> Result<impl DataStore + use<>, Error> {
    Etcd::open(connection).await
}

#[async_trait]
impl DataStore for Etcd {
    async fn check(&self) -> Result<AccessControl, Error> {
        self.auth_seen.store(false, Ordering::Relaxed);
        let access = self.require_auth().await?;
        if access == AccessControl::On {
            // Only administrators may read this role.
            self.read_role(ADMINISTRATOR).await?;
        } else {
            self.members
                .call("reading a key", |mut client| async move {
                    client.get(owners::key("schema", ""), None).await
                })
                .await?;
        }
        self.require_sound().await?;
        Ok(access)
    }

    async fn ensure(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        self.require_auth().await?;
        self.repair(tenancy).await
    }

    /// Deletes the role first, which ends all access to the keys, then keys and user, and the owner
    /// records last, so that the next call finds and removes what a crash left.
    async fn remove(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        let observed = self.observe(tenancy).await?;
        let mut change = Change::default();
        if observed.is_empty() {
            return Ok(change);
        }
        let (observed, claimed) = self.claim_observed(tenancy, observed).await?;
        change.steps.extend(claimed);
        if tenancy.part.is_some() {
            return self.remove_part(tenancy, change).await;
        }
        if observed.role.is_some() {
            change.steps.push(self.delete_role(&tenancy.schema).await?);
        }
        match self.delete_keys(tenancy, &[]).await? {
            0 => {}
            count => change.steps.push(Step::DataRemoved(count)),
        }
        if observed.user.is_some() {
            change.steps.push(self.delete_user(&tenancy.user).await?);
        }
        change.steps.push(self.forget(tenancy).await?);
        Ok(change)
    }

    async fn usage(&self, tenancy: &Tenancy) -> Result<u64, Error> {
        let mut count = 0;
        for range in Range::all_of(tenancy) {
            count += self.count(&range).await?;
        }
        Ok(count)
    }

    async fn bytes(&self, tenancy: &Tenancy) -> Result<u64, Error> {
        self.read_size(&Range::of(&tenancy.schema)).await
    }

    async fn version(&self) -> Result<String, Error> {
        let status = self
            .members
            .call("reading the version", |mut client| async move {
                client.status().await
            })
            .await?;
        Ok(format!("etcd {}", status.version()))
    }

    /// Takes the permission to write from the role. etcd checks permissions in the order in which it carries requests
    /// out, by the user's name and not by the connection or token, and refuses what was proposed before the change. So
    /// every write behind the change is refused on every connection, and a read behind it gives the revision. Nor can
    /// the tenant revoke a lease that has keys, and as of etcd 3.7 renew it.
    async fn fence(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<i64, Error> {
        if let Some(part) = &tenancy.part {
            return self.fence_part(tenancy, part, fence).await;
        }
        require_read_only(tenancy, |doing| self.members.site(doing))?;
        self.require_rights(tenancy).await?;
        self.claim(tenancy).await?;
        self.note_fence(tenancy, fence).await?;
        self.ensure(tenancy).await?;
        let mut reader = EtcdReader::open(self, tenancy).await?;
        reader.revision().await
    }

    async fn lift(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<Change, Error> {
        let tenancy = tenancy.with_access(Access::ReadWrite);
        self.claim(&tenancy).await?;
        match &tenancy.part {
            Some(part) => self.thaw_part(&tenancy, part, Some(fence)).await?,
            None => self.forget_fence(&tenancy, fence).await?,
        }
        self.ensure(&tenancy).await
    }

    async fn thaw(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        self.claim(tenancy).await?;
        if let Some(part) = &tenancy.part {
            self.thaw_part(tenancy, part, None).await?;
        }
        self.ensure(tenancy).await
    }

    async fn reader(&self, tenancy: &Tenancy) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(EtcdReader::open(self, tenancy).await?))
    }

    async fn writer(&self, tenancy: &Tenancy) -> Result<Box<dyn Writer>, Error> {
        Ok(Box::new(EtcdWriter::open(self, tenancy).await?))
    }

    fn slow_hint(&self) -> &'static str {
        "is it overloaded, or has it lost its quorum?"
    }
}

impl Etcd {
    /// Fails unless access control is on: there is no right to take without it.
    async fn require_rights(&self, tenancy: &Tenancy) -> Result<(), Error> {
        if self.require_auth().await? == AccessControl::On {
            return Ok(());
        }
        Err(Error::Unsuitable {
            site: self
                .members
                .site(format!("fencing schema {}", tenancy.schema)),
            cause: "its access control is off, so that a tenant's right to write cannot be taken"
                .to_owned(),
            remedy: ENABLE_AUTH,
        })
    }

    /// Takes the right to write `part` from the role, which keeps it for the rest, as [`DataStore::fence`] does with the
    /// whole.
    async fn fence_part(
        &self,
        tenancy: &Tenancy,
        part: &Part,
        fence: &FenceId,
    ) -> Result<i64, Error> {
        self.require_rights(tenancy).await?;
        self.claim(tenancy).await?;
        self.freeze(tenancy, part, fence).await?;
        self.ensure(tenancy).await?;
        let mut reader = EtcdReader::open(self, tenancy).await?;
        reader.revision().await
    }

    /// Deletes the keys of a part, and ends a transfer to it. Role, user and records stay: the tenant goes on using the
    /// rest.
    async fn remove_part(&self, tenancy: &Tenancy, mut change: Change) -> Result<Change, Error> {
        self.end_transfer(tenancy).await?;
        match self.delete_keys(tenancy, &[]).await? {
            0 => {}
            count => change.steps.push(Step::DataRemoved(count)),
        }
        Ok(change)
    }
}
