//! How are objects followed of which only the names matter? By a watch of their metadata.

use futures::StreamExt;
use kamaji_shell::ObjectKey;
use kube::{
    Api, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, PartialObjectMeta},
    core::DynamicResourceScope,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};

use crate::context::Context;

/// What a watch tells.
pub enum Change {
    /// One object is there with this resource version, or is gone.
    Of(ObjectKey, Option<String>),
    /// Everything was listed anew, and anything may have happened before.
    Any,
}

/// Objects of any kind without what they say.
pub type Metadata = Api<PartialObjectMeta<DynamicObject>>;

/// The objects of a kind, as far as they are ours to look at.
pub fn reach<K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>>(
    context: &Context,
    resource: &ApiResource,
) -> Api<K> {
    match &context.settings.namespace {
        Some(namespace) => Api::namespaced_with(context.client.clone(), namespace, resource),
        None => Api::all_with(context.client.clone(), resource),
    }
}

/// Follows what `config` selects for ever.
pub async fn follow(api: Metadata, config: watcher::Config, tell: impl Fn(Change) + Send) {
    // A dead connection is noticed after this and 5 s.
    let config = config.timeout(240);
    let key = |object: &PartialObjectMeta<DynamicObject>| {
        ObjectKey::new(&object.namespace().unwrap_or_default(), &object.name_any())
    };
    let kind = api.resource_url().to_owned();
    let mut stream = std::pin::pin!(watcher::watcher(api, config).default_backoff());
    let mut complained = false;
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::InitDone) => {
                complained = false;
                tell(Change::Any);
            }
            Ok(Event::Apply(object)) => {
                tell(Change::Of(key(&object), object.resource_version()));
            }
            Ok(Event::Delete(object)) => tell(Change::Of(key(&object), None)),
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(%kind, %error, "cannot watch, trying again");
            }
            Ok(Event::Init | Event::InitApply(_)) | Err(_) => {}
        }
    }
}
