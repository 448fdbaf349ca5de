//! Bindings of a tenant at both ends of its migration.

use kamaji_api::{datastore::Driver, labels, tenant::StorageStatus};

use super::route;
use crate::binding::change::{Change, ChangeRefusal};
use crate::{
    binding::{self, Binding, Data, LiveSecret, NameRefusal, names::default_user},
    data_store::ResolvedDataStore,
    secret_role::SecretRole,
    snapshot::{Snapshot, StoreWait},
    tenant::Tenant,
};

/// A DataStore, and the names and credentials that the tenant has there.
#[derive(Clone, Debug)]
pub struct End {
    /// The DataStore, with its references resolved.
    pub store: ResolvedDataStore,
    /// Names and credentials of the tenant.
    pub binding: Binding,
    /// True if the tenant uses the DataStore for other resources, before the migration and after it: then nothing is
    /// done to the whole of what it has there.
    pub stays: bool,
}

impl End {
    /// The binding for a removal: of what the tenant uses besides nothing is removed, of what it does not use everything.
    pub fn removal(&self) -> Binding {
        let mut binding = self.binding.clone();
        if !self.stays {
            binding.part.clear();
        }
        binding
    }
}

/// Both ends of a migration.
#[derive(Clone, Debug)]
pub struct Ends {
    /// End that holds the data.
    pub source: End,
    /// End that the data moves to.
    pub target: End,
    /// Ends that hold what does not move: a resource, or the tenant's own DataStore, and its end. Each DataStore once,
    /// without source and target of single resources.
    pub beside: Vec<(String, End)>,
    /// True if single resources move.
    pub is_part: bool,
    /// True if keys have the same root at both ends.
    pub one_root: bool,
}

/// Reason for which an end cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndError {
    /// A DataStore cannot be used.
    #[error(transparent)]
    Store(#[from] StoreWait),
    /// The tenant's names cannot be used there.
    #[error("the DataStore {0}: {1}")]
    Name(String, NameRefusal),
    /// The Secret with the tenant's password is not as the operator wrote it.
    #[error(
        "the Secret {0} is not as the operator wrote it; it is written again, and the migration is tried again by itself"
    )]
    Secret(String),
    /// The keys of a resource are not known.
    #[error(transparent)]
    Resource(#[from] ChangeRefusal),
    /// A driver cannot move single resources.
    #[error(
        "the DataStore {0} is no etcd, and the data of single resources moves between etcds alone; set spec.dataStoreOverrides back"
    )]
    Driver(String),
}

/// Both ends of a migration of `tenant`.
pub fn ends(tenant: &Tenant, snapshot: &Snapshot, change: &Change) -> Result<Ends, EndError> {
    let source = source(tenant, snapshot, change)?;
    require_kept_password(tenant, snapshot, &source.binding)?;
    let target = target(tenant, snapshot, change)?;
    let mut beside = beside(tenant, snapshot, change)?;
    if !change.is_whole() {
        beside.retain(|(_, end)| ![&change.source, &change.target].contains(&&end.store.name));
    }
    Ok(Ends {
        beside,
        is_part: !change.is_whole(),
        one_root: route::have_one_root(source.store.driver, target.store.driver),
        source,
        target,
    })
}

/// The ends that hold the tenant's data, each DataStore once: the tenant's own first, then those of single resources.
pub fn in_force(tenant: &Tenant, snapshot: &Snapshot) -> Result<Vec<End>, EndError> {
    let mut stores = vec![snapshot.store.clone()?];
    for (_, store) in snapshot.overrides.clone()? {
        if stores.iter().all(|had| had.name != store.name) {
            stores.push(store);
        }
    }
    let ends = stores.into_iter();
    ends.map(|store| end(tenant, snapshot, store)).collect()
}

fn beside(
    tenant: &Tenant,
    snapshot: &Snapshot,
    change: &Change,
) -> Result<Vec<(String, End)>, EndError> {
    let mut ends: Vec<(String, End)> = Vec::new();
    let mut stores = snapshot.overrides.clone()?;
    if !change.is_whole() {
        stores.push(("the rest".to_owned(), snapshot.store.clone()?));
    }
    for (resource, store) in stores {
        if ends.iter().all(|(_, had)| had.store.name != store.name) {
            ends.push((resource, end(tenant, snapshot, store)?));
        }
    }
    Ok(ends)
}

/// The end that holds the data which is to move.
pub fn source(tenant: &Tenant, snapshot: &Snapshot, change: &Change) -> Result<End, EndError> {
    if change.is_whole() {
        return end(tenant, snapshot, snapshot.store.clone()?);
    }
    let stays = |storage: &StorageStatus| change.leaves_rest_at_source(storage);
    part(tenant, snapshot, (&change.source, change), stays)
}

