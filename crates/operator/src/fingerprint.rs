//! Fingerprints of everything that a tenant's plan depends on: equal ones need no new plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hasher},
};

use kamaji_api::tenant::TenantControlPlane;
use kamaji_core::object::ObjectRef;
use kamaji_shell::{
    ObjectKey,
    index::{Entry, Index},
};

/// Digests of what was written in each of a tenant's objects, by whomever.
pub type Contents = BTreeMap<ObjectRef, u64>;

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
    /// Hash of the [`Contents`].
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

    /// The fingerprint after the operator's own writes: the object is as it is now, and `contents` are those of
    /// [`contents_after`]. Facts and environment stay as observed, so that what changed during the reconcile starts another.
    pub fn after_writes(self, object: &TenantControlPlane, contents: &Contents) -> Self {
        Self {
            object: object_hash(object),
            children: Children {
                content: hash(contents),
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
    let add = |_: &ObjectRef, entry: &Entry| hasher.write_u64(entry.facts_digest());
    index.each(key, add);
    hasher.finish()
}

/// The hash of the tenant's [`contents`], made without them: both are in the order of the objects' keys.
fn content(index: &Index, key: &ObjectKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    let add = |_: &ObjectRef, entry: &Entry| hasher.write_u64(entry.content_digest());
    index.each(key, add);
    hasher.finish()
}

/// The contents of the tenant's objects as the index has them now.
pub fn contents(index: &Index, key: &ObjectKey) -> Contents {
    let mut contents = Contents::new();
    index.each(key, |object, entry| {
        contents.insert(object.clone(), entry.content_digest());
    });
    contents
}

/// Contents of the objects that the operator has written as they are now, and of all others as they were `before`: what
/// somebody else changed during the reconcile was not planned for, and starts another.
pub fn contents_after(
    mut before: Contents,
    now: Contents,
    written: &BTreeSet<ObjectRef>,
) -> Contents {
    before.retain(|object, _| !written.contains(object));
    let own = now
        .into_iter()
        .filter(|(object, _)| written.contains(object));
    before.extend(own);
    before
}

fn hash(contents: &Contents) -> u64 {
    let mut hasher = DefaultHasher::new();
    for digest in contents.values() {
        hasher.write_u64(*digest);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use kamaji_api::labels;
    use kamaji_core::object::Kind;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_content_of_the_index_is_the_hash_of_its_contents() {
        let (index, tenant) = (Index::default(), ObjectKey::new("n", "t"));
        for (kind, name) in [
            (Kind::Service, "t"),
            (Kind::Secret, "t-sa-certificate"),
            (Kind::ConfigMap, "t-kubeadmconfig"),
            (Kind::Secret, "t-ca"),
        ] {
            let object = serde_json::from_value(json!({"metadata": {
                "name": name, "namespace": "n", "uid": name, "resourceVersion": "1",
                "labels": {labels::PROJECT: "kamaji", labels::NAME: "t"},
            }}));
            index.observed(kind, object.unwrap());
        }
        let contents = contents(&index, &tenant);
        assert_eq!(contents.len(), 4);
        assert_eq!(content(&index, &tenant), hash(&contents));
    }

    #[test]
    fn what_others_change_during_a_reconcile_differs_from_what_is_recorded_after_it() {
        let object = |name: &str| ObjectRef::namespaced(Kind::Secret, "n", name);
        let contents = |all: &[(&str, u64)]| -> Contents {
            let all = all.iter().map(|(name, digest)| (object(name), *digest));
            all.collect()
        };
        let before = contents(&[("foreign", 1), ("own", 2), ("pruned", 3)]);
        let written = BTreeSet::from(["made", "own", "pruned"].map(object));
        let recorded =
            |now: &[(&str, u64)]| contents_after(before.clone(), contents(now), &written);

        let own = [("foreign", 1), ("made", 5), ("own", 4)];
        assert_eq!(recorded(&own), contents(&own));
        for others in [
            &[("made", 5), ("own", 4)][..],
            &[("foreign", 9), ("made", 5), ("own", 4)],
            &[("foreign", 1), ("made", 5), ("new", 7), ("own", 4)],
        ] {
            assert_eq!(recorded(others), contents(&own), "{others:?}");
        }
    }
}
