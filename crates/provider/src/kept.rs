//! What need not be read again? A control plane that comes up is looked at many times; what those looks
//! read stays until a watch tells of a change, or until the control plane runs.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::ResourceExt;

use crate::interest::Topic;

/// Objects that are kept at most, some 10 MB; what comes on top is read each time.
const MOST: usize = 1024;

/// Objects of a kind that have been read.
pub struct Kept<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    entries: HashMap<Topic, Entry<T>>,
    /// Tells those who ask apart.
    next: u64,
}

enum Entry<T> {
    /// Somebody asks for it now.
    Asked(u64),
    /// The last answer.
    Known(T),
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        let state = State {
            entries: HashMap::new(),
            next: 0,
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

impl<T: ResourceExt + Clone> Kept<T> {
    /// The object of `topic`, if it is there; `ask` is awaited only if it is not known. Only objects
    /// that a watch follows may stay, and what is not there may come without a word.
    pub async fn read<E>(
        &self,
        (topic, is_followed): (&Topic, impl Fn(&T) -> bool),
        ask: impl Future<Output = Result<Option<T>, E>>,
    ) -> Result<Option<T>, E> {
        let ticket = {
            let mut state = self.locked();
            if let Some(Entry::Known(object)) = state.entries.get(topic) {
                return Ok(Some(object.clone()));
            }
            state.ask(topic)
        };
        let found = ask.await;
        let mut state = self.locked();
        // If it was changed while it was read, the answer may be older than that.
        if matches!(state.entries.get(topic), Some(Entry::Asked(asked)) if *asked == ticket) {
            match &found {
                Ok(Some(object)) if is_followed(object) => {
                    let known = Entry::Known(object.clone());
                    state.entries.insert(topic.clone(), known);
                }
                _ => drop(state.entries.remove(topic)),
            }
        }
        found
    }

    /// A write of ours left the object like this.
    pub fn wrote(&self, topic: &Topic, object: T) {
        // What is not known any more has been changed by somebody since.
        if let Some(Entry::Known(known)) = self.locked().entries.get_mut(topic) {
            *known = object;
        }
    }

    /// The object has this version now, or is gone: it is to be read again unless it is known like that.
    pub fn changed(&self, topic: &Topic, version: Option<&str>) {
        let mut state = self.locked();
        let same = match state.entries.get(topic) {
            Some(Entry::Known(known)) => version.is_some_and(|version| is_of(known, version)),
            _ => false,
        };
        if !same {
            state.entries.remove(topic);
        }
    }

    /// These are not needed any more, or uncertain.
    pub fn forget(&self, is_meant: impl Fn(&Topic) -> bool) {
        self.locked().entries.retain(|topic, _| !is_meant(topic));
    }

    fn locked(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn ask(&mut self, topic: &Topic) -> u64 {
        self.next += 1;
        if self.entries.len() < MOST || self.entries.contains_key(topic) {
            let asked = Entry::Asked(self.next);
            self.entries.insert(topic.clone(), asked);
        }
        self.next
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
#[path = "kept_tests.rs"]
mod tests;
