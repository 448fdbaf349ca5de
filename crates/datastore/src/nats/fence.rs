//! Fence of a bucket: a note beside the owner record, and a configuration under which the server takes no message that
//! kine publishes.
//!
//! JetStream has no condition for a change of a stream's configuration. So whoever is about to give the right to write
//! reads the note after it has seen the bucket, whose configuration the fence changes later than the note, and once more
//! after it was given.

use super::bucket;
use super::client::Nats;
use super::observed::Observed;
use super::records::{FENCE, Stored, key_of};
use crate::change::{Change, Step};
use crate::error::Error;
use crate::fence::FenceId;
use crate::ownership::Standing;
use crate::tenancy::{Access, Tenancy};

/// Most attempts at a change of the note, each after another writer came first.
const ATTEMPTS: usize = 4;

impl Nats {
    /// Claims the tenancy and makes its bucket as its access demands. While a fence is noted, nothing is written that
    /// gives the right to write.
    pub(super) async fn repair(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        let observed = self.observe(tenancy).await?;
        if tenancy.access == Access::ReadWrite {
            self.standings(tenancy, &observed)?;
            self.pass(tenancy, None, observed.fenced_by())?;
        }
        let (observed, mut steps) = self.claim_observed(tenancy, observed).await?;
        steps.extend(self.mend(tenancy, &observed).await?);
        Ok(Change { steps })
    }

    /// Creates or corrects the bucket, if that is needed.
    async fn mend(&self, tenancy: &Tenancy, observed: &Observed) -> Result<Option<Step>, Error> {
        let found = observed.bucket.as_ref();
        let differs = |config: &_| bucket::differs(config, &tenancy.schema, tenancy.access);
        if found.is_some_and(|found| !differs(&found.config)) {
            return Ok(None);
        }
        let gives = tenancy.access == Access::ReadWrite;
        if gives {
            self.require_fence(tenancy, None).await?;
        }
        let step = match found {
            None => self.create_bucket(tenancy).await?,
            Some(_) => self.correct_bucket(tenancy).await?,
        };
        if gives && let Err(fenced) = self.require_fence(tenancy, None).await {
            self.correct_bucket(&tenancy.with_access(Access::ReadOnly))
                .await?;
            return Err(fenced);
        }
        Ok(Some(step))
    }

    /// Notes the fence of a schema that is the tenant's. An error if another one is noted.
    ///
    /// The note is written only if no record has changed since the owner was read, so that a call which comes late leaves
    /// none at the bucket of the next tenant.
    pub(super) async fn note_fence(&self, tenancy: &Tenancy, fence: &FenceId) -> Result<(), Error> {
        let key = key_of(FENCE, &tenancy.schema);
        for _ in 0..ATTEMPTS {
            let last = self.last_record().await?;
            let observed = self.observe(tenancy).await?;
            if self.standings(tenancy, &observed)? != [Standing::Own, Standing::Own] {
                break;
            }
            self.require_one_replica(tenancy, &observed)?;
            if observed.fenced_by().is_some() {
                return self.pass(tenancy, Some(fence), observed.fenced_by());
            }
            let note = fence.as_str().as_bytes();
            if self.write_after(last, &key, note).await? {
                return Ok(());
            }
        }
        Err(self.overtaken("noting the fence", tenancy))
    }

    /// Deletes the note of a fence. An error if another one is noted.
    pub(super) async fn forget_fence(
        &self,
        tenancy: &Tenancy,
        fence: &FenceId,
    ) -> Result<(), Error> {
        let key = key_of(FENCE, &tenancy.schema);
        for _ in 0..ATTEMPTS {
            let Some(noted) = self.read(&key).await? else {
                return Ok(());
            };
            if noted.record().is_none() {
                // What a call left that ended between the mark and its purge.
                return self.purge_mark(&key, &noted).await;
            }
            self.pass(tenancy, Some(fence), noted.record())?;
            if self.delete(&key, &noted).await? {
                return Ok(());
            }
        }
        Err(self.overtaken("lifting the fence", tenancy))
    }

    /// Number of the last message of a bucket that takes none any more.
    ///
    /// nats-server reads the limit, and gives a message its number, under the lock of the stream, which a change of the
    /// configuration holds as well (`processJetStreamMsg` and `updateWithAdvisory`). A bucket of one replica has no log of
    /// proposals, so that a message was stored before the change, or is refused; those that the server has received and
    /// not processed yet are refused, too.
    pub(super) async fn last_before_fence(&self, tenancy: &Tenancy) -> Result<i64, Error> {
        let site = || self.site(format!("reading the fence of schema {}", tenancy.schema));
        let found = self.read_bucket(&tenancy.schema).await?;
        let fenced =
            found.filter(|info| !bucket::differs(&info.config, &tenancy.schema, Access::ReadOnly));
        let Some(info) = fenced else {
            return Err(Error::Protocol {
                site: site(),
                cause: "somebody changed the configuration of its bucket meanwhile".to_owned(),
            });
        };
        Ok(i64::try_from(info.state.last_sequence).unwrap_or(i64::MAX))
    }

    /// Fails unless `fence` is noted, or none is and `fence` is none.
    async fn require_fence(&self, tenancy: &Tenancy, fence: Option<&FenceId>) -> Result<(), Error> {
        let noted = self.read(&key_of(FENCE, &tenancy.schema)).await?;
        self.pass(tenancy, fence, noted.as_ref().and_then(Stored::record))
    }

    fn pass(
        &self,
        tenancy: &Tenancy,
        fence: Option<&FenceId>,
        noted: Option<&[u8]>,
    ) -> Result<(), Error> {
        let doing = format!("reading the fence of schema {}", tenancy.schema);
        FenceId::require(fence, noted, || self.site(doing))
    }

    /// Fails for a bucket of several replicas, where messages that were proposed before a change of the configuration are
    /// stored after it.
    fn require_one_replica(&self, tenancy: &Tenancy, observed: &Observed) -> Result<(), Error> {
        let found = observed.bucket.as_ref();
        let replicas = found.map_or(1, |info| info.config.num_replicas);
        if replicas == 1 {
            return Ok(());
        }
        Err(Error::Unsuitable {
            site: self.site(format!("fencing schema {}", tenancy.schema)),
            cause: format!(
                "its bucket has {replicas} replicas, of which some may store messages that another has refused"
            ),
            remedy: "let it have one replica, with which kine starts; the next pass corrects it",
        })
    }
}
