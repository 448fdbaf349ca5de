//! Whom does an event concern? Whoever looked at the object: each look says what it looked at, whether
//! it was there or not, and that wakes the next one.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Mutex,
};

use kamaji_shell::ObjectKey;

/// What a look at a control plane may depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dependency {
    /// A Cluster.
    Cluster(ObjectKey),
    /// A TenantControlPlane of this management cluster.
    Tenant(ObjectKey),
    /// A Secret.
    Secret(ObjectKey),
    /// An infrastructure cluster: group and kind, and which.
    Infrastructure((String, String), ObjectKey),
    /// Which kinds there are.
    Definitions,
    /// The Secret with the kubeconfig of another management cluster.
    Kubeconfig(ObjectKey),
    /// A TenantControlPlane of another management cluster: whose kubeconfig it is, and which.
    Remote(ObjectKey, ObjectKey),
}

/// Who is interested in what.
#[derive(Debug, Default)]
pub struct Interests {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_topic: HashMap<Dependency, HashSet<ObjectKey>>,
    by_key: HashMap<ObjectKey, BTreeSet<Dependency>>,
}

impl Interests {
    /// `key` looks at these from now on, and at nothing else.
    pub fn declare(&self, key: &ObjectKey, topics: BTreeSet<Dependency>) {
        let mut state = self.locked();
        let had = state.by_key.insert(key.clone(), topics.clone());
        for gone in had.iter().flatten().filter(|had| !topics.contains(*had)) {
            state.leave(gone, key);
        }
        for topic in topics {
            state.by_topic.entry(topic).or_default().insert(key.clone());
        }
    }

    /// `key` is gone.
    pub fn forget(&self, key: &ObjectKey) {
        let mut state = self.locked();
        for topic in state.by_key.remove(key).iter().flatten() {
            state.leave(topic, key);
        }
    }

    /// Whom a topic concerns.
    pub fn of(&self, topic: &Dependency) -> Vec<ObjectKey> {
        let state = self.locked();
        state
            .by_topic
            .get(topic)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Every topic that somebody is interested in.
    pub fn topics(&self) -> Vec<Dependency> {
        self.locked().by_topic.keys().cloned().collect()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn leave(&mut self, topic: &Dependency, key: &ObjectKey) {
        if let Some(keys) = self.by_topic.get_mut(topic) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_topic.remove(topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str) -> Dependency {
        Dependency::Cluster(ObjectKey::new("n", name))
    }

    #[test]
    fn the_last_look_alone_counts() {
        let interests = Interests::default();
        let key = ObjectKey::new("n", "k");
        interests.declare(&key, BTreeSet::from([cluster("a"), cluster("b")]));
        interests.declare(&key, BTreeSet::from([cluster("b")]));
        assert!(interests.of(&cluster("a")).is_empty());
        assert_eq!(interests.of(&cluster("b")), std::slice::from_ref(&key));
        interests.forget(&key);
        assert!(interests.topics().is_empty());
    }
}
