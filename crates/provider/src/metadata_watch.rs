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
    /// All objects were listed anew: any of them may have changed unnoticed.
    Any,
}

/// API that returns the metadata of objects of any kind.
pub type Metadata = Api<PartialObjectMeta<DynamicObject>>;

/// Follows what `config` selects for ever.
pub async fn follow(api: Metadata, config: watcher::Config, tell: impl Fn(Change) + Send) {
    let key = |object: &PartialObjectMeta<DynamicObject>| {
        ObjectKey::new(&object.namespace().unwrap_or_default(), &object.name_any())
    };
    let mut events = std::pin::pin!(watch::events(api, config, ""));
    while let Some(event) = events.next().await {
        match event {
            Event::InitDone => tell(Change::Any),
            Event::Apply(object) => tell(Change::Of(key(&object), object.resource_version())),
            Event::Delete(object) => tell(Change::Of(key(&object), None)),
            Event::Init | Event::InitApply(_) => {}
        }
    }
}
