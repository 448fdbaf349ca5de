//! Infrastructure clusters: reading them, and one metadata watch per kind that a Cluster refers to. The watch starts
//! with the first reference.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use kamaji_api::cluster::{Cluster, ContractReference};
use kamaji_core::cluster_api::{Contract, Infrastructure};
use kamaji_shell::{ObjectKey, apply::Address, lock::lock};
use kube::{
    api::{ApiResource, DynamicObject},
    runtime::watcher,
};
use tokio::task::AbortHandle;

use crate::{
    definitions::Definitions,
    dependencies::Dependency,
    dependents::Dependents,
    management::ManagementCluster,
    metadata_watch::{self, Change},
};

/// Reads infrastructure clusters and watches their kinds until it is dropped.
pub struct Infrastructures {
    management: ManagementCluster,
    definitions: Definitions,
    dependents: Dependents,
    /// Watches by group and kind.
    watches: Mutex<HashMap<(String, String), Watch>>,
}

struct Watch {
    /// API version that is watched.
    version: String,
    task: AbortHandle,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Result of reading an infrastructure cluster.
#[derive(Default)]
pub struct Reading {
    /// The object, or the reason why there is none.
    pub found: Infrastructure,
    /// Address of the object, once its kind is known.
    pub address: Option<Address>,
    /// True if reading failed and no watch reports when it would succeed.
    pub retry: bool,
}

/// Dependencies of a Cluster's owner on its infrastructure cluster; empty if the Cluster refers to none.
pub fn dependencies(cluster: &Cluster) -> Vec<Dependency> {
    let Some(reference) = &cluster.spec.infrastructure_ref else {
        return Vec::new();
    };
    vec![Dependency::Definitions, dependency(cluster, reference)]
}

fn dependency(cluster: &Cluster, reference: &ContractReference) -> Dependency {
    let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
    let kind = (reference.group().to_owned(), reference.kind.clone());
    Dependency::Infrastructure(kind, ObjectKey::new(namespace, &reference.name))
}

impl Infrastructures {
    /// No kind is watched yet.
    pub fn new(
        management: ManagementCluster,
        definitions: Definitions,
        dependents: Dependents,
    ) -> Self {
        Self {
            management,
            definitions,
            dependents,
            watches: Mutex::default(),
        }
    }

    /// Reads the infrastructure cluster that a Cluster refers to, from the cache if it is there.
    pub async fn read(&self, cluster: &Cluster) -> Reading {
        let Some(reference) = &cluster.spec.infrastructure_ref else {
            return Reading::default();
        };
        let unreadable = |why: String, retry: bool| Reading {
            found: Infrastructure::Unreadable(why),
            address: None,
            retry,
        };
        let (group, kind) = (reference.group(), &reference.kind);
        let (contract, resource) = match self.resolve(group, kind).await {
            Ok(Some(resolved)) => resolved,
            Ok(None) => {
                let why = "no definition of it is installed: install the infrastructure provider";
                return unreadable(format!("{kind} of {group}: {why}"), false);
            }
            Err(error) => return unreadable(format!("{kind} of {group}: {error}"), true),
        };
        self.watch(&resource);
        let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
        let address = Address::namespaced(resource, namespace, &reference.name);
        let dependency = dependency(cluster, reference);
        let request = self.management.writer.find(&address);
        let cache = &self.dependents.infrastructures;
        let found = match cache.read(&dependency, |_| true, request).await {
            Ok(Some(object)) => Infrastructure::Found {
                object: serde_json::to_value(object).unwrap_or_default(),
                contract,
            },
            Ok(None) => Infrastructure::None,
            Err(error) => return unreadable(error.to_string(), true),
        };
        Reading {
            found,
            address: Some(address),
            retry: false,
        }
    }

    /// Caches the infrastructure cluster as a write of the provider left it.
    pub fn wrote(&self, cluster: &Cluster, object: DynamicObject) {
        if let Some(reference) = &cluster.spec.infrastructure_ref {
            let dependency = dependency(cluster, reference);
            self.dependents.infrastructures.wrote(&dependency, object);
        }
    }

    /// Drops the cached infrastructure cluster, since a write found another version.
    pub fn conflicted(&self, cluster: &Cluster) {
        if let Some(reference) = &cluster.spec.infrastructure_ref {
            let dependency = dependency(cluster, reference);
            self.dependents.infrastructures.changed(&dependency, None);
        }
    }

    /// Contract and API version of a kind: from the labels of its definition, else the version that the API server
    /// prefers, with the newest contract. `None` if the kind does not exist.
    async fn resolve(
        &self,
        group: &str,
        kind: &str,
    ) -> Result<Option<(Contract, ApiResource)>, kube::Error> {
        if let Some(found) = self.definitions.contract(group, kind) {
            return Ok(Some(found));
        }
        self.management.counters.request("discover", kind);
        let group = match kube::discovery::group(&self.management.client, group).await {
            Ok(group) => group,
            Err(kube::Error::Discovery(_)) => return Ok(None),
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(error) => return Err(error),
        };
        let resource = group.recommended_kind(kind);
        Ok(resource.map(|(resource, _)| (Contract::V1Beta2, resource)))
    }

    /// Starts the watch of a kind, unless this version of it is watched already.
    fn watch(&self, resource: &ApiResource) {
        let kind = (resource.group.clone(), resource.kind.clone());
        let mut watches = self.locked();
        let present = watches.get(&kind);
        if present.is_some_and(|watch| watch.version == resource.version) {
            return;
        }
        let api = self.management.api(resource);
        let (dependents, of) = (self.dependents.clone(), kind.clone());
        let on_change = move |change| match change {
            Change::Of(key, version) => {
                let dependency = Dependency::Infrastructure(of.clone(), key);
                dependents.changed(&dependency, version.as_deref());
            }
            Change::Any => dependents
                .invalidate(|d| matches!(d, Dependency::Infrastructure(kind, _) if *kind == of)),
        };
        let events = metadata_watch::run(api, watcher::Config::default(), on_change);
        let watch = Watch {
            version: resource.version.clone(),
            task: tokio::spawn(events).abort_handle(),
        };
        watches.insert(kind, watch);
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<(String, String), Watch>> {
        lock(&self.watches)
    }
}
