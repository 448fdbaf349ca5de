//! Tenants' places in datastores: claimed, ensured and removed, without asking the datastore each time.

use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kamaji_api::{owner::Owner, tenant::TenantControlPlane};
use kamaji_core::{
    binding::{self, Binding},
    store::Store,
};
use kamaji_datastore::{self as datastore, AccessControl, Connection, DataStore, Secret, Tenancy};
use tokio::sync::Semaphore;

use crate::claims::Claims;
use kamaji_shell::{ObjectKey, clock, watch::Objects};

/// Operations at one datastore at the same time.
const AT_ONCE: usize = 16;
/// Longest time of one whole operation at a datastore.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Open datastores and what was ensured in them.
pub struct Databases {
    open: tokio::sync::Mutex<BTreeMap<String, Arc<Open>>>,
    ensured: Mutex<HashMap<(ObjectKey, String), (u64, Instant)>>,
    claims: Claims,
    /// Every tenant: who is recorded, and who lives.
    tenants: Objects<ObjectKey, TenantControlPlane>,
    /// After this, what was ensured is looked at again.
    trust: Duration,
}

struct Open {
    digest: u64,
    store: Box<dyn DataStore>,
    permits: Semaphore,
}

/// Why a datastore did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The driver is not there.
    #[error("the DataStore {store}: {source}")]
    Driver {
        /// Which one.
        store: String,
        /// Why.
        #[source]
        source: Box<datastore::Error>,
    },
    /// An operation did not finish within its time limit.
    #[error("the DataStore {store} did not finish within 20 s: {hint}")]
    TimeOut {
        /// Name of the DataStore.
        store: String,
        /// Question of the driver to an administrator.
        hint: &'static str,
    },
    /// Its text cannot be used.
    #[error("the DataStore {store}: {problem}")]
    Unusable {
        /// Which one.
        store: String,
        /// What is wrong.
        problem: String,
    },
}

/// What became of a tenant's place that was to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Done,
    /// It is not the tenant's, and nothing was touched: why.
    Left(String),
}

