//! Clients of every DataStore: claim, ensure and remove tenants' bindings, without a request for a binding
//! that was ensured a short while ago.

mod digest;
mod error;
mod fences;
mod measure;
mod moves;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kamaji_api::{owner::Owner, tenant::TenantControlPlane};
use kamaji_core::{
    binding::{self, Binding},
    data_store::ResolvedDataStore,
};
use kamaji_datastore::{
    self as datastore, AccessControl, Connection, DataStore, Driver, Secret, Tenancy,
};
use tokio::sync::Semaphore;

use crate::claims::Claims;
use digest::digest;
pub use error::DatabaseError;
use fences::Fences;
use kamaji_shell::{ObjectKey, clock, lock::lock, watch::Objects};

/// Most concurrent operations at one DataStore.
const AT_ONCE: usize = 16;
/// Time limit of one whole operation at a DataStore, waiting for its turn included.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// Time limit of reading the size of one tenant: etcd's keys are read at a bounded rate.
pub const SIZE_TIME_LIMIT: Duration = Duration::from_mins(40);

/// Clients of every DataStore, and the bindings that were ensured with them.
pub struct DatastoreClients {
    open: tokio::sync::Mutex<BTreeMap<String, Arc<Open>>>,
    ensured: Mutex<Ensured>,
    fences: Fences,
    claims: Claims,
    /// Every tenant, to find recorded names and living owners.
    tenants: Objects<ObjectKey, TenantControlPlane>,
    /// Time after which an ensured binding is checked again.
    resync: Duration,
}

/// Bindings that were ensured, by tenant and name of the DataStore: digest, time and what was ensured.
type Ensured = HashMap<(ObjectKey, String), (u64, Instant, Tenancy)>;

struct Open {
    digest: u64,
    store: Box<dyn DataStore>,
    permits: Semaphore,
}

/// Outcome of the removal of a tenant's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Data, user and owner records are removed.
    Done,
    /// The names are not the tenant's, so no change was made; the text is the reason.
    Left(String),
}

impl DatastoreClients {
    /// Starts without clients. An ensured binding is checked again after `resync`.
    pub fn new(resync: Duration, tenants: Objects<ObjectKey, TenantControlPlane>) -> Self {
        Self {
            open: tokio::sync::Mutex::default(),
            ensured: Mutex::default(),
            fences: Fences::default(),
            claims: Claims::default(),
            tenants,
            resync,
        }
    }

    /// Ensures the binding of `key` in `store`. No request is made if the same binding was ensured within the
    /// resync period.
    pub async fn ensure(
        &self,
        key: &ObjectKey,
        store: &ResolvedDataStore,
        binding: &Binding,
    ) -> Result<(), DatabaseError> {
        let entry = (key.clone(), store.name.clone());
        let (_turn, binding) = self.fences.enter(&entry, binding).await;
        let binding = &binding;
        let digest = digest(store, Some(binding));
        let known = self.locked().get(&entry).map(|(had, at, _)| (*had, *at));
        if known.is_some_and(|(had, at)| had == digest && at.elapsed() < self.resync) {
            return Ok(());
        }
        let tenancy = tenancy(store, binding)?;
        let open = self.open(store).await?;
        let ensure = |tenancy| {
            let open = &open;
            async move { open.within(&store.name, open.store.ensure(&tenancy)).await }
        };
        let change = match ensure(tenancy.clone()).await {
            Ok(change) => change,
            Err(error) => {
                let predecessor = self.predecessor(store, binding, error)?;
                ensure(successor(tenancy.clone(), predecessor)).await?
            }
        };
        if change.revoked_access() {
            tracing::warn!(tenant = %key, store = %store.name, %change, "revoked access that was not the tenant's own");
        } else {
            tracing::debug!(tenant = %key, store = %store.name, %change, "datastore binding ensured");
        }
        self.locked()
            .insert(entry, (digest, clock::instant(), tenancy));
        Ok(())
    }

