//! What need not be read again? A control plane is looked at many times, above all while it comes up; what
//! those looks read stays until a watch tells of a change, or until others need the room.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::ResourceExt;

use crate::dependencies::Dependency;

/// Objects that are kept at most: those of some 200 control planes, in 10 MB.
const MOST: usize = 1024;

/// Objects of a kind that have been read.
pub struct ObjectCache<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    /// With the number of their last use.
    entries: HashMap<Dependency, (u64, Entry<T>)>,
    /// In the order of their last use.
    order: BTreeMap<u64, Dependency>,
    uses: u64,
}

enum Entry<T> {
    /// Somebody asks for it now.
    Asked,
    /// The last answer.
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
    /// The object of `topic`, if it is there; `ask` is awaited only if it is not known. Only objects
    /// that a watch follows may stay, and what is not there may come without a word.
    pub async fn read<E>(
        &self,
        (topic, is_followed): (&Dependency, impl Fn(&T) -> bool),
        ask: impl Future<Output = Result<Option<T>, E>>,
    ) -> Result<Option<T>, E> {
        if let Some(known) = self.locked().known(topic) {
            return Ok(Some(known));
        }
        let ticket = self.locked().put(topic, Entry::Asked);
        let found = ask.await;
        let mut state = self.locked();
        // If it was changed while it was read, the answer may be older than that.
        if matches!(state.entries.get(topic), Some((asked, Entry::Asked)) if *asked == ticket) {
            match &found {
                Ok(Some(object)) if is_followed(object) => {
                    state.put(topic, Entry::Known(object.clone()));
                }
                _ => state.remove(topic),
            }
        }
        found
    }

    /// A write of ours left the object like this.
    pub fn wrote(&self, topic: &Dependency, object: T) {
        // What is not known any more has been changed by somebody since.
        if let Some((_, Entry::Known(known))) = self.locked().entries.get_mut(topic) {
            *known = object;
        }
    }

    /// The object has this version now, or is gone: it is to be read again unless it is known like that.
    pub fn changed(&self, topic: &Dependency, version: Option<&str>) {
        let mut state = self.locked();
        let same = match state.entries.get(topic) {
            Some((_, Entry::Known(known))) => version.is_some_and(|version| is_of(known, version)),
            _ => false,
        };
        if !same {
            state.remove(topic);
        }
    }

    /// Nothing is known of these any more.
    pub fn forget(&self, is_meant: impl Fn(&Dependency) -> bool) {
        let mut state = self.locked();
        let meant: Vec<Dependency> = state
            .entries
            .keys()
            .filter(|t| is_meant(t))
            .cloned()
            .collect();
        for topic in &meant {
            state.remove(topic);
        }
    }

    fn locked(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> State<T> {
    fn known(&mut self, topic: &Dependency) -> Option<T> {
        let (_, Entry::Known(object)) = self.entries.get(topic)? else {
            return None;
        };
        let object = object.clone();
        self.put(topic, Entry::Known(object.clone()));
        Some(object)
    }

    /// The number of this use; what was used longest ago makes room.
    fn put(&mut self, topic: &Dependency, entry: Entry<T>) -> u64 {
        self.remove(topic);
        if self.entries.len() >= MOST
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.uses += 1;
        self.order.insert(self.uses, topic.clone());
        self.entries.insert(topic.clone(), (self.uses, entry));
        self.uses
    }

    fn remove(&mut self, topic: &Dependency) {
        if let Some((used, _)) = self.entries.remove(topic) {
            self.order.remove(&used);
        }
    }
}

/// True if the object has this version or a later one: versions of one kind only grow.
fn is_of(object: &impl ResourceExt, version: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    let known = object.resource_version();
    match (known.as_deref().and_then(number), number(version)) {
        (Some(known), Some(version)) => known >= version,
        _ => false,
    }
}

#[cfg(test)]
#[path = "object_cache_tests.rs"]
mod tests;
