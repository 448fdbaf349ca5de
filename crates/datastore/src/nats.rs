//! Driver for NATS with JetStream, whose key-value buckets kine stores a tenant's objects in.
//!
//! A tenant has one bucket, named like its schema and configured as kine expects it ([`bucket`]). All users of the
//! DataStore's account reach all buckets, so that a JetStream account serves one tenant: the account and the bucket
//! are claimed by owner records in a bucket of the operator ([`records`]). For the same reason no user's rights are
//! changed to take a tenant's right to write: the stream of its bucket refuses messages ([`fence`]).

mod answer;
mod bucket;
mod claims;
mod client;
mod fence;
mod greeting;
mod observed;
mod records;
mod session;
mod transfer;

use async_trait::async_trait;

use crate::change::{Change, Item, Step};
use crate::connection::Connection;
use crate::driver::{AccessControl, DataStore};
use crate::error::Error;
use crate::fence::{FenceId, require_read_only};
use crate::tenancy::{Access, Tenancy};
use crate::transfer::{Reader, Writer};

use client::Nats;
use transfer::{BucketReader, BucketWriter, Link};

/// Prepares the client of a NATS server or cluster; nothing is dialled yet.
pub(crate) fn open(connection: &Connection) -> Result<impl DataStore + use<>, Error> {
    Nats::open(connection)
}

#[async_trait]
impl DataStore for Nats {
    async fn check(&self) -> Result<AccessControl, Error> {
        let access = self.require_access().await?;
        self.require_jetstream().await?;
        self.require_streams().await?;
        Ok(access)
    }

    async fn ensure(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        self.require_access().await?;
        self.repair(tenancy).await
    }

    /// Deletes the bucket first and the records last, the account's at the very end, so that the next call finds
    /// and removes what a crash left.
    async fn remove(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        let observed = self.observe(tenancy).await?;
        let mut change = Change::default();
        if observed.is_without_schema() {
            // The account may be another's, or what a crash left.
            if observed.is_account_recorded() {
                self.standings(tenancy, &observed)?;
            }
            change.steps.extend(self.forget(tenancy, &observed).await?);
            return Ok(change);
        }
        let (observed, claimed) = self.claim_observed(tenancy, observed).await?;
        change.steps.extend(claimed);
        if let Some(found) = &observed.bucket {
            self.delete_bucket(&tenancy.schema).await?;
            if found.state.subjects_count > 0 {
                change
                    .steps
                    .push(Step::DataRemoved(found.state.subjects_count));
            }
            let item = Item::new("bucket", tenancy.schema.as_str());
            change.steps.push(Step::Removed(item));
        }
        change.steps.extend(self.forget(tenancy, &observed).await?);
        Ok(change)
    }

    /// Counts the keys of the bucket, those included whose deletion kine has not compacted yet.
    async fn usage(&self, tenancy: &Tenancy) -> Result<u64, Error> {
        let found = self.read_bucket(&tenancy.schema).await?;
        Ok(found.map_or(0, |info| info.state.subjects_count))
    }

    async fn bytes(&self, tenancy: &Tenancy) -> Result<u64, Error> {
        let found = self.read_bucket(&tenancy.schema).await?;
        Ok(found.map_or(0, |info| info.state.bytes))
    }

    /// The version is in the server's greeting; the request is the one for the limits of JetStream.
    async fn version(&self) -> Result<String, Error> {
        self.require_jetstream().await?;
        self.server_version().await
    }

    /// Has the stream refuse every message of kine, on every connection, while reads and watches go on: the user is that
    /// of the operator and of kine, so that no right of it can be taken. kine publishes whatever it writes, deletions
    /// and compactions included, and reports a refused creation or change as failed, a refused deletion as a conflict.
    async fn fence(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<i64, Error> {
        require_read_only(tenancy, |doing| self.site(doing))?;
        self.claim(tenancy).await?;
        self.note_fence(tenancy, fence).await?;
        self.ensure(tenancy).await?;
        self.last_before_fence(tenancy).await
    }

    async fn lift(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<Change, Error> {
        let tenancy = tenancy.with_access(Access::ReadWrite);
        let (observed, _) = self.claim(&tenancy).await?;
        // As long as the fence is in force, none is under way.
        let link = match &observed.bucket {
            Some(found) => {
                let link = Link::open(self, &tenancy).await?;
                let is_written = !bucket::is_read_only(&found.config);
                Some((link.half_deleted(is_written).await?, link))
            }
            None => None,
        };
        self.forget_fence(&tenancy, fence).await?;
        let mut change = self.ensure(&tenancy).await?;
        if let Some((deletions, link)) = link
            && link.complete(deletions).await?
            && change.is_empty()
        {
            let item = Item::new("bucket", tenancy.schema.as_str());
            change.steps.push(Step::Corrected(item));
        }
        Ok(change)
    }

    async fn reader(&self, tenancy: &Tenancy) -> Result<Box<dyn Reader>, Error> {
        let link = Link::open(self, tenancy).await?;
        Ok(Box::new(BucketReader::new(link)))
    }

    async fn writer(&self, tenancy: &Tenancy) -> Result<Box<dyn Writer>, Error> {
        Ok(Box::new(BucketWriter::open(self, tenancy).await?))
    }

    fn slow_hint(&self) -> &'static str {
        "is it overloaded, or has its JetStream lost its quorum?"
    }
}
