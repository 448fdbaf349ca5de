//! [`children`]: a watch that folds the tenants' objects of one kind into the index.

use std::{collections::BTreeSet, fmt::Debug};

use futures::StreamExt;
use kamaji_api::labels;
use kamaji_core::object::{Kind, ObjectRef, Version};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DynamicObject, TypeMeta},
    runtime::watcher::Event,
};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::watch;

use super::events::{events, whole};
use crate::{
    index::Index,
    key::ObjectKey,
    received::{Metadata, Received},
    resource::resource,
};

/// Kind of a watch of children, and where it records them.
pub struct Children {
    /// Kind of the objects.
    pub kind: Kind,
    /// Index that records them.
    pub index: Index,
    /// Set to true when the first list is complete.
    pub ready: watch::Sender<bool>,
}

/// Watches the objects of one kind that carry this project's label, in all namespaces and for ever. Calls `enqueue`
/// with each tenant that an event concerns.
///
/// Secrets are watched as metadata only. A page of the largest Secrets has 64 MiB, and the index needs no data of
/// them: their resource version stands for the content in [`crate::live::fingerprint`].
pub async fn children(client: Client, children: Children, enqueue: impl Fn(ObjectKey) + Send) {
    let resource = resource(children.kind);
    if children.kind == Kind::Secret {
        let api: Api<Metadata> = Api::all_with(client, &resource);
        follow(api, children, without_data, enqueue).await;
    } else {
        let api: Api<Received> = Api::all_with(client, &resource);
        follow(api, children, |object| object.0, enqueue).await;
    }
}

async fn follow<K>(
    api: Api<K>,
    children: Children,
    dynamic: impl Fn(K) -> DynamicObject + Send,
    enqueue: impl Fn(ObjectKey) + Send,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let Children { kind, index, ready } = children;
    let config = whole(&format!("{}=kamaji", labels::PROJECT));
    let mut events = std::pin::pin!(events(api, config, ""));
    let mut listed = BTreeSet::new();
    while let Some(event) = events.next().await {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                let object = dynamic(object);
                listed.insert(key(kind, &object));
                index.observed(kind, object).into_iter().for_each(&enqueue);
            }
            Event::InitDone => {
                let tenants = index.retain_listed(kind, &listed);
                tenants.into_iter().for_each(&enqueue);
                ready.send_replace(true);
            }
            Event::Apply(object) => {
                let tenants = index.observed(kind, dynamic(object));
                tenants.into_iter().for_each(&enqueue);
            }
            Event::Delete(object) => {
                let object = dynamic(object);
                let version = Version::of(&object.metadata);
                let tenant = index.deleted(&key(kind, &object), &version);
                tenant.into_iter().for_each(&enqueue);
            }
        }
    }
}

/// The metadata of an object as an object of the kind that the API server sends in its place.
fn without_data(Received(object): Metadata) -> DynamicObject {
    DynamicObject {
        types: Some(TypeMeta {
            api_version: "meta.k8s.io/v1".to_owned(),
            kind: "PartialObjectMetadata".to_owned(),
        }),
        metadata: object.metadata,
        data: json!({}),
    }
}

fn key(kind: Kind, object: &DynamicObject) -> ObjectRef {
    ObjectRef {
        kind,
        namespace: object.metadata.namespace.clone(),
        name: object.name_any(),
    }
}
