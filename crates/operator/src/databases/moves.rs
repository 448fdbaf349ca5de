//! Operations of a migration at DataStores: both ends of a copy, the fence at the source, and its end.

use std::time::Duration;

use kamaji_core::{
    binding::{Access, Binding},
    migration::ends::{End, Ends},
};
use kamaji_datastore::{FenceId, Tenancy, transfer};
use kamaji_shell::ObjectKey;

use super::{DatabaseError, DatastoreClients, TIME_LIMIT, tenancy, unusable};

/// Time limit of opening or counting an end of a copy, or of clearing a probe.
const OPEN: Duration = Duration::from_mins(2);

impl DatastoreClients {
    /// Opens both ends of a copy, which have been ensured. The number is that of keys at the target.
    pub async fn copy_ends(&self, ends: &Ends) -> Result<(transfer::Ends, u64), DatabaseError> {
        let (source, target) = (&ends.source, &ends.target);
        let (at_source, at_target) = (
            self.open(&source.store).await?,
            self.open(&target.store).await?,
        );
        let (read, written) = (of(source)?, of(target)?);
        let open = at_source.store.reader(&read);
        let reader = at_source.limited(&source.store.name, OPEN, open).await?;
        let name = &target.store.name;
        let open = at_target.store.reader(&written);
        let copied = at_target.limited(name, OPEN, open).await?;
        let open = at_target.store.writer(&written);
        let mut writer = at_target.limited(name, OPEN, open).await?;
        let count = at_target.limited(name, OPEN, writer.count()).await?;
        let opened = transfer::Ends {
            source: reader,
            target: writer,
            copied,
        };
        Ok((opened, count))
    }

    /// Takes the tenant's right to write at `end` by a fence of this identity; returns the revision of the last write.
    /// Nothing in this process gives it back before [`lift`](Self::lift).
    pub async fn fence(&self, key: &ObjectKey, end: &End, id: &str) -> Result<i64, DatabaseError> {
        if end.stays {
            return self.freeze(key, end, id).await;
        }
        let share = (key.clone(), end.store.name.clone());
        self.fences.close(&share).await;
        self.locked().remove(&share);
        let binding = Binding {
            access: Access::ReadOnly,
            part: Vec::new(),
            ..end.binding.clone()
        };
        let (tenancy, open) = (tenancy(&end.store, &binding)?, self.open(&end.store).await?);
        let identity = fence_id(end, id)?;
        let fence = open.store.fence(&tenancy, &identity);
        tracing::debug!(tenant = %key, store = %end.store.name, fence = id, "the right to write is taken");
        open.limited(&end.store.name, TIME_LIMIT, fence).await
    }

    /// Takes the tenant's right to write single resources at `end`, where it goes on writing the rest. The datastore has a
    /// note of that, which whatever is ensured there keeps to.
    async fn freeze(&self, key: &ObjectKey, end: &End, id: &str) -> Result<i64, DatabaseError> {
        let name = &end.store.name;
        self.locked().remove(&(key.clone(), name.clone()));
        let (tenancy, open) = (of(end)?, self.open(&end.store).await?);
        let identity = fence_id(end, id)?;
        let part = end.binding.part.join(", ");
        tracing::debug!(tenant = %key, store = %name, fence = id, part, "the right to write is taken");
        let fence = open.store.fence(&tenancy, &identity);
        open.limited(name, TIME_LIMIT, fence).await
    }

    /// Lets the tenant write single resources at `end`, which are about to be in force there; what an earlier migration
    /// froze there ends. Nothing to do where the tenant has all its rights.
    pub async fn thaw(&self, key: &ObjectKey, end: &End) -> Result<(), DatabaseError> {
        if !end.stays {
            return Ok(());
        }
        self.locked().remove(&(key.clone(), end.store.name.clone()));
        let (tenancy, open) = (of(end)?, self.open(&end.store).await?);
        let thawing = open.store.thaw(&tenancy);
        open.limited(&end.store.name, TIME_LIMIT, thawing)
            .await
            .map(drop)
    }

