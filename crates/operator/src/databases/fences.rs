//! Turns at a tenant's share of a DataStore, and fences of migrations in this process.
//!
//! One operation at a time works at a share, from before it reads what is known of the share until that is recorded: of
//! two at once, the datastore could have the rights of the one, and this process remember the other's. What is ensured
//! at a fenced share comes without the right to write.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use kamaji_core::binding::{Access, Binding};
use kamaji_shell::{ObjectKey, lock::lock};
use tokio::sync::OwnedMutexGuard;

/// A tenant's share of one DataStore.
type Share = (ObjectKey, String);

/// Shares that are fenced by this process, and the turns at those where an operation is under way or waits.
#[derive(Default)]
pub(super) struct Fences {
    fenced: Mutex<HashSet<Share>>,
    turns: Mutex<HashMap<Share, Arc<tokio::sync::Mutex<()>>>>,
}

/// The turn at a share, until the value is dropped.
pub(super) struct Turn<'a> {
    fences: &'a Fences,
    share: Share,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Fences {
    /// Waits for the turn to ensure `binding`. At a share that is fenced, it comes without the right to write, whatever
    /// the plan that it was made for knew.
    pub(super) async fn enter(&self, share: &Share, binding: &Binding) -> (Turn<'_>, Binding) {
        let turn = self.turn(share).await;
        let access = if lock(&self.fenced).contains(share) {
            Access::ReadOnly
        } else {
            binding.access
        };
        let binding = Binding {
            access,
            ..binding.clone()
        };
        (turn, binding)
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
        drop(self.turn(share).await);
    }

    /// True if no operation is under way or waits.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        lock(&self.turns).is_empty()
    }

    async fn turn(&self, share: &Share) -> Turn<'_> {
        let queue = lock(&self.turns).entry(share.clone()).or_default().clone();
        // Before it waits: a wait that is given up cleans up as well.
        let mut turn = Turn {
            fences: self,
            share: share.clone(),
            guard: None,
        };
        turn.guard = Some(queue.lock_owned().await);
        turn
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut turns = lock(&self.fences.turns);
        // The map's own; everybody who waits or works has another.
        let unused = |queue: &Arc<_>| Arc::strong_count(queue) == 1;
        if turns.get(&self.share).is_some_and(unused) {
            turns.remove(&self.share);
        }
    }
}
