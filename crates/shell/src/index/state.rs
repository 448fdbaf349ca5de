//! [`State`]: the maps behind the index, and the rules by which a version of a child replaces another.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use kamaji_core::object::{ObjectRef, Version};

use super::entry::Entry;
use crate::key::ObjectKey;

/// Deletions that are remembered: more than a watch delivers while one write is answered.
pub(super) const DELETIONS: usize = 4096;

/// The last write to a child, or the last read that found it as planned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// Digest of the planned content hash.
    pub planned: u64,
    /// Fingerprint of the object that the API server returned.
    pub fingerprint: u64,
}

/// A child, its tenant, and the last write to it.
pub(super) struct Known {
    pub tenant: Arc<ObjectKey>,
    pub entry: Entry,
    /// `None` until this process wrote the child or found it as planned.
    pub written: Option<Written>,
}

/// Children by object and by tenant. Keys are shared, since names are long and there are many.
#[derive(Default)]
pub(super) struct State {
    pub children: HashMap<Arc<ObjectRef>, Known>,
    pub tenants: HashMap<Arc<ObjectKey>, BTreeSet<Arc<ObjectRef>>>,
    /// Uids of the last deleted objects, with the resource version of the deletion. An older answer to a write
    /// does not bring them back. An object that only lost its label may return with a newer version.
    pub deleted: HashMap<Arc<str>, u64>,
    /// Keys of `deleted`, oldest first.
    pub order: VecDeque<Arc<str>>,
    /// Number of complete lists so far, of all kinds.
    pub lists: u64,
}

impl State {
    /// Remembers that the object of this uid was deleted at this resource version.
    pub(super) fn bury(&mut self, version: &Version) {
        if let Some(revision) = self.deleted.get_mut(&*version.uid) {
            *revision = version.revision.max(*revision);
            return;
        }
        let uid: Arc<str> = (&*version.uid).into();
        self.deleted.insert(uid.clone(), version.revision);
        self.order.push_back(uid);
        if self.order.len() > DELETIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.deleted.remove(&oldest);
        }
    }

    /// Stores `entry`, unless a newer version is known or the object was deleted at that version or later.
    pub(super) fn insert(&mut self, tenant: &ObjectKey, key: &ObjectRef, entry: Entry) {
        let version = &entry.child.version;
        let deleted = self.deleted.get(&*version.uid);
        if deleted.is_some_and(|deleted| version.revision <= *deleted) {
            return;
        }
        let known = self.children.get_key_value(key);
        let (key, former) = match known {
            Some((_, known)) if known.entry.child.version.revision > version.revision => return,
            Some((key, known)) => (key.clone(), Some(known.tenant.clone())),
            None => (Arc::new(key.clone()), None),
        };
        let tenant = match self.tenants.get_key_value(tenant) {
            Some((known, _)) => known.clone(),
            None => Arc::new(tenant.clone()),
        };
        if former.as_ref() != Some(&tenant) {
            if let Some(former) = former {
                self.detach(&former, &key);
            }
            let keys = self.tenants.entry(tenant.clone()).or_default();
            keys.insert(key.clone());
        }
        let written = self.children.get(&key).and_then(|known| known.written);
        let known = Known {
            tenant,
            entry,
            written,
        };
        self.children.insert(key, known);
    }

    /// Removes a child; returns its tenant.
    pub(super) fn remove(&mut self, key: &ObjectRef) -> Option<ObjectKey> {
        let child = self.children.remove(key)?;
        self.detach(&child.tenant, key);
        Some(child.tenant.as_ref().clone())
    }

    /// Removes `key` from the children of `tenant`.
    fn detach(&mut self, tenant: &ObjectKey, key: &ObjectRef) {
        if let Some(keys) = self.tenants.get_mut(tenant) {
            keys.remove(key);
            if keys.is_empty() {
                self.tenants.remove(tenant);
            }
        }
    }
}
