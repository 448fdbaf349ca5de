//! [`Running`]: tenants whose data is moved now.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use kamaji_shell::{ObjectKey, lock::lock};

/// Tenants at which a migration works. Clones share them.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<HashSet<ObjectKey>>>);

/// One tenant at which a migration works, until the value is dropped.
pub struct Run(Running, ObjectKey);

impl Running {
    /// Begins work at `key`, which the queue does once at a time.
    pub fn start(&self, key: &ObjectKey) -> Run {
        lock(&self.0).insert(key.clone());
        Run(self.clone(), key.clone())
    }

    /// True while a migration works at `key`.
    pub fn is_running(&self, key: &ObjectKey) -> bool {
        lock(&self.0).contains(key)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        lock(&self.0.0).remove(&self.1);
    }
}
