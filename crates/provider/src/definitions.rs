//! Which kinds does the management cluster know, and for which contract of Cluster API are they
//! labelled? One watch of the definitions' metadata.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, RwLock},
};

use futures::StreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kamaji_core::cluster_api::Contract;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::sync::watch;

/// Name of the definition of Clusters.
pub const CLUSTERS: &str = "clusters.cluster.x-k8s.io";
/// Name of the definition of TenantControlPlanes.
pub const TENANTS: &str = "tenantcontrolplanes.kamaji.clastix.io";

type Labels = BTreeMap<String, String>;

/// Labels of each definition by name.
#[derive(Clone)]
pub struct Definitions {
    labels: Arc<RwLock<HashMap<String, Labels>>>,
    /// Counts the changes.
    changes: Arc<watch::Sender<u64>>,
}

impl Default for Definitions {
    fn default() -> Self {
        Self {
            labels: Arc::default(),
            changes: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Definitions {
    /// Waits until there is a definition of that name.
    pub async fn known(&self, name: &str) {
        let mut changes = self.changes.subscribe();
        // The sender lives as long as self.
        let _ = changes.wait_for(|_| self.read().contains_key(name)).await;
    }

    /// Waits for the first complete list.
    pub async fn ready(&self) {
        let mut changes = self.changes.subscribe();
        let _ = changes.wait_for(|changes| *changes > 0).await;
    }

    /// The newest version of a kind that is labelled for a contract: v1beta2 before v1beta1.
    pub fn contract(&self, group: &str, kind: &str) -> Option<(Contract, ApiResource)> {
        let plural = plural(kind);
        let labels = self.read().get(&format!("{plural}.{group}")).cloned()?;
        for (contract, label) in [
            (Contract::V1Beta2, "cluster.x-k8s.io/v1beta2"),
            (Contract::V1Beta1, "cluster.x-k8s.io/v1beta1"),
        ] {
            let newest = labels
                .get(label)
                .and_then(|list| list.split('_').max_by_key(|version| rank(version)))
                .filter(|version| !version.is_empty());
            if let Some(version) = newest {
                return Some((contract, resource((group, version), kind, plural)));
            }
        }
        None
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<String, Labels>> {
        self.labels
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What is known after `change`; true if that is news.
    fn change(&self, change: impl FnOnce(&mut HashMap<String, Labels>)) -> bool {
        let mut labels = self
            .labels
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let had = labels.clone();
        change(&mut labels);
        let news = had != *labels || *self.changes.borrow() == 0;
        drop(labels);
        if news {
            self.changes.send_modify(|changes| *changes += 1);
        }
        news
    }
}

/// Follows the definitions for ever; `wake` is told when their names or labels have changed.
pub async fn follow(client: Client, definitions: Definitions, wake: impl Fn() + Send) {
    let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client);
    let config = watcher::Config::default().timeout(240);
    let mut stream = std::pin::pin!(watcher::watcher(api, config).default_backoff());
    let mut fresh = HashMap::new();
    let mut complained = false;
    while let Some(event) = stream.next().await {
        complained &= event.is_err();
        let news = match event {
            Ok(Event::Init) => {
                fresh.clear();
                false
            }
            Ok(Event::InitApply(object)) => {
                fresh.insert(object.name_any(), object.labels().clone());
                false
            }
            Ok(Event::InitDone) => {
                let fresh = std::mem::take(&mut fresh);
                definitions.change(|labels| *labels = fresh)
            }
            Ok(Event::Apply(object)) => definitions.change(|labels| {
                labels.insert(object.name_any(), object.labels().clone());
            }),
            Ok(Event::Delete(object)) => definitions.change(|labels| {
                labels.remove(&object.name_any());
            }),
            Err(error) => {
                if !complained {
                    complained = true;
                    tracing::warn!(%error, "cannot watch definitions, trying again; may the provider list customresourcedefinitions?");
                }
                false
            }
        };
        if news {
            wake();
        }
    }
}

/// A kind of a group and version.
pub fn resource((group, version): (&str, &str), kind: &str, plural: String) -> ApiResource {
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{group}/{version}"),
        kind: kind.to_owned(),
        plural,
    }
}

/// The plural as Cluster API computes it, which is a rule of the contract.
pub fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    if let Some(stem) = kind.strip_suffix('y') {
        return format!("{stem}ies");
    }
    if kind.ends_with('s') || kind.ends_with('x') || kind.ends_with("ch") || kind.ends_with("sh") {
        return format!("{kind}es");
    }
    format!("{kind}s")
}

/// Versions in the order of Kubernetes: v2 before v1 before v1beta2 before v1alpha1.
fn rank(version: &str) -> (u8, u32, u32) {
    let number = |text: &str| text.parse().unwrap_or(0);
    let rest = version.strip_prefix('v').unwrap_or(version);
    for (level, word) in [(1, "beta"), (0, "alpha")] {
        if let Some((major, minor)) = rest.split_once(word) {
            return (level, number(major), number(minor));
        }
    }
    (2, number(rest), 0)
}

#[cfg(test)]
#[path = "definitions_tests.rs"]
mod tests;
