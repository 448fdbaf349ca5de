//! [`Objects`]: typed copies of every object of one kind, as a watch and this process's own writes saw them last.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{Arc, RwLock},
};

use kube::Resource;
use serde_json::Value;
use tokio::sync::watch;

use crate::{key::ObjectKey, lock};

/// Parses what it can of an object that its type cannot hold.
type Salvage<K> = fn(&Value) -> Option<K>;

/// Objects of one kind by name. Clones share the content.
pub struct Objects<N, K> {
    objects: Arc<RwLock<HashMap<N, Arc<K>>>>,
    ready: watch::Sender<bool>,
    unchanged: fn(&K, &K) -> bool,
    salvage: Option<Salvage<K>>,
    /// Parse errors by name.
    unreadable: Arc<RwLock<HashMap<N, String>>>,
}

impl<N, K> Clone for Objects<N, K> {
    fn clone(&self) -> Self {
        Self {
            objects: self.objects.clone(),
            ready: self.ready.clone(),
            unchanged: self.unchanged,
            salvage: self.salvage,
            unreadable: self.unreadable.clone(),
        }
    }
}

impl<N, K> Default for Objects<N, K> {
    fn default() -> Self {
        Self {
            objects: Arc::default(),
            ready: watch::Sender::new(false),
            unchanged: |_, _| false,
            salvage: None,
            unreadable: Arc::default(),
        }
    }
}

/// A name by which [`Objects`] keep an object: [`ObjectKey`] for namespaced kinds, `String` for cluster-scoped ones.
pub trait Named: Hash + Eq + Clone + Send + Sync + 'static {
    /// The name of an object with this metadata.
    fn named(namespace: Option<&str>, name: &str) -> Self;
}

impl Named for String {
    fn named(_: Option<&str>, name: &str) -> Self {
        name.to_owned()
    }
}

impl Named for ObjectKey {
    fn named(namespace: Option<&str>, name: &str) -> Self {
        Self::new(namespace.unwrap_or_default(), name)
    }
}

/// Objects of one complete list.
pub(super) struct Listed<N, K> {
    /// Objects that could be parsed or salvaged.
    pub objects: HashMap<N, Arc<K>>,
    /// Parse errors by name.
    pub unreadable: HashMap<N, String>,
}

impl<N, K> Default for Listed<N, K> {
    fn default() -> Self {
        Self {
            objects: HashMap::new(),
            unreadable: HashMap::new(),
        }
    }
}

impl<N: Named, K: Resource<DynamicType = ()>> Objects<N, K> {
    /// Enqueues nothing for an event whose new object is `unchanged` from the known one. By default every event
    /// counts as a change.
    #[must_use]
    pub fn unchanged_if(self, unchanged: fn(&K, &K) -> bool) -> Self {
        Self { unchanged, ..self }
    }

    /// Keeps of an object that cannot be parsed what `salvage` returns, or nothing. By default the last version that
    /// could be parsed is kept.
    #[must_use]
    pub fn salvaged_by(self, salvage: Salvage<K>) -> Self {
        Self {
            salvage: Some(salvage),
            ..self
        }
    }

    pub(super) fn salvage(&self) -> Option<Salvage<K>> {
        self.salvage
    }

    /// The parse error of the object of that name; `None` if it could be parsed or does not exist.
    pub fn unreadable(&self, name: &N) -> Option<String> {
        lock::read(&self.unreadable).get(name).cloned()
    }

    /// Names and parse errors of all objects that could not be parsed.
    pub fn all_unreadable(&self) -> Vec<(N, String)> {
        let unreadable = lock::read(&self.unreadable);
        unreadable
            .iter()
            .map(|(name, why)| (name.clone(), why.clone()))
            .collect()
    }

    fn mark(&self, name: &N, why: Option<String>) {
        let mut unreadable = lock::write(&self.unreadable);
        match why {
            Some(why) => unreadable.insert(name.clone(), why),
            None => unreadable.remove(name),
        };
    }

