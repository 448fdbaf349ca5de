//! What has changed in the management cluster? One watch a kind; each event wakes somebody.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::Hash,
    sync::{Arc, RwLock},
};

use futures::StreamExt;
use kamaji_api::labels;
use kamaji_core::object::{Kind, ObjectRef, Version};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;

use super::index::Index;
use crate::key::ObjectKey;

/// Objects of one of our own kinds, as the API server last told.
pub struct Objects<N, K> {
    objects: Arc<RwLock<HashMap<N, Arc<K>>>>,
    ready: watch::Sender<bool>,
    alike: fn(&K, &K) -> bool,
    salvage: Option<fn(&Value) -> Option<K>>,
    /// Why objects could not be read, by name.
    unreadable: Arc<RwLock<HashMap<N, String>>>,
}

impl<N, K> Clone for Objects<N, K> {
    fn clone(&self) -> Self {
        Self {
            objects: self.objects.clone(),
            ready: self.ready.clone(),
            alike: self.alike,
            salvage: self.salvage,
            unreadable: self.unreadable.clone(),
        }
    }
}

impl<N, K> Default for Objects<N, K> {
    fn default() -> Self {
        Self {
            objects: Arc::default(),
            ready: watch::Sender::new(false),
            alike: |_, _| false,
            salvage: None,
            unreadable: Arc::default(),
        }
    }
}

/// How an object of ours is called.
pub trait Named: Hash + Eq + Clone + Send + Sync + 'static {
    /// From its metadata.
    fn named(namespace: Option<&str>, name: &str) -> Self;
}

impl Named for String {
    fn named(_: Option<&str>, name: &str) -> Self {
        name.to_owned()
    }
}

impl Named for ObjectKey {
    fn named(namespace: Option<&str>, name: &str) -> Self {
        Self::new(namespace.unwrap_or_default(), name)
    }
}

impl<N: Named, K: Resource<DynamicType = ()>> Objects<N, K> {
    /// The same, but an event that leaves an object as good as it was wakes nobody.
    #[must_use]
    pub fn alike_if(self, alike: fn(&K, &K) -> bool) -> Self {
        Self { alike, ..self }
    }

    /// The same, but of an object that cannot be read there is what `salvage` can read of it, and
    /// nothing that was read before.
    #[must_use]
    pub fn salvaged_by(self, salvage: fn(&Value) -> Option<K>) -> Self {
        Self {
            salvage: Some(salvage),
            ..self
        }
    }

