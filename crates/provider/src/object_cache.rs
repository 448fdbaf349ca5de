//! Cache of watched objects that reconciles have read. An entry stays until a watch reports a change of its object, or
//! until it is the least recently used one and the cache is full.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard},
};

use kamaji_shell::lock::lock;
use kube::ResourceExt;

use crate::dependencies::Dependency;

/// Largest number of objects: those of some 200 control planes, in 10 MB.
const CAPACITY: usize = 1024;

/// Cache of objects of one type, at most 1024, with the least recently used evicted first.
pub struct ObjectCache<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    /// Entries with the number of their last use.
    entries: HashMap<Dependency, (u64, Entry<T>)>,
    /// Keys in the order of their last use.
    order: BTreeMap<u64, Dependency>,
    uses: u64,
}

enum Entry<T> {
    /// A read is under way.
    Reading,
    /// The object as it was read or written last.
    Known(T),
}

impl<T> Default for ObjectCache<T> {
    fn default() -> Self {
        let state = State {
            entries: HashMap::new(),
            order: BTreeMap::new(),
            uses: 0,
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

impl<T: ResourceExt + Clone> ObjectCache<T> {
    /// Object of a dependency, or `None` if it does not exist; `request` is awaited only if the object is not cached.
    /// Absent objects and those that `is_watched` excludes are not cached, since no watch reports their changes.
    pub async fn read<E>(
        &self,
        dependency: &Dependency,
        is_watched: impl Fn(&T) -> bool,
        request: impl Future<Output = Result<Option<T>, E>>,
    ) -> Result<Option<T>, E> {
        if let Some(known) = self.locked().known(dependency) {
            return Ok(Some(known));
        }
        let ticket = self.locked().put(dependency, Entry::Reading);
        let found = request.await;
        let mut state = self.locked();
        // A change that was reported during the read may be newer than the response.
        if matches!(state.entries.get(dependency), Some((number, Entry::Reading)) if *number == ticket)
        {
            match &found {
                Ok(Some(object)) if is_watched(object) => {
                    state.put(dependency, Entry::Known(object.clone()));
                }
                _ => state.remove(dependency),
            }
        }
        found
    }

    /// Caches an object as a write of the provider left it, if it is cached at all.
    pub fn wrote(&self, dependency: &Dependency, object: T) {
        // An entry that was dropped meanwhile has been changed by another writer since.
        if let Some((_, Entry::Known(known))) = self.locked().entries.get_mut(dependency) {
            *known = object;
        }
    }

    /// Drops an object that has this resource version now (`None`: deleted), unless the cached one is as new.
    pub fn changed(&self, dependency: &Dependency, version: Option<&str>) {
        let mut state = self.locked();
        let same = match state.entries.get(dependency) {
            Some((_, Entry::Known(known))) => version.is_some_and(|version| is_of(known, version)),
            _ => false,
        };
        if !same {
            state.remove(dependency);
        }
    }

    /// Drops all objects that `selects` selects.
    pub fn forget(&self, selects: impl Fn(&Dependency) -> bool) {
        let mut state = self.locked();
        let selected: Vec<Dependency> = state
            .entries
            .keys()
            .filter(|t| selects(t))
            .cloned()
            .collect();
        for dependency in &selected {
            state.remove(dependency);
        }
    }

    fn locked(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }
}

impl<T: Clone> State<T> {
    fn known(&mut self, dependency: &Dependency) -> Option<T> {
        let (_, Entry::Known(object)) = self.entries.get(dependency)? else {
            return None;
        };
        let object = object.clone();
        self.put(dependency, Entry::Known(object.clone()));
        Some(object)
    }

    /// Inserts an entry, evicting the least recently used one if necessary; the number of this use.
    fn put(&mut self, dependency: &Dependency, entry: Entry<T>) -> u64 {
        self.remove(dependency);
        if self.entries.len() >= CAPACITY
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.uses += 1;
        self.order.insert(self.uses, dependency.clone());
        self.entries.insert(dependency.clone(), (self.uses, entry));
        self.uses
    }

    fn remove(&mut self, dependency: &Dependency) {
        if let Some((used, _)) = self.entries.remove(dependency) {
            self.order.remove(&used);
        }
    }
}

/// True if the object has this resource version or a later one: those of one kind only grow.
fn is_of(object: &impl ResourceExt, version: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    let known = object.resource_version();
    match (known.as_deref().and_then(number), number(version)) {
        (Some(known), Some(version)) => known >= version,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
