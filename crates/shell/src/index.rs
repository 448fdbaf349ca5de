//! Index of the objects of all tenants: one watch for each kind, each object folded into an [`Entry`].
//!
//! ```text
//!                    management cluster
//!     Secrets (metadata) ConfigMaps Services Deployments Ingresses TLSRoutes
//!         |                  |         |          |          |         |
//!         v                  v         v          v          v         v
//!    watch::children    watch::children  ...  one watch for each kind
//!         |
//!         |  observed, deleted, retain_listed         apply::Writer::write
//!         |                                                   |
//!         |                                                   |  remember
//!         v                                                   v
//!    +------------------------------ Index ------------------------------+
//!    |  tenants:  ObjectKey -> { ObjectRef }                             |
//!    |  children: ObjectRef -> tenant                                    |
//!    |                         Entry   { child, fingerprint, facts }     |
//!    |                         written { planned hash, fingerprint }     |
//!    |  deleted:  uid -> resource version (the last 4096)                |
//!    +-------------------------------------------------------------------+
//!         |                           |                       |
//!         |  keys to enqueue          |  children, entry      |  as_planned
//!         v                           v                       v
//!    queue of tenants         snapshot of a reconcile     skip the write
//! ```
//!
//! A child belongs to the tenant whose name is in its label and in its own name: an object with the label and
//! another name is ignored. A child is as planned if the hash of the planned object is the one that was written
//! last, and the fingerprint is the one that the API server returned then. A watch lags behind answers to writes,
//! so an older version never replaces a newer one, and an answer never brings back what was deleted meanwhile.

use std::{
    collections::BTreeSet,
    sync::{Arc, RwLock},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kamaji_api::labels;
use kamaji_core::{
    names::Names,
    object::{Kind, Object, ObjectRef, Version},
};
use kube::api::DynamicObject;

use crate::{
    key::ObjectKey,
    live::{Live, fingerprint, into_json},
    lock,
};

mod entry;
mod state;

use entry::digest;
pub use entry::{Entry, Facts};
use state::{State, Written};

/// Number of complete lists when a request was sent, see [`Index::since`].
#[derive(Clone, Copy, Debug)]
pub struct Since(u64);

/// Answer of the API server to a write or read of a child.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The object as it was returned.
    pub live: &'a Live,
    /// Result of [`Index::since`] before the request was sent.
    pub since: Since,
}

/// Children of all tenants of the management cluster. Clones share the content.
#[derive(Clone, Default)]
pub struct Index {
    state: Arc<RwLock<State>>,
}

impl Index {
    /// The entry of one child; `None` if it does not exist.
    pub fn entry(&self, key: &ObjectRef) -> Option<Entry> {
        let state = lock::read(&self.state);
        state.children.get(key).map(|child| child.entry.clone())
    }

    /// Copies of all children of a tenant, ordered by kind and name.
    pub fn children(&self, tenant: &ObjectKey) -> Vec<(ObjectRef, Entry)> {
        let state = lock::read(&self.state);
        let keys = state.tenants.get(tenant).into_iter().flatten();
        keys.filter_map(|key| {
            let child = state.children.get(key)?;
            Some((key.as_ref().clone(), child.entry.clone()))
        })
        .collect()
    }

    /// Calls `callback` with every child of a tenant, in the order of [`Index::children`] and without copies.
    pub fn each(&self, tenant: &ObjectKey, mut callback: impl FnMut(&ObjectRef, &Entry)) {
        let state = lock::read(&self.state);
        for key in state.tenants.get(tenant).into_iter().flatten() {
            if let Some(child) = state.children.get(key) {
                callback(key, &child.entry);
            }
        }
    }

    /// True if the last write of `object` had this content and the child has not changed since.
    pub fn as_planned(&self, object: &Object) -> bool {
        let state = lock::read(&self.state);
        let child = state.children.get(&object.key);
        child.is_some_and(|child| {
            child.written.is_some_and(|written| {
                written.planned == digest(&object.hash)
                    && written.fingerprint == child.entry.fingerprint
            })
        })
    }

