//! The target of an attempt: claimed for the tenant, cleared of what it left there, and recorded as the copy's own.

use kamaji_api::{labels, tenant::StorageStatus};
use kamaji_core::migration::{Options, record};

use super::{Attempt, Stop};
use crate::{
    databases::Removal,
    failure::Failure,
    migrations::{
        outcome::failed,
        records::{asks_for, current, storage_of, with},
        update::{Until, update},
    },
    observe,
};

impl Attempt<'_> {
    /// Holds both DataStores, claims the tenant's names at the target in this process, and records that they may be
    /// claimed there from now on: an abort removes what is there without keys, whichever process made it.
    pub(super) async fn claim(&mut self) -> Result<(), Stop> {
        let (context, key) = (self.context, self.key);
        let mut names = observe::store_names(context, &self.object);
        names.push(self.record.target.clone());
        context.stores.hold(key, names).map_err(failed)?;
        let (store, binding) = (&self.ends.target.store, &self.ends.target.binding);
        if let Some(other) = context.databases.claim(key, store, binding) {
            let taken = Failure::shared(store, binding, &other);
            return Err(Stop::Failed(taken.message));
        }
        if !context.writer.is_leading() {
            return Err(Stop::Failed("this replica does not lead".to_owned()));
        }
        if self.record.claimed {
            return Ok(());
        }
        // What cannot be reached is not said to hold anything.
        context.databases.check(store).await.map_err(failed)?;
        self.object = self.transition(record::claimed).await?;
        self.record.claimed = true;
        Ok(())
    }

    /// Removes what the tenant left in a former DataStore that it moves back to, fence included, if it may be deleted.
    pub(super) async fn clear_former(&self) -> Result<(), Stop> {
        let storage = storage_of(&self.object);
        let mut former = storage
            .and_then(|s| s.former.as_deref())
            .into_iter()
            .flatten();
        let target = &self.ends.target;
        if !former.any(|had| had.data_store == target.store.name) {
            return Ok(());
        }
        self.require_cleanup("what it left there")?;
        let (databases, key) = (&self.context.databases, self.key);
        let removed = databases
            .remove(key, &target.store, &target.removal())
            .await;
        match removed.map_err(failed)? {
            Removal::Done => Ok(()),
            Removal::Left(why) => Err(Stop::Failed(why)),
        }
    }

    /// Fails unless the tenant's annotation lets `what` be deleted at the target.
    fn require_cleanup(&self, what: &str) -> Result<(), Stop> {
        let options = Options::of(&self.object).map_err(Stop::Failed)?;
        if options.cleanup {
            return Ok(());
        }
        Err(Stop::Failed(format!(
            "the DataStore {} holds data of this tenant already, {what}; annotate the tenant with {}=true to have it deleted first",
            self.record.target,
            labels::CLEANUP_PRIOR_MIGRATION
        )))
    }

    /// Makes sure that what the target holds may be deleted, and records that it may from now on.
    pub(super) async fn prepare(&mut self, count: u64) -> Result<(), Stop> {
        if self.record.prepared {
            return Ok(());
        }
        if count > 0 {
            self.require_cleanup(&format!("{count} keys"))?;
        }
        let target = &self.record.target;
        let prepared = update(self.context, &self.object, Until::Tried, |live, storage| {
            let now = current(storage, &self.record)?;
            let next = record::prepared(now);
            let mut former = storage.former.clone().unwrap_or_default();
            former.retain(|had| had.data_store != *target);
            asks_for(live, &self.record).then(|| StorageStatus {
                former: Some(former).filter(|former| !former.is_empty()),
                ..with(storage, next)
            })
        });
        self.object = prepared.await?;
        self.record.prepared = true;
        Ok(())
    }
}
