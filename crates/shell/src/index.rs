//! What is there for each tenant? One watch a kind, each object folded into a few bytes.
//!
//! Children are known by name: what carries a tenant's labels and has none of its objects' names is not
//! kept. A child is as planned if the planned hash is the one that was last written and what the API
//! server returned then has not changed since.

use std::{
    collections::{BTreeSet, HashMap, VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, RwLock},
};

use k8s_openapi::{
    api::{
        apps::v1::DeploymentStatus,
        core::v1::{Service, ServiceSpec, ServiceStatus},
        networking::v1::IngressStatus,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kamaji_api::{foreign::TlsRoute, labels};
use kamaji_core::{
    adoption::Child,
    names::Names,
    object::{CONTENT_HASH, Kind, Object, ObjectRef, Version},
    snapshot::DeploymentView,
};
use kube::api::DynamicObject;
use serde_json::Value;

use super::apply::Live;
use crate::key::ObjectKey;

/// One child.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whose it is, and which version: a watch may tell of older ones than our own writes returned.
    pub child: Child,
    /// Hash of what it says, status and bookkeeping aside.
    pub fingerprint: u64,
    /// Digest of the content hash that it is stamped with.
    pub stamped: Option<u64>,
    /// What plans need of it beyond that.
    pub facts: Facts,
}

/// What plans need of a child.
#[derive(Clone, Debug, Default)]
pub enum Facts {
    /// Nothing.
    #[default]
    None,
    /// Status, generation and images.
    Deployment(Box<DeploymentView>),
    /// Addresses.
    Service(Box<Service>),
    /// Addresses.
    Ingress(Box<IngressStatus>),
    /// What gateways say.
    Route(Box<TlsRoute>),
}

impl Entry {
    /// What was written to it, in eight bytes.
    pub fn content_digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.child.version.uid, self.fingerprint, self.stamped).hash(&mut hasher);
        hasher.finish()
    }

    /// True if it is stamped with this content hash.
    pub fn is_stamped(&self, hash: &str) -> bool {
        self.stamped == Some(digest(hash))
    }

    /// What it says by itself (status, addresses), in eight bytes.
    pub fn facts_digest(&self) -> u64 {
        let value = match &self.facts {
            Facts::None => return 0,
            Facts::Deployment(view) => {
                serde_json::json!([
                    view.generation,
                    view.status,
                    view.stamped,
                    view.renderer,
                    view.image,
                    view.kine_image
                ])
            }
            Facts::Service(service) => serde_json::json!([service.spec, service.status]),
            Facts::Ingress(status) => serde_json::json!(status),
            Facts::Route(route) => serde_json::json!(route.status),
        };
        let mut hasher = DefaultHasher::new();
        value.to_string().hash(&mut hasher);
        hasher.finish()
    }
}

/// What was written last.
#[derive(Clone, Copy, Debug)]
struct Written {
    planned: u64,
    fingerprint: u64,
}

/// One child, whose it is, and what we wrote to it.
struct Known {
    tenant: Arc<ObjectKey>,
    entry: Entry,
    written: Option<Written>,
}

/// Names are long and there are many: each is kept once.
#[derive(Default)]
struct State {
    children: HashMap<Arc<ObjectRef>, Known>,
    tenants: HashMap<Arc<ObjectKey>, BTreeSet<Arc<ObjectRef>>>,
    /// Uids of what was told to be gone, and when: no older answer to a write brings them back. What only lost
    /// its label may come back with a newer version.
    dead: HashMap<Arc<str>, u64>,
    order: VecDeque<Arc<str>>,
    /// Counts complete lists.
    lists: u64,
}

/// Deletions that are remembered: more than can be told of while one write is answered.
const DEAD: usize = 4096;

/// When a write was sent or an object was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Since(u64);

/// The children of all tenants.
#[derive(Clone, Default)]
pub struct Index {
    state: Arc<RwLock<State>>,
}

impl Index {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The entry of one child.
    pub fn entry(&self, key: &ObjectRef) -> Option<Entry> {
        let state = self.read();
        state.children.get(key).map(|child| child.entry.clone())
    }

    /// Every child of a tenant, in order.
    pub fn children(&self, tenant: &ObjectKey) -> Vec<(ObjectRef, Entry)> {
        let state = self.read();
        let keys = state.tenants.get(tenant).into_iter().flatten();
        keys.filter_map(|key| {
            let child = state.children.get(key)?;
            Some((key.as_ref().clone(), child.entry.clone()))
        })
        .collect()
    }

