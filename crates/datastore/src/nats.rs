//! Driver for NATS with JetStream, whose key-value buckets kine stores a tenant's objects in.
//!
//! A tenant has one bucket, named like its schema and configured as kine expects it ([`bucket`]). All users of the
//! DataStore's account reach all buckets, so that a JetStream account serves one tenant: the account and the bucket
//! are claimed by owner records in a bucket of the operator ([`records`]). For the same reason nobody can take a tenant's
//! right to write: its data is read and written as a whole ([`transfer`]), and whoever moves it away stops what writes.

mod answer;
mod bucket;
mod claims;
mod client;
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
use crate::fence::FenceId;
use crate::tenancy::Tenancy;
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
        let (observed, claimed) = self.claim(tenancy).await?;
        let mut change = Change { steps: claimed };
        match &observed.bucket {
            None => change.steps.push(self.create_bucket(tenancy).await?),
            Some(found) if bucket::differs(&found.config, &tenancy.schema) => {
                change.steps.push(self.correct_bucket(tenancy).await?);
            }
            Some(_) => {}
        }
        Ok(change)
    }

    /// Deletes the bucket first and the records last, the account's at the very end, so that the next call finds
    /// and removes what a crash left.
    async fn remove(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        let observed = self.observe(tenancy).await?;
        let mut change = Change::default();
        if observed.is_empty() {
            self.sweep(tenancy, &observed).await?;
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
        change.steps.push(self.forget(tenancy, &observed).await?);
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

    /// NATS has one user for all of the account, the operator included, so that nobody's right to write can be taken.
    async fn fence(&self, _: &Tenancy, _: &FenceId) -> Result<Option<i64>, Error> {
        Ok(None)
    }

    async fn lift(&self, tenancy: &Tenancy, _: &FenceId) -> Result<Change, Error> {
        self.ensure(tenancy).await
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