    /// Marks the time of a request whose answer is passed to [`Index::remember`]; call it before the request.
    pub fn since(&self) -> Since {
        Since(lock::read(&self.state).lists)
    }

    /// Records that `object` was written, or was read and found as planned. An answer about an object that was
    /// deleted or replaced meanwhile is dropped.
    pub fn remember(&self, tenant: &ObjectKey, object: &Object, answer: Answer<'_>) {
        let live = answer.live;
        let kind = object.key.kind;
        let entry = Entry::of(kind, &tenant.name, &live.body, live.fingerprint);
        let written = Written {
            planned: digest(&object.hash),
            fingerprint: live.fingerprint,
        };
        let mut state = lock::write(&self.state);
        // A list that was completed since then contains the object, or the watch delivers it later.
        if state.lists != answer.since.0 && !state.children.contains_key(&object.key) {
            return;
        }
        state.insert(tenant, &object.key, entry);
        if let Some(known) = state.children.get_mut(&object.key)
            && known.entry.child.version.uid == live.version.uid
        {
            known.written = Some(written);
        }
    }

    /// Records an object that a watch delivered. Returns the tenants to enqueue: the one that it belongs to, and
    /// the one that it belonged to if that changed.
    pub fn observed(&self, kind: Kind, object: DynamicObject) -> Vec<ObjectKey> {
        let Some((tenant, key)) = owner(kind, &object.metadata) else {
            // The label with the tenant's name was removed, or never set.
            let lost = object_ref(kind, &object.metadata);
            return lost
                .and_then(|key| lock::write(&self.state).remove(&key))
                .into_iter()
                .collect();
        };
        let body = into_json(object);
        let entry = Entry::of(kind, &tenant.name, &body, fingerprint(&body));
        let mut state = lock::write(&self.state);
        let former = state
            .children
            .get(&key)
            .filter(|child| *child.tenant != tenant)
            .map(|child| child.tenant.as_ref().clone());
        state.insert(&tenant, &key, entry);
        former.into_iter().chain([tenant]).collect()
    }

    /// Records a deletion. Returns the tenant to enqueue, if the child was known; one that was created again under
    /// the same name stays.
    pub fn deleted(&self, key: &ObjectRef, version: &Version) -> Option<ObjectKey> {
        let mut state = lock::write(&self.state);
        state.bury(version);
        let known = state.children.get(key)?;
        if known.entry.child.version.uid != version.uid {
            return None;
        }
        state.remove(key)
    }

    /// Records a complete list of `kind`: removes children of that kind that are not in `listed`. Returns the
    /// tenants to enqueue.
    pub fn retain_listed(&self, kind: Kind, listed: &BTreeSet<ObjectRef>) -> Vec<ObjectKey> {
        let mut state = lock::write(&self.state);
        let gone: Vec<_> = state
            .children
            .keys()
            .filter(|key| key.kind == kind && !listed.contains(key.as_ref()))
            .cloned()
            .collect();
        state.lists += 1;
        gone.iter().filter_map(|key| state.remove(key)).collect()
    }
}

/// The tenant that an object of `kind` belongs to, by label and name, and the object's own reference.
fn owner(kind: Kind, metadata: &ObjectMeta) -> Option<(ObjectKey, ObjectRef)> {
    let key = object_ref(kind, metadata)?;
    let tenant = metadata.labels.as_ref()?.get(labels::NAME)?;
    if !Names::of(tenant).include(kind, &key.name) {
        return None;
    }
    Some((ObjectKey::new(key.namespace.as_deref()?, tenant), key))
}

fn object_ref(kind: Kind, metadata: &ObjectMeta) -> Option<ObjectRef> {
    let name = metadata.name.as_deref()?;
    let namespace = metadata.namespace.as_deref()?;
    Some(ObjectRef::namespaced(kind, namespace, name))
}

#[cfg(test)]
mod tests;