    /// Lets the tenant write at `end`, and lifts the fence of this identity there, if one is given.
    pub async fn lift(
        &self,
        key: &ObjectKey,
        end: &End,
        id: Option<&str>,
    ) -> Result<(), DatabaseError> {
        let share = (key.clone(), end.store.name.clone());
        tracing::debug!(tenant = %key, store = %end.store.name, fence = id, "the right to write is given");
        self.fences.open(&share);
        self.locked().remove(&share);
        let part = if end.stays {
            end.binding.part.clone()
        } else {
            Vec::new()
        };
        let binding = Binding {
            access: Access::ReadWrite,
            part,
            ..end.binding.clone()
        };
        if let Some(id) = id {
            let (fence, tenancy) = (fence_id(end, id)?, tenancy(&end.store, &binding)?);
            let open = self.open(&end.store).await?;
            let lifting = open.store.lift(&tenancy, &fence);
            open.limited(&end.store.name, TIME_LIMIT, lifting).await?;
        }
        self.ensure(key, &end.store, &binding).await
    }

    /// True if two ends are one server: a probe that is made at `made` is found at `seen`.
    pub async fn is_one_server(&self, seen: &End, made: &End) -> Result<bool, DatabaseError> {
        let (source, target) = (&seen.store, &made.store);
        if source.driver != target.driver {
            return Ok(false);
        }
        let owner = seen.binding.owner.clone();
        let uid: String = owner
            .tenant
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let name = format!("probe-{}", uid.get(..20).unwrap_or(&uid));
        let (had, has) = (&seen.binding, &made.binding);
        if [had, has]
            .iter()
            .any(|own| own.schema == name || own.user == name)
        {
            return Err(unusable(
                target,
                format!(
                    "the tenant itself has the name {name} of a probe; data cannot move from it"
                ),
            ));
        }
        let probe = Tenancy::parse(target.driver, &name, &name, owner);
        let probe = probe.map_err(|error| unusable(target, error))?;
        let probe = probe.with_password(kamaji_datastore::Secret::new(&*seen.binding.password));
        let (at_source, at_target) = (self.open(source).await?, self.open(target).await?);
        let make = at_target.store.ensure(&probe);
        let made = at_target.limited(&target.name, OPEN, make).await;
        let seen = match made {
            Ok(_) => {
                let seen = at_source.store.remove(&probe);
                at_source.limited(&source.name, OPEN, seen).await
            }
            Err(error) => Err(error),
        };
        let clear = at_target.store.remove(&probe);
        let cleared = at_target.limited(&target.name, OPEN, clear).await;
        let found = !seen?.is_empty();
        cleared.map(|_| found)
    }

    /// True if an end that is in force and one at which something is to be removed are one server. The probe is made where the data
    /// is, so that it needs no space at the other end; if there is none, either, at that one.
    pub async fn share_a_server(&self, own: &End, other: &End) -> Result<bool, DatabaseError> {
        if other.store.driver != own.store.driver {
            return Ok(false);
        }
        match Box::pin(self.is_one_server(other, own)).await {
            Err(error) => {
                tracing::debug!(store = %own.store.name, %error, "no probe can be made there");
                Box::pin(self.is_one_server(own, other)).await
            }
            same => same,
        }
    }

    /// Keys of the tenant at `end`, after its names there were claimed: what was claimed by halves cannot be counted.
    pub async fn count(&self, key: &ObjectKey, end: &End) -> Result<u64, DatabaseError> {
        let tenancy = of(end)?;
        if let Ok(keys) = self.keys(&end.store, &tenancy).await {
            return Ok(keys);
        }
        self.ensure(key, &end.store, &end.binding).await?;
        self.keys(&end.store, &tenancy).await
    }
}

fn fence_id(end: &End, id: &str) -> Result<FenceId, DatabaseError> {
    FenceId::parse(id).map_err(|error| unusable(&end.store, error))
}

fn of(end: &End) -> Result<Tenancy, DatabaseError> {
    tenancy(&end.store, &end.binding)
}
