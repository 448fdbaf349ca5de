//! Metadata watches: for objects of which only names and resource versions matter.

use futures::StreamExt;
use kamaji_shell::ObjectKey;
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
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
