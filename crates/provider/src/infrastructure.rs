//! How are infrastructure clusters followed and read? One watch of the metadata of each kind that a
//! Cluster refers to, started when the first does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use kamaji_api::cluster::{Cluster, ContractReference};
use kamaji_core::cluster_api::{Contract, Infrastructure};
use kamaji_shell::{ObjectKey, apply::Address};
use kube::{
    api::{ApiResource, DynamicObject},
    runtime::watcher,
};
use tokio::task::AbortHandle;

use crate::{
    context::Context,
    dependencies::Dependency,
    metadata_watch::{self, Change, reach},
};

/// The watches by group and kind.
#[derive(Debug, Default)]
pub struct Infrastructures {
    watches: Mutex<HashMap<(String, String), (String, AbortHandle)>>,
}

impl Drop for Infrastructures {
    fn drop(&mut self) {
        let watches = self.watches.get_mut();
        let watches = watches.unwrap_or_else(std::sync::PoisonError::into_inner);
        for (_, task) in watches.values() {
            task.abort();
        }
    }
}

/// What a Cluster refers to, as an interest.
pub fn topics(cluster: &Cluster) -> Vec<Dependency> {
    let Some(reference) = &cluster.spec.infrastructure_ref else {
        return Vec::new();
    };
    vec![Dependency::Definitions, topic(cluster, reference)]
}

fn topic(cluster: &Cluster, reference: &ContractReference) -> Dependency {
    let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
    let kind = (reference.api_group.clone(), reference.kind.clone());
    Dependency::Infrastructure(kind, ObjectKey::new(namespace, &reference.name))
}

/// What came of reading an infrastructure cluster.
#[derive(Default)]
pub struct Reading {
    /// The object, or why there is none.
    pub found: Infrastructure,
    /// Where it is.
    pub address: Option<Address>,
    /// True if nothing tells when it can be read.
    pub again: bool,
}

/// Reads the infrastructure cluster that a Cluster refers to.
pub async fn read(context: &Arc<Context>, cluster: &Cluster) -> Reading {
    let Some(reference) = &cluster.spec.infrastructure_ref else {
        return Reading::default();
    };
    let unreadable = |why: String, again: bool| Reading {
        found: Infrastructure::Unreadable(why),
        address: None,
        again,
    };
    let (group, kind) = (&reference.api_group, &reference.kind);
    let (contract, resource) = match resolve(context, (group, kind)).await {
        Ok(Some(resolved)) => resolved,
        Ok(None) => {
            let why = "no definition of it is installed: install the infrastructure provider";
            return unreadable(format!("{kind} of {group}: {why}"), false);
        }
        Err(error) => return unreadable(format!("{kind} of {group}: {error}"), true),
    };
    follow(context, &resource);
    let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
    let address = Address::namespaced(resource, namespace, &reference.name);
    let topic = topic(cluster, reference);
    let found = context.writer.find(&address);
    let kept = context.kept_infrastructures.read((&topic, |_| true), found);
    let found = match kept.await {
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
        again: false,
    }
}

/// A write of ours left the infrastructure cluster like this.
pub fn wrote(context: &Context, cluster: &Cluster, object: DynamicObject) {
    if let Some(reference) = &cluster.spec.infrastructure_ref {
        let topic = topic(cluster, reference);
        context.kept_infrastructures.wrote(&topic, object);
    }
}

/// The version of a kind: by the labels of its definition, else the one that the API server prefers.
async fn resolve(
    context: &Context,
    (group, kind): (&str, &str),
) -> Result<Option<(Contract, ApiResource)>, kube::Error> {
    if let Some(found) = context.definitions.contract(group, kind) {
        return Ok(Some(found));
    }
    context.metrics.counters.request("discover", kind);
    let group = match kube::discovery::group(&context.client, group).await {
        Ok(group) => group,
        Err(kube::Error::Discovery(_)) => return Ok(None),
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
        Err(error) => return Err(error),
    };
    let resource = group.recommended_kind(kind);
    Ok(resource.map(|(resource, _)| (Contract::V1Beta2, resource)))
}

/// Sees to it that changes of a kind wake whoever looks at them.
fn follow(context: &Arc<Context>, resource: &ApiResource) {
    let kind = (resource.group.clone(), resource.kind.clone());
    let mut watches = context
        .infrastructures
        .watches
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if watches
        .get(&kind)
        .is_some_and(|(version, _)| *version == resource.version)
    {
        return;
    }
    let api = reach(context, resource);
    // Weak: the context owns the watch, not the other way round.
    let (told, of) = (Arc::downgrade(context), kind.clone());
    let task = tokio::spawn(async move {
        let tell = move |change| {
            let Some(context) = told.upgrade() else {
                return;
            };
            match change {
                Change::Of(key, version) => {
                    let topic = Dependency::Infrastructure(of.clone(), key);
                    context.changed(&topic, version.as_deref());
                }
                Change::Any => context.uncertain(
                    |topic| matches!(topic, Dependency::Infrastructure(kind, _) if *kind == of),
                ),
            }
        };
        metadata_watch::follow(api, watcher::Config::default(), tell).await;
    });
    let former = watches.insert(kind, (resource.version.clone(), task.abort_handle()));
    if let Some((_, former)) = former {
        former.abort();
    }
}
