//! Metadata watches: for objects of which only names and resource versions matter.

use futures::StreamExt;
use kamaji_shell::{ObjectKey, watch};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, PartialObjectMeta},
    runtime::watcher::{self, Event},
};

/// Change that a metadata watch reports.
pub enum Change {
    /// One object was written, with its resource version, or deleted, with `None`.
    Of(ObjectKey, Option<String>),
    /// All objects were listed again: each may have changed while there was no watch.
    Any,
}

/// API that returns the metadata of objects of any kind.
pub type Metadata = Api<PartialObjectMeta<DynamicObject>>;

/// Watches the objects that `config` selects for ever; calls `on_change` for each change and after each list.
pub async fn run(api: Metadata, config: watcher::Config, on_change: impl Fn(Change) + Send) {
    let key = |object: &PartialObjectMeta<DynamicObject>| {
        ObjectKey::new(&object.namespace().unwrap_or_default(), &object.name_any())
    };
    let mut events = std::pin::pin!(watch::events(api, config, ""));
    while let Some(event) = events.next().await {
        match event {
            Event::InitDone => on_change(Change::Any),
            Event::Apply(object) => on_change(Change::Of(key(&object), object.resource_version())),
            Event::Delete(object) => on_change(Change::Of(key(&object), None)),
            Event::Init | Event::InitApply(_) => {}
        }
    }
}
