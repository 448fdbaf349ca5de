//! [`Stores`]: what the DataStore controller knows of each DataStore, shared with the tenant controller.

use std::{collections::HashMap, sync::Mutex};

use kamaji_core::{
    data_store::{ResolvedDataStore, probe::Probe, status::Health},
    snapshot::{StoreFault, StoreWait},
};
use kamaji_shell::{ObjectKey, lock::lock};

/// DataStores by name: the hash of each, and what it resolves to.
type Resolved = HashMap<String, (u64, Result<ResolvedDataStore, String>)>;

/// DataStores with their references resolved, as the DataStore controller last found them.
#[derive(Default)]
pub struct Stores {
    state: Mutex<StoresState>,
}

#[derive(Default)]
struct StoresState {
    resolved: Resolved,
    health: HashMap<String, Health>,
    probes: HashMap<String, Probe>,
    /// Failed checks in a row.
    failures: HashMap<String, u32>,
    /// DataStores that each tenant is bound to, or is about to be.
    held: HashMap<ObjectKey, Vec<String>>,
}

impl Stores {
    /// The DataStore of a name, or why it cannot be used.
    pub fn get(&self, name: &str) -> Result<ResolvedDataStore, StoreWait> {
        self.locked().get(name)
    }

    /// Hash of everything recorded about a DataStore.
    pub fn digest(&self, name: &str) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        let state = self.locked();
        let resolved = state.resolved.get(name);
        resolved.map(|(digest, _)| digest).hash(&mut hasher);
        let health = state.health.get(name);
        health
            .and_then(|health| health.fault(name))
            .hash(&mut hasher);
        hasher.finish()
    }

    /// Records a resolved DataStore. Returns true if it differs from the last one.
    pub fn set(
        &self,
        name: &str,
        digest: u64,
        resolved: Result<ResolvedDataStore, String>,
    ) -> bool {
        let mut state = self.locked();
        let old = state.resolved.insert(name.to_owned(), (digest, resolved));
        old.is_none_or(|(had, _)| had != digest)
    }

    /// Removes a DataStore. Returns true if it was known.
    pub fn remove(&self, name: &str) -> bool {
        let mut state = self.locked();
        state.health.remove(name);
        state.probes.remove(name);
        state.failures.remove(name);
        state.resolved.remove(name).is_some()
    }

    /// The result of the last check.
    pub fn health(&self, name: &str) -> Health {
        self.locked().health.get(name).cloned().unwrap_or_default()
    }

    /// Records the result of a check. Returns true if it differs from the last one.
    pub fn checked(&self, name: &str, health: Health) -> bool {
        let old = self.locked().health.insert(name.to_owned(), health.clone());
        old != Some(health)
    }

    /// Counts a check that failed, or forgets those before one that did not. Returns how many failed in a row.
    pub fn count_failures(&self, name: &str, failed: bool) -> u32 {
        let mut state = self.locked();
        if !failed {
            state.failures.remove(name);
            return 0;
        }
        let count = state.failures.entry(name.to_owned()).or_insert(0);
        *count = count.saturating_add(1);
        *count
    }

    /// The last answer to a probe.
    pub fn probe(&self, name: &str) -> Option<Probe> {
        self.locked().probes.get(name).cloned()
    }

    /// Records an answer to a probe.
    pub fn probed(&self, name: &str, probe: Probe) {
        self.locked().probes.insert(name.to_owned(), probe);
    }

    /// The problem that the last check found, if any.
    pub fn fault(&self, name: &str) -> Option<StoreFault> {
        self.locked().health.get(name)?.fault(name)
    }

    /// Holds the DataStores `names` for a tenant that is about to be bound to them. Fails if one of them cannot
    /// be used.
    pub fn hold(&self, key: &ObjectKey, names: Vec<String>) -> Result<(), StoreWait> {
        let mut state = self.locked();
        for name in &names {
            state.get(name)?;
        }
        state.held.insert(key.clone(), names);
        Ok(())
    }

    /// Releases a DataStore unless a tenant holds it, so that no tenant can hold it any more. True if released.
    pub fn let_go(&self, name: &str) -> bool {
        let mut state = self.locked();
        let held = state.held.values().flatten().any(|held| held == name);
        if !held {
            state.resolved.remove(name);
        }
        !held
    }

    /// Drops everything recorded about a tenant that does not exist any more.
    pub fn forget(&self, key: &ObjectKey) {
        self.locked().held.remove(key);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, StoresState> {
        lock(&self.state)
    }
}

impl StoresState {
    fn get(&self, name: &str) -> Result<ResolvedDataStore, StoreWait> {
        match self.resolved.get(name) {
            Some((_, Ok(store))) => Ok(store.clone()),
            Some((_, Err(why))) => Err(StoreWait::NotReady {
                name: name.to_owned(),
                why: why.clone(),
            }),
            None => Err(StoreWait::Missing(name.to_owned())),
        }
    }
}
