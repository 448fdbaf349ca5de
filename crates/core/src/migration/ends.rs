//! Bindings of a tenant at both ends of its migration.

use kamaji_api::{datastore::Driver, labels, tenant::StorageStatus};

use super::route;
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
}

/// Both ends of a migration.
#[derive(Clone, Debug)]
pub struct Ends {
    /// End that holds the data.
    pub source: End,
    /// End that the data moves to.
    pub target: End,
    /// Ends that hold single resources, which stay there: resource, and its end. Each DataStore once.
    pub overrides: Vec<(String, End)>,
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
}

/// Both ends of a migration of `tenant` to the DataStore `target`.
pub fn ends(tenant: &Tenant, snapshot: &Snapshot, target: &str) -> Result<Ends, EndError> {
    let source = source(tenant, snapshot)?;
    require_kept_password(tenant, snapshot, &source.binding)?;
    let target = moved(tenant, snapshot, store(snapshot, target)?)?;
    Ok(Ends {
        overrides: overrides(tenant, snapshot)?,
        one_root: route::have_one_root(source.store.driver, target.store.driver),
        source,
        target,
    })
}

fn overrides(tenant: &Tenant, snapshot: &Snapshot) -> Result<Vec<(String, End)>, EndError> {
    let mut ends: Vec<(String, End)> = Vec::new();
    for (resource, store) in snapshot.overrides.clone()? {
        if ends.iter().all(|(_, had)| had.store.name != store.name) {
            ends.push((resource, end(tenant, snapshot, store)?));
        }
    }
    Ok(ends)
}

/// The end that holds the data.
pub fn source(tenant: &Tenant, snapshot: &Snapshot) -> Result<End, EndError> {
    end(tenant, snapshot, snapshot.store.clone()?)
}

fn store(snapshot: &Snapshot, name: &str) -> Result<ResolvedDataStore, StoreWait> {
    match snapshot.further.get(name) {
        Some(found) => found.clone(),
        None => Err(StoreWait::Missing(name.to_owned())),
    }
}

/// The end at `store` under the names that the tenant would have there: those that were recorded when it left, or
/// those that it has now, without a user name that an earlier driver made of its uid.
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
    Ok(End { store, binding })
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
