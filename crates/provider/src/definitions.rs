//! Kinds of the management cluster and the contracts of Cluster API that they are labelled for, from one metadata watch
//! of the definitions.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, RwLock},
};

use futures::StreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kamaji_core::cluster_api::Contract;
use kamaji_shell::{
    lock::{read, write},
    watch::events,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, PartialObjectMeta},
    runtime::watcher::{self, Event},
};
use tokio::sync::watch;

/// Name of the definition of Cluster API's Clusters.
pub const CLUSTERS: &str = "clusters.cluster.x-k8s.io";
/// Name of the definition of TenantControlPlanes.
pub const TENANTS: &str = "tenantcontrolplanes.kamaji.clastix.io";

type Labels = BTreeMap<String, String>;

/// Labels of all definitions by name; clones share them.
#[derive(Clone)]
pub struct Definitions {
    labels: Arc<RwLock<HashMap<String, Labels>>>,
    /// Number of changes of the labels.
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
    /// Waits until a definition of that name exists.
    pub async fn known(&self, name: &str) {
        let mut changes = self.changes.subscribe();
        // It cannot fail: the sender lives as long as self.
        let _ = changes.wait_for(|_| self.read().contains_key(name)).await;
    }

    /// Waits for the first complete list of definitions.
    pub async fn ready(&self) {
        let mut changes = self.changes.subscribe();
        let _ = changes.wait_for(|changes| *changes > 0).await;
    }

    /// Newest version of a kind for the newest contract that its definition is labelled for; `None` without a label.
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
                return Some((contract, resource(group, version, kind, plural)));
            }
        }
        None
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<String, Labels>> {
        read(&self.labels)
    }

    /// Applies a change to the labels; true if they differ afterwards, or if this is the first change.
    fn change(&self, change: impl FnOnce(&mut HashMap<String, Labels>)) -> bool {
        let mut labels = write(&self.labels);
        let before = labels.clone();
        change(&mut labels);
        let changed = before != *labels || *self.changes.borrow() == 0;
        drop(labels);
        if changed {
            self.changes.send_modify(|changes| *changes += 1);
        }
        changed
    }
}

/// Watches the definitions for ever; calls `on_change` after each change of their names or labels.
pub async fn observe(client: Client, definitions: Definitions, on_change: impl Fn() + Send) {
    let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client);
    let hint = "; may the provider list customresourcedefinitions?";
    let mut events = std::pin::pin!(events(api, watcher::Config::default(), hint));
    let mut listed = HashMap::new();
    while let Some(event) = events.next().await {
        let changed = match event {
            Event::Init => {
                listed.clear();
                false
            }
            Event::InitApply(object) => {
                listed.insert(object.name_any(), object.labels().clone());
                false
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut listed);
                definitions.change(|labels| *labels = listed)
            }
            Event::Apply(object) => definitions.change(|labels| {
                labels.insert(object.name_any(), object.labels().clone());
            }),
            Event::Delete(object) => definitions.change(|labels| {
                labels.remove(&object.name_any());
            }),
        };
        if changed {
            on_change();
        }
    }
}

/// API resource of a kind in one group and version.
pub fn resource(group: &str, version: &str, kind: &str, plural: String) -> ApiResource {
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{group}/{version}"),
        kind: kind.to_owned(),
        plural,
    }
}

/// Plural of a kind by the rule of Cluster API's contract.
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

/// Sort key of versions in the order of Kubernetes, the newest last: v1alpha1, v1beta2, v1, v2.
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
mod tests;