/// The end that the data is to move to.
pub fn target(tenant: &Tenant, snapshot: &Snapshot, change: &Change) -> Result<End, EndError> {
    if change.is_whole() {
        return moved(tenant, snapshot, store(snapshot, &change.target)?);
    }
    let stays = |storage: &StorageStatus| change.joins_rest_at_target(storage);
    part(tenant, snapshot, (&change.target, change), stays)
}

/// The end of a migration of single resources at the DataStore `name`.
fn part(
    tenant: &Tenant,
    snapshot: &Snapshot,
    (name, change): (&str, &Change),
    stays: impl Fn(&StorageStatus) -> bool,
) -> Result<End, EndError> {
    let overrides = snapshot.overrides.clone()?;
    let in_force = overrides.into_iter().map(|(_, store)| store);
    let mut in_force = in_force.chain([snapshot.store.clone()?]);
    let store = match in_force.find(|store| store.name == name) {
        Some(store) => store,
        None => store(snapshot, name)?,
    };
    if store.driver != Driver::Etcd {
        return Err(EndError::Driver(store.name));
    }
    let found = end(tenant, snapshot, store)?;
    Ok(End {
        binding: Binding {
            part: change.prefixes()?,
            ..found.binding
        },
        stays: tenant.status.storage.as_ref().is_some_and(stays),
        ..found
    })
}

fn store(snapshot: &Snapshot, name: &str) -> Result<ResolvedDataStore, StoreWait> {
    match snapshot.further.get(name) {
        Some(found) => found.clone(),
        None => Err(StoreWait::Missing(name.to_owned())),
    }
}

/// The end at `store` under the names that the tenant would have there: those that were recorded when it left, or
/// those that it has now, without a user name that an earlier driver made of its uid, or that is the DataStore's own.
fn moved(tenant: &Tenant, snapshot: &Snapshot, store: ResolvedDataStore) -> Result<End, EndError> {
    let mut moved = tenant.clone();
    if let Some(storage) = &mut moved.status.storage {
        let user = user_at(tenant, storage, &store);
        if let Some(setup) = &mut storage.setup {
            setup.user = user;
        }
    }
    end(&moved, snapshot, store)
}

fn user_at(tenant: &Tenant, storage: &StorageStatus, store: &ResolvedDataStore) -> Option<String> {
    let mut former = storage.former.iter().flatten();
    let left = former.find(|had| had.data_store == store.name);
    if let Some(left) = left.filter(|left| !left.user.is_empty()) {
        return Some(left.user.clone());
    }
    if storage.driver.as_deref() == Some(Driver::Nats.as_str()) {
        // The user there is a credential of the DataStore.
        return None;
    }
    let user = storage.setup.as_ref()?.user.clone()?;
    let made = [Driver::Etcd, Driver::MySql].map(|driver| default_user(&tenant.uid, driver));
    let is_made = made.iter().any(|made| *made == user);
    (!is_made).then_some(user)
}

/// The end at a DataStore that the tenant left; `None` for one whose names it may not have.
pub fn former_end(
    tenant: &Tenant,
    snapshot: &Snapshot,
    name: &str,
) -> Result<Option<End>, StoreWait> {
    let store = store(snapshot, name)?;
    Ok(moved(tenant, snapshot, store).ok())
}

fn end(tenant: &Tenant, snapshot: &Snapshot, store: ResolvedDataStore) -> Result<End, EndError> {
    let data = live(tenant, snapshot);
    let secret = data
        .as_ref()
        .map(|(data, checksum)| LiveSecret { data, checksum });
    let binding = binding::bind(tenant, &store, secret, snapshot)
        .map_err(|refusal| EndError::Name(store.name.clone(), refusal))?;
    let stays = false;
    Ok(End {
        store,
        binding,
        stays,
    })
}

/// Data and checksum of the Secret with the tenant's password.
fn live(tenant: &Tenant, snapshot: &Snapshot) -> Option<(Data, String)> {
    let secret = snapshot.secrets.get(&secret_name(tenant))?;
    let pairs = secret.data.iter().flatten();
    let pairs = pairs.map(|(key, bytes)| (key.clone(), bytes.0.clone()));
    let checksum = secret
        .metadata
        .annotations
        .as_ref()?
        .get(labels::CHECKSUM)?;
    Some((pairs.collect(), checksum.clone()))
}

fn secret_name(tenant: &Tenant) -> String {
    tenant.names.secret(SecretRole::DatastoreConfig)
}

/// Refuses a password that is not the one in the Secret: the tenant would get another at its next reconcile.
fn require_kept_password(
    tenant: &Tenant,
    snapshot: &Snapshot,
    binding: &Binding,
) -> Result<(), EndError> {
    let kept = live(tenant, snapshot).and_then(|(mut data, _)| data.remove("DB_PASSWORD"));
    if kept.as_deref() == Some(binding.password.as_bytes()) {
        Ok(())
    } else {
        Err(EndError::Secret(secret_name(tenant)))
    }
}