    /// True if this process has ensured the binding of `key` in `store`.
    pub fn is_ensured(
        &self,
        key: &ObjectKey,
        store: &ResolvedDataStore,
        binding: &Binding,
    ) -> bool {
        let digest = digest(store, Some(binding));
        let known = self.locked();
        let known = known.get(&(key.clone(), store.name.clone()));
        known.is_some_and(|(had, ..)| *had == digest)
    }

    /// Removes data, user and owner records of `key` from `store`, and nothing else.
    pub async fn remove(
        &self,
        key: &ObjectKey,
        store: &ResolvedDataStore,
        binding: &Binding,
    ) -> Result<Removal, DatabaseError> {
        let tenancy = tenancy(store, binding)?;
        let open = self.open(store).await?;
        let remove = |tenancy| {
            let open = &open;
            async move { open.within(&store.name, open.store.remove(&tenancy)).await }
        };
        let removed = match remove(tenancy.clone()).await {
            Ok(change) => Ok(change),
            Err(error) => match self.predecessor(store, binding, error) {
                Ok(predecessor) => remove(successor(tenancy, predecessor)).await,
                Err(error) => Err(error),
            },
        };
        let change = match removed {
            Ok(change) => change,
            Err(error) if error.is_refusal() => {
                return Ok(Removal::Left(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        tracing::info!(tenant = %key, store = %store.name, %change, "datastore binding removed");
        self.locked().remove(&(key.clone(), store.name.clone()));
        Ok(Removal::Done)
    }

    /// The owner that `error` names, if the tenant succeeds it; else the error itself.
    fn predecessor(
        &self,
        store: &ResolvedDataStore,
        binding: &Binding,
        error: DatabaseError,
    ) -> Result<Owner, DatabaseError> {
        let Some(datastore::Error::Owned { owner, .. }) = error.driver() else {
            return Err(error);
        };
        if !binding::succeeds(binding, store, owner, self.lives(owner)) {
            return Err(error);
        }
        tracing::info!(
            tenant = %binding.owner,
            store = %store.name,
            %owner,
            "succeeds the recorded owner"
        );
        Ok(owner.as_ref().clone())
    }

    /// True if a tenant with the uid of `owner` exists.
    fn lives(&self, owner: &Owner) -> bool {
        let uid = Some(&owner.tenant);
        let mut all = self.tenants.all().into_iter();
        all.any(|(_, tenant)| tenant.metadata.uid.as_ref() == uid)
    }

    /// Checks that `store` answers and enforces access control.
    pub async fn check(&self, store: &ResolvedDataStore) -> Result<AccessControl, DatabaseError> {
        let open = self.open(store).await?;
        open.within(&store.name, open.store.check()).await
    }

    /// Claims the schema and user of `binding` for `key`. Nothing is claimed if another tenant has either of
    /// them; that tenant is returned.
    pub fn claim(
        &self,
        key: &ObjectKey,
        store: &ResolvedDataStore,
        binding: &Binding,
    ) -> Option<ObjectKey> {
        self.claims.claim(key, store, binding)
    }

    /// Claims the names that statuses record in `store`; they win over claims without a record.
    pub fn recall(&self, store: &ResolvedDataStore) {
        for (key, tenant) in self.tenants.all() {
            self.claims.recall(&key, store, &tenant);
        }
    }

    /// Drops what is known of `key`, its claims included.
    pub fn forget(&self, key: &ObjectKey) {
        self.locked().retain(|(tenant, _), _| tenant != key);
        self.claims.forget(key);
        self.fences.forget(key);
    }

    /// Closes the client of the DataStore `name`, which does not exist any more.
    pub async fn close(&self, name: &str) {
        self.open.lock().await.remove(name);
    }

    async fn open(&self, store: &ResolvedDataStore) -> Result<Arc<Open>, DatabaseError> {
        let digest = digest(store, None);
        let mut open = self.open.lock().await;
        if let Some(found) = open.get(&store.name).filter(|o| o.digest == digest) {
            return Ok(found.clone());
        }
        let connection = connection(store)?;
        let client =
            datastore::connect(&connection)
                .await
                .map_err(|source| DatabaseError::Driver {
                    store: store.name.clone(),
                    source: Box::new(source),
                })?;
        let fresh = Arc::new(Open {
            digest,
            store: client,
            permits: Semaphore::new(AT_ONCE),
        });
        open.insert(store.name.clone(), fresh.clone());
        Ok(fresh)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Ensured> {
        lock(&self.ensured)
    }
}

impl Open {
    /// Runs an operation within the limits of time and concurrency.
    async fn within<T>(
        &self,
        name: &str,
        operation: impl Future<Output = Result<T, datastore::Error>>,
    ) -> Result<T, DatabaseError> {
        let bounded = async {
            let _permit = self.permits.acquire().await;
            operation.await
        };
        self.limited(name, TIME_LIMIT, bounded).await
    }

    /// Runs an operation within `limit`; it takes no other operation's turn.
    async fn limited<T>(
        &self,
        name: &str,
        limit: Duration,
        operation: impl Future<Output = Result<T, datastore::Error>>,
    ) -> Result<T, DatabaseError> {
        match tokio::time::timeout(limit, operation).await {
            Ok(done) => done.map_err(|source| DatabaseError::Driver {
                store: name.to_owned(),
                source: Box::new(source),
            }),
            Err(_) => Err(DatabaseError::TimeOut {
                store: name.to_owned(),
                hint: self.store.slow_hint(),
            }),
        }
    }
}

/// The tenancy with the records of `predecessor` passed to it.
fn successor(tenancy: Tenancy, predecessor: Owner) -> Tenancy {
    Tenancy {
        succeeds: Some(predecessor),
        ..tenancy
    }
}

fn unusable(store: &ResolvedDataStore, problem: impl ToString) -> DatabaseError {
    DatabaseError::Unusable {
        store: store.name.clone(),
        problem: problem.to_string(),
    }
}

fn tenancy(store: &ResolvedDataStore, binding: &Binding) -> Result<Tenancy, DatabaseError> {
    if binding.owner.cluster.is_empty() || binding.owner.tenant.is_empty() {
        return Err(unusable(
            store,
            "the uids of tenant and management cluster are not known yet",
        ));
    }
    let tenancy = Tenancy::parse(
        store.driver,
        &binding.schema,
        &binding.user,
        binding.owner.clone(),
    )
    .map_err(|e| unusable(store, e))?;
    let prefixes = binding.part.iter().map(String::as_str);
    let part = match (&binding.part[..], store.driver) {
        ([], _) => None,
        (_, Driver::Etcd) => {
            Some(datastore::Part::parse(prefixes).map_err(|e| unusable(store, e))?)
        }
        (..) => {
            let problem = "its driver is not etcd, and single resources move between etcds alone";
            return Err(unusable(store, problem));
        }
    };
    Ok(Tenancy {
        part,
        recorded: binding.recorded,
        access: match binding.access {
            binding::Access::ReadWrite => datastore::Access::ReadWrite,
            binding::Access::ReadOnly => datastore::Access::ReadOnly,
        },
        ..tenancy.with_password(Secret::new(binding.password.clone()))
    })
}

/// Connection to a DataStore as its administrator.
pub fn connection(store: &ResolvedDataStore) -> Result<Connection, DatabaseError> {
    let endpoints = store
        .endpoints
        .iter()
        .map(|text| text.parse().map_err(|e| unusable(store, e)))
        .collect::<Result<_, _>>()?;
    Ok(Connection {
        driver: store.driver,
        endpoints,
        tls: store.tls.as_ref().map(|tls| datastore::Tls {
            ca_pem: tls.ca.clone(),
            client: tls
                .client
                .as_ref()
                .map(|(certificate, key)| datastore::Identity {
                    cert_pem: certificate.clone(),
                    key_pem: key.clone(),
                }),
        }),
        basic_auth: store
            .basic_auth
            .as_ref()
            .map(|(user, password)| datastore::BasicAuth {
                user: user.clone(),
                password: Secret::new(password.clone()),
            }),
        without_access_control: store.without_access_control,
    })
}

#[cfg(test)]
mod tests;