    /// The object of that name.
    pub fn get(&self, name: &N) -> Option<Arc<K>> {
        lock::read(&self.objects).get(name).cloned()
    }

    /// Names and objects, in no order.
    pub fn all(&self) -> Vec<(N, Arc<K>)> {
        lock::read(&self.objects)
            .iter()
            .map(|(name, object)| (name.clone(), object.clone()))
            .collect()
    }

    /// True once the first list is complete.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits for the first complete list.
    pub async fn ready(&self) {
        let mut ready = self.ready.subscribe();
        // The sender lives as long as self.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Records an object that a write of this process returned, ahead of the watch. Nothing changes if the watch has
    /// delivered its deletion or a newer version meanwhile, or another object of that name.
    pub fn replace(&self, name: N, object: Arc<K>) {
        let known = self.get(&name);
        if known.is_some_and(|known| known.meta().uid == object.meta().uid) {
            self.newer(name, object);
        }
    }

    /// Records an object that a write of this process may have created, ahead of the watch. Nothing changes if the
    /// watch has delivered a newer version.
    pub fn created(&self, name: N, object: Arc<K>) {
        self.newer(name, object);
    }

    /// Stores `object` unless a newer version is known: a watch lags behind this process's own writes. Returns false if
    /// the known object is unchanged by it.
    fn newer(&self, name: N, object: Arc<K>) -> bool {
        let mut objects = lock::write(&self.objects);
        let known = objects.get(&name);
        let changed = known.is_none_or(|known| !(self.unchanged)(known, &object));
        if known.is_none_or(|known| revision(known.as_ref()) <= revision(object.as_ref())) {
            objects.insert(name, object);
        }
        changed
    }

    /// Records an event: the parsed or salvaged `object`, and `why` it could not be parsed. Returns true if the name is
    /// to be enqueued.
    pub(super) fn observed(&self, name: &N, object: Option<Arc<K>>, why: Option<String>) -> bool {
        let concerns_parsing = why.is_some() || self.unreadable(name).is_some();
        self.mark(name, why);
        let changed = match object {
            Some(object) => self.newer(name.clone(), object),
            None if self.salvage.is_none() => false,
            None => lock::write(&self.objects).remove(name).is_some(),
        };
        changed || concerns_parsing
    }

    /// Records the deletion of the object with this uid; another object of that name stays.
    pub(super) fn deleted(&self, name: &N, uid: Option<&str>) {
        let mut objects = lock::write(&self.objects);
        let known = objects
            .get(name)
            .and_then(|known| known.meta().uid.as_deref());
        if known.is_none() || uid.is_none() || known == uid {
            objects.remove(name);
        }
        drop(objects);
        self.mark(name, None);
    }

    /// Records a complete list. Returns the names of all objects that are listed or were known before.
    pub(super) fn complete(&self, listed: Listed<N, K>) -> HashSet<N> {
        let Listed {
            objects: mut fresh,
            unreadable,
        } = listed;
        let mut objects = lock::write(&self.objects);
        let mut names: HashSet<N> = fresh.keys().chain(unreadable.keys()).cloned().collect();
        for (name, known) in std::mem::take(&mut *objects) {
            names.insert(name.clone());
            let known_is_newer = fresh
                .get(&name)
                .is_some_and(|found| revision(found.as_ref()) < revision(known.as_ref()));
            let stays = unreadable.contains_key(&name) && self.salvage.is_none();
            if known_is_newer || stays {
                fresh.insert(name, known);
            }
        }
        *objects = fresh;
        *lock::write(&self.unreadable) = unreadable;
        drop(objects);
        self.ready.send_replace(true);
        names
    }
}

/// The resource version as a number. Those of one kind only grow.
fn revision<K: Resource<DynamicType = ()>>(object: &K) -> u64 {
    let version = object.meta().resource_version.as_deref();
    version.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