    /// Passes by every child of a tenant, in order, without a copy.
    pub fn each(&self, tenant: &ObjectKey, mut look: impl FnMut(&Entry)) {
        let state = self.read();
        let keys = state.tenants.get(tenant).into_iter().flatten();
        keys.filter_map(|key| state.children.get(key))
            .for_each(|child| look(&child.entry));
    }

    /// True if `object` is there as planned.
    pub fn as_planned(&self, object: &Object) -> bool {
        let state = self.read();
        let child = state.children.get(&object.key);
        child.is_some_and(|child| {
            child.written.is_some_and(|written| {
                written.planned == digest(&object.hash)
                    && written.fingerprint == child.entry.fingerprint
            })
        })
    }

    /// To be asked for before a request whose answer is to be remembered.
    pub fn since(&self) -> Since {
        Since(self.read().lists)
    }

    /// `object` was written, or found to be as planned; `live` is what the API server answered to a
    /// request that was sent at `since`. What was told to be gone meanwhile stays so.
    pub fn remember(&self, tenant: &ObjectKey, object: &Object, (live, since): (&Live, Since)) {
        let entry = entry((object.key.kind, &tenant.name), &live.body);
        let written = Written {
            planned: digest(&object.hash),
            fingerprint: live.fingerprint,
        };
        let mut state = self.write();
        // A list that was complete meanwhile has it, or it was made later and the watch will tell.
        if state.lists != since.0 && !state.children.contains_key(&object.key) {
            return;
        }
        state.insert(tenant, &object.key, entry);
        if let Some(known) = state.children.get_mut(&object.key)
            && known.entry.child.version.uid == live.version.uid
        {
            known.written = Some(written);
        }
    }

    /// An object was seen; the tenants to wake: whose it is, and whose it was if that changed.
    pub fn seen(&self, kind: Kind, object: &DynamicObject) -> Vec<ObjectKey> {
        let Some((tenant, key)) = owner(kind, &object.metadata) else {
            // It lost the label with its tenant's name, or never had it.
            let lost = object_ref(kind, &object.metadata);
            return lost
                .and_then(|key| self.write().remove(&key))
                .into_iter()
                .collect();
        };
        let Ok(body) = serde_json::to_value(object) else {
            return Vec::new();
        };
        let mut state = self.write();
        let had = state
            .children
            .get(&key)
            .filter(|child| *child.tenant != tenant)
            .map(|child| child.tenant.as_ref().clone());
        state.insert(&tenant, &key, entry((kind, &tenant.name), &body));
        had.into_iter().chain([tenant]).collect()
    }

    /// An object is gone; the tenant to wake. One that was made anew under the same name stays.
    pub fn gone(&self, key: &ObjectRef, version: &Version) -> Option<ObjectKey> {
        let mut state = self.write();
        state.bury(version);
        let known = state.children.get(key)?;
        if known.entry.child.version.uid != version.uid {
            return None;
        }
        state.remove(key)
    }

    /// After a complete list of `kind`: whatever was not in it is gone. The tenants to wake.
    pub fn keep_only(&self, kind: Kind, seen: &BTreeSet<ObjectRef>) -> Vec<ObjectKey> {
        let mut state = self.write();
        let gone: Vec<_> = state
            .children
            .keys()
            .filter(|key| key.kind == kind && !seen.contains(key.as_ref()))
            .cloned()
            .collect();
        state.lists += 1;
        gone.iter().filter_map(|key| state.remove(key)).collect()
    }
}

impl State {
    /// Keeps the uid of something that is gone.
    fn bury(&mut self, version: &Version) {
        if let Some(revision) = self.dead.get_mut(&*version.uid) {
            *revision = version.revision.max(*revision);
            return;
        }
        let uid: Arc<str> = (&*version.uid).into();
        self.dead.insert(uid.clone(), version.revision);
        self.order.push_back(uid);
        if self.order.len() > DEAD
            && let Some(oldest) = self.order.pop_front()
        {
            self.dead.remove(&oldest);
        }
    }

