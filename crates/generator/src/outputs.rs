//! [`Outputs`]: an index of the generated Secrets, from a watch of their metadata.
//!
//! The watch asks for metadata alone and for Secrets with the label of a generator, so that no kubeconfig is sent
//! before it is needed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kamaji_api::labels;
use kamaji_core::{kubeconfig_generator::ownership, object::Version};
use kamaji_shell::{ObjectKey, lock::lock, received::Metadata, watch};
use kube::{
    Api, Client,
    api::{ApiResource, ObjectMeta},
    runtime::watcher::{self, Event},
};
use tokio::sync::watch as channel;

use crate::work::Pair;

/// Versions of the generated Secrets by tenant and generator. Clones share the content.
#[derive(Clone)]
pub struct Outputs {
    versions: Arc<Mutex<BTreeMap<ObjectKey, BTreeMap<String, Version>>>>,
    ready: channel::Sender<bool>,
}

impl Default for Outputs {
    fn default() -> Self {
        Self {
            versions: Arc::default(),
            ready: channel::Sender::new(false),
        }
    }
}

impl Outputs {
    /// Version of the Secret that names this pair; `None` if there is none.
    pub fn version(&self, pair: &Pair) -> Option<Version> {
        let versions = lock(&self.versions);
        versions.get(&pair.tenant)?.get(&pair.generator).cloned()
    }

    /// Generators that Secrets of this tenant name.
    pub fn of_tenant(&self, tenant: &ObjectKey) -> Vec<String> {
        let versions = lock(&self.versions);
        let of_tenant = versions.get(tenant).into_iter().flatten();
        of_tenant.map(|(generator, _)| generator.clone()).collect()
    }

    /// Tenants of the Secrets that name this generator.
    pub fn of_generator(&self, generator: &str) -> Vec<ObjectKey> {
        let versions = lock(&self.versions);
        let tenants = versions.iter();
        tenants
            .filter(|(_, of_tenant)| of_tenant.contains_key(generator))
            .map(|(tenant, _)| tenant.clone())
            .collect()
    }

    /// Pairs of all Secrets.
    pub fn pairs(&self) -> Vec<Pair> {
        let versions = lock(&self.versions);
        let pairs = versions.iter().flat_map(|(tenant, of_tenant)| {
            of_tenant.keys().map(|generator| Pair {
                generator: generator.clone(),
                tenant: tenant.clone(),
            })
        });
        pairs.collect()
    }

    /// True once the first list is complete.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits for the first complete list.
    pub async fn ready(&self) {
        let mut ready = self.ready.subscribe();
        // The sender lives as long as self.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Watches the generated Secrets for ever; calls `enqueue` with the pair of each that changed.
    pub async fn watch(&self, client: Client, enqueue: impl Fn(Pair) + Send) {
        let api: Api<Metadata> = Api::all_with(client, &ApiResource::erase::<Secret>(&()));
        let config = watcher::Config::default().labels(labels::MANAGED_BY);
        let mut events = std::pin::pin!(watch::events(api, config, ""));
        let mut listed = BTreeSet::new();
        while let Some(event) = events.next().await {
            match event {
                Event::Init => listed.clear(),
                Event::InitApply(object) => {
                    if let Some(pair) = self.observed(&object.0.metadata) {
                        listed.insert(pair);
                    }
                }
                Event::InitDone => {
                    let gone = self.retain(&listed);
                    self.ready.send_replace(true);
                    std::mem::take(&mut listed)
                        .into_iter()
                        .chain(gone)
                        .for_each(&enqueue);
                }
                Event::Apply(object) => {
                    self.observed(&object.0.metadata)
                        .into_iter()
                        .for_each(&enqueue);
                }
                Event::Delete(object) => {
                    if let Some(pair) = pair_of(&object.0.metadata) {
                        self.forget(&pair);
                        enqueue(pair);
                    }
                }
            }
        }
    }

    fn observed(&self, secret: &ObjectMeta) -> Option<Pair> {
        let pair = pair_of(secret)?;
        let mut versions = lock(&self.versions);
        let of_tenant = versions.entry(pair.tenant.clone()).or_default();
        of_tenant.insert(pair.generator.clone(), Version::of(secret));
        Some(pair)
    }

    fn forget(&self, pair: &Pair) {
        let mut versions = lock(&self.versions);
        if let Some(of_tenant) = versions.get_mut(&pair.tenant) {
            of_tenant.remove(&pair.generator);
            if of_tenant.is_empty() {
                versions.remove(&pair.tenant);
            }
        }
    }

    /// Forgets what is not in `listed`, and returns it.
    fn retain(&self, listed: &BTreeSet<Pair>) -> Vec<Pair> {
        let mut gone = self.pairs();
        gone.retain(|pair| !listed.contains(pair));
        for pair in &gone {
            self.forget(pair);
        }
        gone
    }
}

/// Generator and tenant that a Secret names; `None` if its name is not composed of both.
fn pair_of(secret: &ObjectMeta) -> Option<Pair> {
    let (generator, tenant) = ownership::parties_of(secret)?;
    Some(Pair {
        generator: generator.to_owned(),
        tenant: ObjectKey::new(secret.namespace.as_deref()?, tenant),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, generator: &str, tenant: &str) -> ObjectMeta {
        let label = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let labels = [
            (labels::MANAGED_BY, generator),
            (labels::MANAGED_FOR, tenant),
        ];
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("a".to_owned()),
            labels: Some(labels.map(label).into()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn secrets_are_indexed_by_both_parties_and_copies_are_not() {
        let outputs = Outputs::default();
        let one = outputs.observed(&secret("t-x", "x", "t")).unwrap();
        let two = outputs.observed(&secret("t-y", "y", "t")).unwrap();
        assert!(outputs.observed(&secret("copy", "x", "t")).is_none());
        assert!(outputs.version(&one).is_some());
        assert_eq!(outputs.of_tenant(&one.tenant), ["x", "y"]);
        assert_eq!(
            outputs.of_generator("x").as_slice(),
            std::slice::from_ref(&one.tenant)
        );
        let gone = outputs.retain(&BTreeSet::from([one.clone()]));
        assert_eq!(gone.as_slice(), std::slice::from_ref(&two));
        assert!(outputs.version(&two).is_none());
        outputs.forget(&one);
        assert!(outputs.pairs().is_empty());
    }
}
