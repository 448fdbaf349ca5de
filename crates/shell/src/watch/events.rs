//! [`events`]: the stream of events below every watch.

use std::fmt::Debug;

use futures::{Stream, StreamExt};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt,
        watcher::{self, Config, Event},
    },
};
use serde::de::DeserializeOwned;

/// Seconds after which the API server ends a watch request, and the next one begins. A dead connection is noticed
/// after this time and 5 s.
const TIMEOUT: u32 = 240;

/// Objects in one page of a list of whole objects. A page is in memory at once, several times over while it is
/// parsed, and one Deployment has 30 KB.
const PAGE: u32 = 64;

/// The configuration of a watch of whole objects that `labels` selects; all of them if it is empty.
pub(super) fn whole(labels: &str) -> Config {
    Config::default().page_size(PAGE).labels(labels)
}

/// Events of the objects that `api` and `config` select, for ever. A failed list or watch is repeated with
/// back-off; the first failure in a row is logged as a warning that ends with `hint`, a remedy or an empty text.
pub fn events<K>(
    api: Api<K>,
    config: Config,
    hint: &'static str,
) -> impl Stream<Item = Event<K>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let resource = api.resource_url().to_owned();
    let (labels, fields) = (config.label_selector.clone(), config.field_selector.clone());
    let warn = move |error: watcher::Error| {
        let (labels, fields) = (labels.as_deref(), fields.as_deref());
        tracing::warn!(resource, labels, fields, %error, "cannot watch, trying again{hint}");
    };
    let results = watcher::watcher(api, config.timeout(TIMEOUT)).default_backoff();
    without_failures(results, warn)
}

/// The events of `results`. The first failure after each success is passed to `warn`.
fn without_failures<K>(
    results: impl Stream<Item = watcher::Result<Event<K>>> + Send,
    warn: impl Fn(watcher::Error) + Send,
) -> impl Stream<Item = Event<K>> + Send
where
    K: Send,
{
    let mut failing = false;
    results.filter_map(move |result| {
        let event = match result {
            Ok(event) => {
                // `Init` precedes the request, so it is no success.
                failing &= matches!(event, Event::Init);
                Some(event)
            }
            Err(error) => {
                if !failing {
                    warn(error);
                }
                failing = true;
                None
            }
        };
        std::future::ready(event)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::stream;

    use super::*;

    #[tokio::test]
    async fn failures_in_a_row_are_logged_once_and_again_after_a_success() {
        let failure = || Err(watcher::Error::NoResourceVersion);
        let results = [
            failure(),
            Ok(Event::Init),
            failure(),
            Ok(Event::Init),
            Ok(Event::InitDone),
            failure(),
            failure(),
            Ok(Event::Apply(7)),
            failure(),
        ];
        let logged = AtomicUsize::new(0);
        let warn = |_| {
            logged.fetch_add(1, Ordering::Relaxed);
        };
        let events: Vec<_> = without_failures(stream::iter(results), warn)
            .collect()
            .await;
        assert_eq!((events.len(), logged.into_inner()), (4, 3));
    }
}
