//! Fingerprints of everything that a tenant's plan depends on: equal ones need no new plan.

use std::hash::{DefaultHasher, Hasher};

use kamaji_api::tenant::TenantControlPlane;
use kamaji_shell::{
    ObjectKey,
    index::{Entry, Index},
};

/// Hashes of everything that a plan of one tenant depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Uid, generation, annotations, finalizers and status of the TenantControlPlane.
    pub object: u64,
    /// The tenant's objects in the management cluster.
    pub children: Children,
    /// DataStores, the last reconcile of the tenant cluster, and the APIs that are served.
    pub environment: u64,
}

/// The objects of one tenant, as the index has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Children {
    /// Hash of what other controllers report, an address or a rollout for example.
    pub facts: u64,
    /// Hash of what the operator wrote.
    pub content: u64,
}

impl Fingerprint {
    /// The fingerprint of a tenant as it is known now.
    pub fn of(
        index: &Index,
        key: &ObjectKey,
        object: &TenantControlPlane,
        environment: u64,
    ) -> Self {
        Self {
            object: object_hash(object),
            children: Children {
                facts: facts(index, key),
                content: content(index, key),
            },
            environment,
        }
    }

    /// The fingerprint after the operator's own writes: the object and the content are as they are now.
    /// Facts and environment stay as observed, so that what changed during the reconcile starts another.
    pub fn after_writes(self, index: &Index, key: &ObjectKey, object: &TenantControlPlane) -> Self {
        Self {
            object: object_hash(object),
            children: Children {
                content: content(index, key),
                ..self.children
            },
            ..self
        }
    }
}

fn object_hash(object: &TenantControlPlane) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = &object.metadata;
    for part in [
        serde_json::to_vec(&(
            &meta.uid,
            &meta.generation,
            &meta.annotations,
            &meta.finalizers,
        )),
        serde_json::to_vec(&object.status),
    ] {
        hasher.write(&part.unwrap_or_default());
    }
    hasher.finish()
}

/// The hash of what other controllers report in the tenant's objects.
pub fn facts(index: &Index, key: &ObjectKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    let add = |entry: &Entry| hasher.write_u64(entry.facts_digest());
    index.each(key, add);
    hasher.finish()
}

fn content(index: &Index, key: &ObjectKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    let add = |entry: &Entry| hasher.write_u64(entry.content_digest());
    index.each(key, add);
    hasher.finish()
}
