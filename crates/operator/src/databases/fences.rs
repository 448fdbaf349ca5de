//! Fences of migrations in this process: what else is ensured at a fenced share comes without the right to write.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
    time::Duration,
};

use kamaji_core::binding::{Access, Binding};
use kamaji_shell::{ObjectKey, lock::lock};

/// Interval at which a fence looks for the end of operations from before it.
const GLANCE: Duration = Duration::from_millis(10);

/// A tenant's share of one DataStore.
type Share = (ObjectKey, String);

/// Shares that are fenced by this process, and operations that are under way, which may have been asked for before.
#[derive(Default)]
pub(super) struct Fences {
    fenced: Mutex<HashSet<Share>>,
    ensuring: Mutex<HashMap<Share, usize>>,
}

/// Operation at a share, until the value is dropped.
pub(super) struct Ensuring<'a>(&'a Fences, Share);

impl Fences {
    /// Begins to ensure `binding`. At a share that is fenced, it comes without the right to write, whatever the plan
    /// that it was made for knew.
    pub(super) fn enter(&self, share: &Share, binding: &Binding) -> (Ensuring<'_>, Binding) {
        *lock(&self.ensuring).entry(share.clone()).or_default() += 1;
        // Read after the operation is counted: a fence that is not seen here waits for it.
        let access = if lock(&self.fenced).contains(share) {
            Access::ReadOnly
        } else {
            binding.access
        };
        let binding = Binding {
            access,
            ..binding.clone()
        };
        (Ensuring(self, share.clone()), binding)
    }

    /// Ends the fence of a share.
    pub(super) fn open(&self, share: &Share) {
        lock(&self.fenced).remove(share);
    }

    /// Forgets a tenant that does not exist any more.
    pub(super) fn forget(&self, key: &ObjectKey) {
        lock(&self.fenced).retain(|(tenant, _)| tenant != key);
    }

    /// Has every operation that begins from now on take the right to write, and waits for those that began before.
    pub(super) async fn close(&self, share: &Share) {
        lock(&self.fenced).insert(share.clone());
        while lock(&self.ensuring).contains_key(share) {
            tokio::time::sleep(GLANCE).await;
        }
    }
}

impl Drop for Ensuring<'_> {
    fn drop(&mut self) {
        let mut ensuring = lock(&self.0.ensuring);
        if let Some(count) = ensuring.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                ensuring.remove(&self.1);
            }
        }
    }
}
