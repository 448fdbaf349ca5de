//! How are infrastructure clusters followed and read? One watch of the metadata of each kind that a
//! Cluster refers to, started when the first does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use futures::StreamExt;
use kamaji_api::cluster::Cluster;
use kamaji_core::contract::infrastructure::{Contract, Infrastructure};
use kamaji_operator::{context::Key, shell::apply::Address};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::task::AbortHandle;

use crate::{context::Context, interest::Topic};

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
pub fn topics(cluster: &Cluster) -> Vec<Topic> {
    let Some(reference) = &cluster.spec.infrastructure_ref else {
        return Vec::new();
    };
    let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
    let kind = (reference.api_group.clone(), reference.kind.clone());
    let key = Key::new(namespace, &reference.name);
    vec![Topic::Definitions, Topic::Infrastructure(kind, key)]
}

/// The infrastructure cluster that a Cluster refers to, and where it is.
pub async fn read(context: &Arc<Context>, cluster: &Cluster) -> (Infrastructure, Option<Address>) {
    let Some(reference) = &cluster.spec.infrastructure_ref else {
        return (Infrastructure::None, None);
    };
    let (group, kind) = (&reference.api_group, &reference.kind);
    let Some((contract, resource)) = resolve(context, (group, kind)).await else {
        let why = format!(
            "no definition of {kind} in {group} is installed: install the infrastructure provider"
        );
        return (Infrastructure::Unreadable(why), None);
    };
    follow(context, &resource);
    let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
    let address = Address::namespaced(resource, namespace, &reference.name);
    let found = match context.writer.find(&address).await {
        Ok(Some(object)) => Infrastructure::Found {
            object: serde_json::to_value(object).unwrap_or_default(),
            contract,
        },
        Ok(None) => Infrastructure::None,
        Err(error) => Infrastructure::Unreadable(error.to_string()),
    };
    (found, Some(address))
}

/// The version of a kind: by the labels of its definition, else the one that the API server prefers.
async fn resolve(
    context: &Context,
    (group, kind): (&str, &str),
) -> Option<(Contract, ApiResource)> {
    if let Some(found) = context.definitions.contract(group, kind) {
        return Some(found);
    }
    context.metrics.counters.request("discover", kind);
    let group = kube::discovery::group(&context.client, group).await.ok()?;
    let (resource, _) = group.recommended_kind(kind)?;
    Some((Contract::V1Beta2, resource))
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
        changes(api, watcher::Config::default(), move |key| {
            if let Some(context) = told.upgrade() {
                context.tell(&Topic::Infrastructure(of.clone(), key));
            }
        })
        .await;
    });
    let former = watches.insert(kind, (resource.version.clone(), task.abort_handle()));
    if let Some((_, former)) = former {
        former.abort();
    }
}

/// The metadata of a kind, as far as it is ours to look at.
pub fn reach(context: &Context, resource: &ApiResource) -> Metadata {
    match &context.settings.namespace {
        Some(namespace) => Api::namespaced_with(context.client.clone(), namespace, resource),
        None => Api::all_with(context.client.clone(), resource),
    }
}

/// Objects of any kind without what they say.
pub type Metadata = Api<PartialObjectMeta<DynamicObject>>;

/// Follows the metadata of what `config` selects for ever.
pub async fn changes(api: Metadata, config: watcher::Config, tell: impl Fn(Key) + Send) {
    // A dead connection is noticed after this and 5 s.
    let config = config.timeout(240);
    let key = |object: &PartialObjectMeta<DynamicObject>| {
        Key::new(&object.namespace().unwrap_or_default(), &object.name_any())
    };
    let kind = api.resource_url().to_owned();
    let mut stream = std::pin::pin!(watcher::watcher(api, config).default_backoff());
    let mut complained = false;
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::InitDone) => complained = false,
            Ok(Event::InitApply(object) | Event::Apply(object) | Event::Delete(object)) => {
                tell(key(&object));
            }
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(%kind, %error, "cannot watch, trying again");
            }
            Ok(Event::Init) | Err(_) => {}
        }
    }
}