impl DatabaseError {
    /// The datastore's own error, if it was one.
    pub fn driver(&self) -> Option<&datastore::Error> {
        match self {
            Self::Driver { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Databases {
    /// Trusts what was ensured for `trust`.
    pub fn new(trust: Duration, tenants: Objects<ObjectKey, TenantControlPlane>) -> Self {
        Self {
            open: tokio::sync::Mutex::default(),
            ensured: Mutex::default(),
            claims: Claims::default(),
            tenants,
            trust,
        }
    }

    /// Sees to it that `key` has its binding in `store`.
    pub async fn ensure(
        &self,
        key: &ObjectKey,
        store: &Store,
        binding: &Binding,
    ) -> Result<(), DatabaseError> {
        let digest = digest(store, Some(binding));
        let entry = (key.clone(), store.name.clone());
        let known = self.locked().get(&entry).copied();
        if known.is_some_and(|(had, at)| had == digest && at.elapsed() < self.trust) {
            return Ok(());
        }
        let tenancy = tenancy(store, binding)?;
        let open = self.open(store).await?;
        let work = |tenancy| {
            let open = &open;
            async move { open.within(&store.name, open.store.ensure(&tenancy)).await }
        };
        let change = self.owned(key, (store, binding), (tenancy, work)).await?;
        if change.revoked_access() {
            tracing::warn!(tenant = %key, store = %store.name, %change, "revoked access that was not the tenant's own");
        } else {
            tracing::debug!(tenant = %key, store = %store.name, %change, "datastore binding ensured");
        }
        self.locked().insert(entry, (digest, clock::instant()));
        Ok(())
    }

    /// True if `key` has its binding in `store` as far as this process knows.
    pub fn is_ensured(&self, key: &ObjectKey, store: &Store, binding: &Binding) -> bool {
        let digest = digest(store, Some(binding));
        let known = self
            .locked()
            .get(&(key.clone(), store.name.clone()))
            .copied();
        known.is_some_and(|(had, _)| had == digest)
    }

    /// Removes the data of `key` from `store`, exactly its own.
    pub async fn remove(
        &self,
        key: &ObjectKey,
        store: &Store,
        binding: &Binding,
    ) -> Result<Removal, DatabaseError> {
        let tenancy = tenancy(store, binding)?;
        let open = self.open(store).await?;
        let work = |tenancy| {
            let open = &open;
            async move { open.within(&store.name, open.store.remove(&tenancy)).await }
        };
        let removed = self.owned(key, (store, binding), (tenancy, work)).await;
        let change = match removed {
            Ok(change) => change,
            Err(error) if error.driver().is_some_and(datastore::Error::is_refusal) => {
                return Ok(Removal::Left(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        tracing::info!(tenant = %key, store = %store.name, %change, "datastore binding removed");
        self.locked().remove(&(key.clone(), store.name.clone()));
        Ok(Removal::Done)
    }

    /// Does `work` once, or once more as the successor of the recorded owner if the tenant is that.
    async fn owned<T, F: Future<Output = Result<T, DatabaseError>>>(
        &self,
        key: &ObjectKey,
        (store, binding): (&Store, &Binding),
        (tenancy, work): (Tenancy, impl Fn(Tenancy) -> F),
    ) -> Result<T, DatabaseError> {
        let error = match work(tenancy.clone()).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(datastore::Error::Owned { owner, .. }) = error.driver() else {
            return Err(error);
        };
        if !binding::succeeds(binding, store, owner, self.lives(owner)) {
            return Err(error);
        }
        tracing::info!(tenant = %key, store = %store.name, %owner, "succeeds the recorded owner");
        let heir = Tenancy {
            succeeds: Some(owner.as_ref().clone()),
            ..tenancy
        };
        work(heir).await
    }

    /// True if a tenant with the uid of `owner` is there.
    fn lives(&self, owner: &Owner) -> bool {
        let uid = Some(&owner.tenant);
        let mut all = self.tenants.all().into_iter();
        all.any(|(_, tenant)| tenant.metadata.uid.as_ref() == uid)
    }

    /// Asks `store` whether it answers and tells its users apart.
    pub async fn check(&self, store: &Store) -> Result<AccessControl, DatabaseError> {
        let open = self.open(store).await?;
        open.within(&store.name, open.store.check()).await
    }

    /// Claims the schema and user of `binding` for `key`; the tenant that has claimed either of
    /// them before, if another has.
    pub fn claim(&self, key: &ObjectKey, store: &Store, binding: &Binding) -> Option<ObjectKey> {
        self.claims.claim(key, store, binding)
    }

    /// Claims what statuses record in `store`: it wins over what is not recorded.
    pub fn recall(&self, store: &Store) {
        for (key, tenant) in self.tenants.all() {
            self.claims.recall(&key, store, &tenant);
        }
    }

    /// Nothing is known of `key` any more.
    pub fn forget(&self, key: &ObjectKey) {
        self.locked().retain(|(tenant, _), _| tenant != key);
        self.claims.forget(key);
    }

    async fn open(&self, store: &Store) -> Result<Arc<Open>, DatabaseError> {
        let digest = digest(store, None);
        let mut open = self.open.lock().await;
        if let Some(found) = open.get(&store.name).filter(|o| o.digest == digest) {
            return Ok(found.clone());
        }
        let connection = connection(store)?;
        let store_ =
            datastore::connect(&connection)
                .await
                .map_err(|source| DatabaseError::Driver {
                    store: store.name.clone(),
                    source: Box::new(source),
                })?;
        let fresh = Arc::new(Open {
            digest,
            store: store_,
            permits: Semaphore::new(AT_ONCE),
        });
        open.insert(store.name.clone(), fresh.clone());
        Ok(fresh)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<(ObjectKey, String), (u64, Instant)>> {
        self.ensured
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Open {
    /// Bounds an operation in time and number.
    async fn within<T>(
        &self,
        name: &str,
        operation: impl Future<Output = Result<T, datastore::Error>>,
    ) -> Result<T, DatabaseError> {
        let bounded = async {
            let _permit = self.permits.acquire().await;
            operation.await
        };
        match tokio::time::timeout(TIME_LIMIT, bounded).await {
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

fn unusable(store: &Store, problem: impl ToString) -> DatabaseError {
    DatabaseError::Unusable {
        store: store.name.clone(),
        problem: problem.to_string(),
    }
}

fn tenancy(store: &Store, binding: &Binding) -> Result<Tenancy, DatabaseError> {
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
    Ok(Tenancy {
        recorded: binding.recorded,
        ..tenancy.with_password(Secret::new(binding.password.clone()))
    })
}

fn connection(store: &Store) -> Result<Connection, DatabaseError> {
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

fn digest(store: &Store, binding: Option<&Binding>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        &store.name,
        store.driver.as_str(),
        &store.endpoints,
        &store.basic_auth,
        store.without_access_control,
    )
        .hash(&mut hasher);
    if let Some(tls) = &store.tls {
        (&tls.ca, &tls.ca_key, &tls.client).hash(&mut hasher);
    }
    if let Some(binding) = binding {
        (&binding.schema, &binding.user, &binding.password).hash(&mut hasher);
    }
    hasher.finish()
}
