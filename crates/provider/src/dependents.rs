//! Reaction to changes of watched objects: cached copies are dropped, and the control planes that depend on the
//! objects are requeued.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kamaji_shell::{ObjectKey, queue::Queue};
use kube::api::DynamicObject;

use crate::{
    dependencies::{Dependency, DependencyIndex},
    object_cache::ObjectCache,
};

/// Dependency index, work queue and object caches; clones share them.
#[derive(Clone)]
pub struct Dependents {
    /// Objects that each control plane depends on.
    pub index: Arc<DependencyIndex>,
    /// Secrets of the provider's own management cluster that were read.
    pub secrets: Arc<ObjectCache<Secret>>,
    /// Infrastructure clusters that were read.
    pub infrastructures: Arc<ObjectCache<DynamicObject>>,
    queue: Queue<ObjectKey>,
}

impl Dependents {
    /// Empty index and caches; `queue` gets the control planes to reconcile.
    pub fn new(queue: Queue<ObjectKey>) -> Self {
        Self {
            index: Arc::default(),
            secrets: Arc::default(),
            infrastructures: Arc::default(),
            queue,
        }
    }

    /// Requeues every control plane that depends on the object.
    pub fn enqueue(&self, dependency: &Dependency) {
        for key in self.index.dependents(dependency) {
            self.queue.enqueue(key);
        }
    }

    /// Handles a watch event: the object has this resource version now, or `None` if it was deleted. Its cached copy
    /// is dropped unless it is as new.
    pub fn changed(&self, dependency: &Dependency, version: Option<&str>) {
        self.secrets.changed(dependency, version);
        self.infrastructures.changed(dependency, version);
        self.enqueue(dependency);
    }

    /// Handles the restart of a watch: each selected object may have changed while there was no watch.
    pub fn invalidate(&self, selects: impl Fn(&Dependency) -> bool) {
        self.secrets.forget(&selects);
        self.infrastructures.forget(&selects);
        for dependency in self.index.dependencies() {
            if selects(&dependency) {
                self.enqueue(&dependency);
            }
        }
    }
}
