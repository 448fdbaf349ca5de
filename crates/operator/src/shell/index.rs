//! What is there for each tenant? One watch a kind, each object folded into a few bytes.
//!
//! A child is as planned if the planned hash is the one that was last written and what the API
//! server returned then has not changed since.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::DefaultHasher},
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
    object::{CONTENT_HASH, Kind, Object, ObjectRef},
    snapshot::DeploymentView,
};
use kube::api::DynamicObject;
use serde_json::Value;

use super::apply::Live;
use crate::context::Key;

/// One child.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its uid.
    pub uid: Box<str>,
    /// Its resource version: a watch may tell of older ones than our own writes returned.
    pub revision: u64,
    /// Hash of what it says, status and bookkeeping aside.
    pub fingerprint: u64,
    /// The content hash that it is stamped with.
    pub stamped: Option<Box<str>>,
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
        (&self.uid, self.fingerprint, &self.stamped).hash(&mut hasher);
        hasher.finish()
    }

    /// What it says by itself (status, addresses), in eight bytes.
    pub fn facts_digest(&self) -> u64 {
        let value = match &self.facts {
            Facts::None => return 0,
            Facts::Deployment(view) => {
                serde_json::json!([view.generation, view.status, view.stamped, view.kine_image])
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
#[derive(Clone, Debug)]
struct Written {
    planned: Box<str>,
    fingerprint: u64,
}

#[derive(Default)]
struct State {
    tenants: HashMap<Key, BTreeMap<ObjectRef, Entry>>,
    owners: HashMap<ObjectRef, Key>,
    written: HashMap<ObjectRef, Written>,
}

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
        let tenant = state.owners.get(key)?;
        state.tenants.get(tenant)?.get(key).cloned()
    }

    /// Every child of a tenant.
    pub fn children(&self, tenant: &Key) -> Vec<(ObjectRef, Entry)> {
        let state = self.read();
        let children = state.tenants.get(tenant).into_iter().flatten();
        children
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect()
    }

    /// True if `object` is there as planned.
    pub fn as_planned(&self, object: &Object) -> bool {
        let state = self.read();
        let Some(written) = state.written.get(&object.key) else {
            return false;
        };
        let live = state
            .owners
            .get(&object.key)
            .and_then(|tenant| state.tenants.get(tenant)?.get(&object.key));
        *written.planned == *object.hash
            && live.is_some_and(|entry| entry.fingerprint == written.fingerprint)
    }

    /// `object` was written, or found to be as planned; `live` is what the API server has.
    pub fn remember(&self, tenant: &Key, object: &Object, live: &Live) {
        let entry = entry(object.key.kind, &live.body);
        let mut state = self.write();
        let written = Written {
            planned: object.hash.as_str().into(),
            fingerprint: live.fingerprint,
        };
        state.written.insert(object.key.clone(), written);
        state.insert(tenant.clone(), object.key.clone(), entry);
    }

    /// An object was seen; the tenants to wake: whose it is, and whose it was if that changed.
    pub fn seen(&self, kind: Kind, object: &DynamicObject) -> Vec<Key> {
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
            .owners
            .get(&key)
            .filter(|had| **had != tenant)
            .cloned();
        state.insert(tenant.clone(), key, entry(kind, &body));
        had.into_iter().chain([tenant]).collect()
    }

    /// An object is gone; the tenant to wake. One that was made anew under the same name stays.
    pub fn gone(&self, key: &ObjectRef, uid: Option<&str>) -> Option<Key> {
        let mut state = self.write();
        let tenant = state.owners.get(key)?;
        let known = state.tenants.get(tenant)?.get(key)?;
        if uid.is_some_and(|uid| *uid != *known.uid) {
            return None;
        }
        state.remove(key)
    }

    /// After a complete list of `kind`: whatever was not in it is gone. The tenants to wake.
    pub fn keep_only(&self, kind: Kind, seen: &BTreeSet<ObjectRef>) -> Vec<Key> {
        let mut state = self.write();
        let gone: Vec<_> = state
            .owners
            .keys()
            .filter(|key| key.kind == kind && !seen.contains(*key))
            .cloned()
            .collect();
        gone.iter().filter_map(|key| state.remove(key)).collect()
    }
}

impl State {
    fn insert(&mut self, tenant: Key, key: ObjectRef, entry: Entry) {
        let had = self.owners.get(&key).cloned();
        let known = had
            .as_ref()
            .and_then(|tenant| self.tenants.get(tenant)?.get(&key));
        if known.is_some_and(|known| known.revision > entry.revision) {
            return;
        }
        if let Some(had) = had.filter(|had| *had != tenant) {
            self.leave(&had, &key);
        }
        self.owners.insert(key.clone(), tenant.clone());
        self.tenants.entry(tenant).or_default().insert(key, entry);
    }

    fn remove(&mut self, key: &ObjectRef) -> Option<Key> {
        self.written.remove(key);
        let tenant = self.owners.remove(key)?;
        self.leave(&tenant, key);
        Some(tenant)
    }

    fn leave(&mut self, tenant: &Key, key: &ObjectRef) {
        if let Some(children) = self.tenants.get_mut(tenant) {
            children.remove(key);
            if children.is_empty() {
                self.tenants.remove(tenant);
            }
        }
    }
}

/// Whose child is it? By our label, since adopted objects may have no owner yet.
pub fn owner(kind: Kind, metadata: &ObjectMeta) -> Option<(Key, ObjectRef)> {
    let key = object_ref(kind, metadata)?;
    let tenant = metadata.labels.as_ref()?.get(labels::NAME)?;
    Some((Key::new(key.namespace.as_deref()?, tenant), key))
}

fn object_ref(kind: Kind, metadata: &ObjectMeta) -> Option<ObjectRef> {
    let name = metadata.name.as_deref()?;
    let namespace = metadata.namespace.as_deref()?;
    Some(ObjectRef::namespaced(kind, namespace, name))
}

fn entry(kind: Kind, body: &Value) -> Entry {
    let metadata = &body["metadata"];
    let stamped = metadata["annotations"][CONTENT_HASH].as_str();
    Entry {
        uid: metadata["uid"].as_str().unwrap_or_default().into(),
        revision: metadata["resourceVersion"]
            .as_str()
            .and_then(|v| v.parse().ok())
            .unwrap_or(0),
        fingerprint: fingerprint(body),
        stamped: stamped.map(Into::into),
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
                kine_image: kine_image(body),
            }))
        }
        Kind::Service => {
            let spec: ServiceSpec =
                serde_json::from_value(body["spec"].clone()).unwrap_or_default();
            let status: Option<ServiceStatus> = serde_json::from_value(status()).ok();
            Facts::Service(Box::new(Service {
                spec: Some(ServiceSpec {
                    cluster_ip: spec.cluster_ip,
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

fn kine_image(body: &Value) -> Option<String> {
    let containers = body["spec"]["template"]["spec"]["containers"].as_array()?;
    let kine = containers
        .iter()
        .find(|container| container["name"] == "kine")?;
    kine["image"].as_str().map(str::to_owned)
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