    /// Puts in what is not older than what is there, and not dead.
    fn insert(&mut self, tenant: &ObjectKey, key: &ObjectRef, entry: Entry) {
        let version = &entry.child.version;
        let died = self.dead.get(&*version.uid);
        if died.is_some_and(|died| version.revision <= *died) {
            return;
        }
        let known = self.children.get_key_value(key);
        let (key, had) = match known {
            Some((_, known)) if known.entry.child.version.revision > version.revision => return,
            Some((key, known)) => (key.clone(), Some(known.tenant.clone())),
            None => (Arc::new(key.clone()), None),
        };
        let tenant = match self.tenants.get_key_value(tenant) {
            Some((known, _)) => known.clone(),
            None => Arc::new(tenant.clone()),
        };
        if had.as_ref() != Some(&tenant) {
            if let Some(had) = had {
                self.leave(&had, &key);
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

    fn remove(&mut self, key: &ObjectRef) -> Option<ObjectKey> {
        let child = self.children.remove(key)?;
        self.leave(&child.tenant, key);
        Some(child.tenant.as_ref().clone())
    }

    fn leave(&mut self, tenant: &ObjectKey, key: &ObjectRef) {
        if let Some(keys) = self.tenants.get_mut(tenant) {
            keys.remove(key);
            if keys.is_empty() {
                self.tenants.remove(tenant);
            }
        }
    }
}

/// The tenant whose label and whose object's name it has.
pub fn owner(kind: Kind, metadata: &ObjectMeta) -> Option<(ObjectKey, ObjectRef)> {
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

/// A text in eight bytes.
fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn entry((kind, tenant): (Kind, &str), body: &Value) -> Entry {
    let stamped = body["metadata"]["annotations"][CONTENT_HASH].as_str();
    Entry {
        child: Child::of(body, kind, tenant),
        fingerprint: fingerprint(body),
        stamped: stamped.map(digest),
        facts: facts(kind, body),
    }
}

fn facts(kind: Kind, body: &Value) -> Facts {
    let status = || body["status"].clone();
    match kind {
        Kind::Deployment => {
            let status: DeploymentStatus = serde_json::from_value(status()).unwrap_or_default();
            Facts::Deployment(Box::new(DeploymentView {
                generation: body["metadata"]["generation"].as_i64().unwrap_or_default(),
                status,
                stamped: body["metadata"]["annotations"][CONTENT_HASH]
                    .as_str()
                    .map(str::to_owned),
                renderer: body["metadata"]["annotations"][labels::RENDERER]
                    .as_str()
                    .map(str::to_owned),
                image: image(body, "kube-apiserver"),
                kine_image: image(body, "kine"),
            }))
        }
        Kind::Service => {
            let spec: ServiceSpec =
                serde_json::from_value(body["spec"].clone()).unwrap_or_default();
            let status: Option<ServiceStatus> = serde_json::from_value(status()).ok();
            Facts::Service(Box::new(Service {
                spec: Some(ServiceSpec {
                    cluster_ip: spec.cluster_ip,
                    cluster_ips: spec.cluster_ips,
                    ..ServiceSpec::default()
                }),
                status,
                ..Service::default()
            }))
        }
        Kind::Ingress => serde_json::from_value(status())
            .map_or(Facts::None, |status| Facts::Ingress(Box::new(status))),
        Kind::TlsRoute => {
            serde_json::from_value(body.clone()).map_or(Facts::None, |mut route: TlsRoute| {
                route.metadata.managed_fields = None;
                Facts::Route(Box::new(route))
            })
        }
        _ => Facts::None,
    }
}

fn image(body: &Value, name: &str) -> Option<String> {
    let containers = body["spec"]["template"]["spec"]["containers"].as_array()?;
    let container = containers
        .iter()
        .find(|container| container["name"] == name)?;
    container["image"].as_str().map(str::to_owned)
}

/// Hash of what an object says: labels, annotations, owners, finalizers and everything beside
/// metadata and status.
pub fn fingerprint(body: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = &body["metadata"];
    for key in [
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "deletionTimestamp",
    ] {
        let mut part = metadata[key].clone();
        if let Some(map) = part.as_object_mut() {
            // Its controller counts there, which is no change of ours or anybody's.
            map.remove("deployment.kubernetes.io/revision");
        }
        part.to_string().hash(&mut hasher);
    }
    for (key, value) in body.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "metadata" | "status" | "apiVersion" | "kind") {
            (key, value.to_string()).hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