    /// Why the object of a name could not be read, if so: then [`Objects::get`] has what was salvaged
    /// of it, or what was read before where nothing salvages.
    pub fn unreadable(&self, name: &N) -> Option<String> {
        let known = self.unreadable.read();
        known
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    /// The objects that could not be read, and why.
    pub fn all_unreadable(&self) -> Vec<(N, String)> {
        let known = self.unreadable.read();
        known
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .iter()
            .map(|(name, why)| (name.clone(), why.clone()))
            .collect()
    }

    fn mark(&self, name: &N, why: Option<String>) {
        let mut known = self
            .unreadable
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match why {
            Some(why) => known.insert(name.clone(), why),
            None => known.remove(name),
        };
    }

    /// The object of a name.
    pub fn get(&self, name: &N) -> Option<Arc<K>> {
        self.read().get(name).cloned()
    }

    /// Every object.
    pub fn all(&self) -> Vec<(N, Arc<K>)> {
        self.read()
            .iter()
            .map(|(name, object)| (name.clone(), object.clone()))
            .collect()
    }

    /// The first list is complete.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits for the first complete list.
    pub async fn ready(&self) {
        let mut ready = self.ready.subscribe();
        // The sender lives as long as self.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// An object that a write of ours changed, newer than what the watch has told so far. One that the
    /// watch told to be gone meanwhile stays so, and one that was made anew is another.
    pub fn replace(&self, name: N, object: Arc<K>) {
        let known = self.get(&name);
        if known.is_some_and(|known| known.meta().uid == object.meta().uid) {
            self.newer(name, object);
        }
    }

    /// An object that a write of ours may have made: the watch tells of it later.
    pub fn made(&self, name: N, object: Arc<K>) {
        self.newer(name, object);
    }

    /// Puts in what is not older than what is there: a watch lags behind our own writes. True unless
    /// they are alike.
    fn newer(&self, name: N, object: Arc<K>) -> bool {
        let mut objects = self.write();
        let had = objects.get(&name);
        let news = had.is_none_or(|had| !(self.alike)(had, &object));
        if had.is_none_or(|had| revision(had.as_ref()) <= revision(object.as_ref())) {
            objects.insert(name, object);
        }
        news
    }

    /// One object is gone; one that was made anew under the same name stays.
    fn gone(&self, name: &N, uid: Option<&str>) {
        let mut objects = self.write();
        let known = objects
            .get(name)
            .and_then(|known| known.meta().uid.as_deref());
        if known.is_none() || uid.is_none() || known == uid {
            objects.remove(name);
        }
    }

    /// A complete list, and why some of it cannot be read. The names of everything that
    /// is or was there.
    fn complete(
        &self,
        mut fresh: HashMap<N, Arc<K>>,
        unreadable: HashMap<N, String>,
    ) -> HashSet<N> {
        let mut objects = self.write();
        let mut names: HashSet<N> = fresh.keys().chain(unreadable.keys()).cloned().collect();
        for (name, had) in std::mem::take(&mut *objects) {
            names.insert(name.clone());
            let ours_is_newer = fresh
                .get(&name)
                .is_some_and(|found| revision(found.as_ref()) < revision(had.as_ref()));
            let stays = unreadable.contains_key(&name) && self.salvage.is_none();
            if ours_is_newer || stays {
                fresh.insert(name, had);
            }
        }
        *objects = fresh;
        *self
            .unreadable
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = unreadable;
        names
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<N, Arc<K>>> {
        self.objects
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<N, Arc<K>>> {
        self.objects
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Objects in one page of a list.
const PAGE: u32 = 64;

fn config() -> watcher::Config {
    // A dead connection is noticed after this and 5 s. A page is in memory at once, several times
    // over while it is read, and one Deployment is 30 KB.
    watcher::Config::default().timeout(240).page_size(PAGE)
}

/// Follows every object of one of our own kinds for ever; `wake` is told of each change, also to one that
/// cannot be read: see [`Objects::unreadable`]. A missing definition is waited for.
pub async fn all<N, K>(client: Client, objects: Objects<N, K>, wake: impl Fn(N) + Send)
where
    N: Named,
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Send + Sync + 'static,
{
    let resource = ApiResource::erase::<K>(&());
    selected(Api::all_with(client, &resource), "", objects, wake).await;
}

/// As [`own`], of those that `api` reaches and whose labels `selector` matches.
pub async fn selected<N, K>(
    api: Api<DynamicObject>,
    selector: &str,
    objects: Objects<N, K>,
    wake: impl Fn(N) + Send,
) where
    N: Named,
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Send + Sync + 'static,
{
    let mut pending: HashMap<N, Arc<K>> = HashMap::new();
    let mut unreadable = HashMap::new();
    let config = config().labels(selector);
    let mut stream = std::pin::pin!(watcher::watcher(api, config).default_backoff());
    let mut complained = false;
    while let Some(event) = stream.next().await {
        complained &= matches!(event, Ok(Event::Init) | Err(_));
        match event {
            Ok(Event::Init) => {
                pending.clear();
                unreadable.clear();
            }
            Ok(Event::InitApply(object)) => {
                let (name, object, why) = read::<N, K>(object, objects.salvage);
                pending.extend(object.map(|object| (name.clone(), object)));
                unreadable.extend(why.map(|why| (name, why)));
            }
            Ok(Event::InitDone) => {
                let (listed, wrong) = (&mut pending, &mut unreadable);
                let names = objects.complete(std::mem::take(listed), std::mem::take(wrong));
                objects.ready.send_replace(true);
                names.into_iter().for_each(&wake);
            }
            Ok(Event::Apply(object)) => {
                let (name, object, why) = read::<N, K>(object, objects.salvage);
                let news = why.is_some() || objects.unreadable(&name).is_some();
                objects.mark(&name, why);
                let changed = match object {
                    Some(object) => objects.newer(name.clone(), object),
                    None if objects.salvage.is_none() => false,
                    None => objects.write().remove(&name).is_some(),
                };
                if changed || news {
                    wake(name);
                }
            }
            Ok(Event::Delete(object)) => {
                let name = N::named(object.namespace().as_deref(), &object.name_any());
                objects.gone(&name, object.metadata.uid.as_deref());
                objects.mark(&name, None);
                wake(name);
            }
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(
                    kind = %K::kind(&()),
                    %error,
                    "cannot watch, trying again; are the definitions installed (kamaji crds | kubectl apply --server-side -f -)?"
                );
            }
            Err(_) => {}
        }
    }
}

/// Resource versions of one kind only grow.
fn revision<K: Resource<DynamicType = ()>>(object: &K) -> u64 {
    let version = object.meta().resource_version.as_deref();
    version.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The object of a name. If it cannot be read: what `salvage` can read of it, and why.
fn read<N, K>(
    mut object: DynamicObject,
    salvage: Option<fn(&Value) -> Option<K>>,
) -> (N, Option<Arc<K>>, Option<String>)
where
    N: Named,
    K: DeserializeOwned,
{
    object.metadata.managed_fields = None;
    let name = N::named(object.namespace().as_deref(), &object.name_any());
    let described = format!(
        "{}/{}",
        object.namespace().unwrap_or_default(),
        object.name_any()
    );
    let value = serde_json::to_value(object).unwrap_or_default();
    match K::deserialize(&value) {
        Ok(read) => (name, Some(Arc::new(read)), None),
        Err(error) => {
            tracing::error!(object = %described, %error, "cannot be read and is left as it is; correct the field that is named");
            let salvaged = salvage.and_then(|salvage| salvage(&value));
            (name, salvaged.map(Arc::new), Some(error.to_string()))
        }
    }
}

/// Follows the children of one kind for ever and folds them into the index.
pub async fn children(
    client: Client,
    kind: Kind,
    index: Index,
    (ready, wake): (watch::Sender<bool>, impl Fn(ObjectKey) + Send),
) {
    let (group, version, name, plural) = kind.names();
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: kind.api_version(),
        kind: name.to_owned(),
        plural: plural.to_owned(),
    };
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let selector = format!("{}=kamaji", labels::PROJECT);
    let stream = watcher::watcher(api, config().labels(&selector)).default_backoff();
    let mut stream = std::pin::pin!(stream);
    let mut seen = BTreeSet::new();
    let mut complained = false;
    while let Some(event) = stream.next().await {
        complained &= matches!(event, Ok(Event::Init) | Err(_));
        match event {
            Ok(Event::Init) => seen.clear(),
            Ok(Event::InitApply(object)) => {
                seen.insert(key(kind, &object));
                index.seen(kind, &object).into_iter().for_each(&wake);
            }
            Ok(Event::InitDone) => {
                index.keep_only(kind, &seen).into_iter().for_each(&wake);
                ready.send_replace(true);
            }
            Ok(Event::Apply(object)) => {
                index.seen(kind, &object).into_iter().for_each(&wake);
            }
            Ok(Event::Delete(object)) => {
                let version = Version::of(&object.metadata);
                let gone = index.gone(&key(kind, &object), &version);
                gone.into_iter().for_each(&wake);
            }
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(kind = name, %error, "cannot watch, trying again");
            }
            Err(_) => {}
        }
    }
}

fn key(kind: Kind, object: &DynamicObject) -> ObjectRef {
    ObjectRef {
        kind,
        namespace: object.metadata.namespace.clone(),
        name: object.name_any(),
    }
}

/// Follows one object of a name for ever; `wake` is told of each change, and after each complete list:
/// what changed between a reader's own request and the first list would be lost otherwise.
pub async fn object(api: Api<DynamicObject>, name: String, wake: impl Fn() + Send) {
    let config = config().fields(&format!("metadata.name={name}"));
    let stream = watcher::watcher(api, config).default_backoff();
    let mut stream = std::pin::pin!(stream);
    let mut complained = false;
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_)) => {
                complained = false;
                wake();
            }
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(%name, %error, "cannot watch this object, trying again");
            }
            Ok(Event::Init | Event::InitApply(_)) | Err(_) => {}
        }
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
