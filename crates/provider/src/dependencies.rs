//! Dependency index: which control planes read which objects, including absent ones. An event on an object requeues
//! its readers.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Mutex,
};

use kamaji_shell::{ObjectKey, lock::lock};

/// Object, or set of objects, that the plan of a control plane depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dependency {
    /// A Cluster of Cluster API.
    Cluster(ObjectKey),
    /// A TenantControlPlane of the provider's own management cluster.
    Tenant(ObjectKey),
    /// A Secret of the provider's own management cluster.
    Secret(ObjectKey),
    /// An infrastructure cluster, by group and kind, and by namespace and name.
    Infrastructure((String, String), ObjectKey),
    /// The CustomResourceDefinitions and their labels.
    Definitions,
    /// The Secret with the kubeconfig of another management cluster.
    Kubeconfig(ObjectKey),
    /// A TenantControlPlane of another management cluster: the Secret with the kubeconfig, and the tenant.
    Remote(ObjectKey, ObjectKey),
}

/// Index of dependencies by control plane, and of control planes by dependency.
#[derive(Debug, Default)]
pub struct DependencyIndex {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_dependency: HashMap<Dependency, HashSet<ObjectKey>>,
    by_key: HashMap<ObjectKey, BTreeSet<Dependency>>,
}

impl DependencyIndex {
    /// Replaces the dependencies of the control plane `key`.
    pub fn declare(&self, key: &ObjectKey, dependencies: BTreeSet<Dependency>) {
        let mut state = self.locked();
        let had = state.by_key.insert(key.clone(), dependencies.clone());
        for gone in had
            .iter()
            .flatten()
            .filter(|had| !dependencies.contains(*had))
        {
            state.leave(gone, key);
        }
        for dependency in dependencies {
            state
                .by_dependency
                .entry(dependency)
                .or_default()
                .insert(key.clone());
        }
    }

    /// Removes a deleted control plane.
    pub fn forget(&self, key: &ObjectKey) {
        let mut state = self.locked();
        for dependency in state.by_key.remove(key).iter().flatten() {
            state.leave(dependency, key);
        }
    }

    /// Control planes that depend on an object, in no particular order.
    pub fn dependents(&self, dependency: &Dependency) -> Vec<ObjectKey> {
        let state = self.locked();
        state
            .by_dependency
            .get(dependency)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// All objects that a control plane depends on, in no particular order.
    pub fn dependencies(&self) -> Vec<Dependency> {
        self.locked().by_dependency.keys().cloned().collect()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn leave(&mut self, dependency: &Dependency, key: &ObjectKey) {
        if let Some(keys) = self.by_dependency.get_mut(dependency) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_dependency.remove(dependency);
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
    fn a_declaration_replaces_the_one_before() {
        let index = DependencyIndex::default();
        let key = ObjectKey::new("n", "k");
        index.declare(&key, BTreeSet::from([cluster("a"), cluster("b")]));
        index.declare(&key, BTreeSet::from([cluster("b")]));
        assert!(index.dependents(&cluster("a")).is_empty());
        assert_eq!(index.dependents(&cluster("b")), std::slice::from_ref(&key));
        index.forget(&key);
        assert!(index.dependencies().is_empty());
    }
}
