//! [`object`]: a watch of a single object.

use futures::StreamExt;
use kube::{
    Api,
    runtime::watcher::{Config, Event},
};

use super::events::events;
use crate::received::Metadata;

/// Watches the object `name` of `api` for ever, by its metadata alone. Calls `changed` after each change and after each complete list,
/// because the object may have changed between a read by the caller and the first list.
pub async fn object(api: Api<Metadata>, name: String, changed: impl Fn() + Send) {
    let config = Config::default().fields(&format!("metadata.name={name}"));
    let mut events = std::pin::pin!(events(api, config, ""));
    while let Some(event) = events.next().await {
        match event {
            Event::InitDone | Event::Apply(_) | Event::Delete(_) => changed(),
            Event::Init | Event::InitApply(_) => {}
        }
    }
}
