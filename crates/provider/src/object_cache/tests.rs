use std::convert::Infallible;

use k8s_openapi::api::core::v1::Secret;
use kamaji_shell::ObjectKey;
use kube::ResourceExt;

use super::*;

fn dependency(name: &str) -> Dependency {
    Dependency::Secret(ObjectKey::new("n", name))
}

fn secret(version: &str) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.resource_version = Some(version.to_owned());
    secret
}

/// Version that the cache returns when the API server has `live`.
async fn read(cache: &ObjectCache<Secret>, live: Option<&str>) -> Option<String> {
    read_during(cache, live, || {}).await
}

/// Reads like [`read`], with an event during the request.
async fn read_during(
    cache: &ObjectCache<Secret>,
    live: Option<&str>,
    event: impl Fn(),
) -> Option<String> {
    let ask = async {
        event();
        Ok::<_, Infallible>(live.map(secret))
    };
    let Ok(found) = cache.read(&dependency("s"), |_| true, ask).await;
    found.and_then(|secret| secret.resource_version())
}

#[tokio::test]
async fn an_object_is_requested_once_until_it_changes() {
    let cache = ObjectCache::default();
    assert_eq!(read(&cache, Some("5")).await.as_deref(), Some("5"));
    assert_eq!(read(&cache, Some("7")).await.as_deref(), Some("5"));
    cache.changed(&dependency("s"), Some("7"));
    assert_eq!(read(&cache, Some("7")).await.as_deref(), Some("7"));
    cache.changed(&dependency("s"), None);
    assert_eq!(read(&cache, None).await, None);
}

#[tokio::test]
async fn events_of_own_and_older_writes_keep_the_object() {
    let cache = ObjectCache::default();
    read(&cache, Some("5")).await;
    cache.wrote(&dependency("s"), secret("8"));
    for older in ["5", "8"] {
        cache.changed(&dependency("s"), Some(older));
        assert_eq!(read(&cache, Some("9")).await.as_deref(), Some("8"));
    }
    cache.changed(&dependency("s"), Some("not a number"));
    assert_eq!(read(&cache, Some("9")).await.as_deref(), Some("9"));
}

#[tokio::test]
async fn an_object_that_changes_during_a_read_or_write_is_requested_again() {
    let cache = ObjectCache::default();
    read_during(&cache, Some("5"), || {
        cache.changed(&dependency("s"), Some("6"));
    })
    .await;
    assert_eq!(read(&cache, Some("6")).await.as_deref(), Some("6"));
    cache.changed(&dependency("s"), Some("9"));
    cache.wrote(&dependency("s"), secret("8"));
    assert_eq!(read(&cache, Some("9")).await.as_deref(), Some("9"));
}

#[tokio::test]
async fn absent_and_unwatched_objects_are_requested_each_time() {
    let cache = ObjectCache::default();
    assert_eq!(read(&cache, None).await, None);
    assert_eq!(read(&cache, Some("5")).await.as_deref(), Some("5"));
    cache.forget(|_| true);
    let unwatched = async { Ok::<_, Infallible>(Some(secret("5"))) };
    let Ok(found) = cache.read(&dependency("s"), |_| false, unwatched).await;
    assert!(found.is_some());
    assert_eq!(read(&cache, Some("6")).await.as_deref(), Some("6"));
}

#[tokio::test]
async fn the_least_recently_used_object_is_evicted() {
    let cache = ObjectCache::default();
    assert_eq!(read(&cache, Some("5")).await.as_deref(), Some("5"));
    for number in 0..2 * CAPACITY {
        let other = dependency(&number.to_string());
        let ask = async { Ok::<_, Infallible>(Some(secret("1"))) };
        let Ok(_) = cache.read(&other, |_| true, ask).await;
        if number < CAPACITY {
            let used = read(&cache, Some("6")).await;
            assert_eq!(used.as_deref(), Some("5"), "it is used all the time");
        }
    }
    assert_eq!(cache.locked().entries.len(), CAPACITY);
    assert_eq!(cache.locked().order.len(), CAPACITY);
    assert_eq!(read(&cache, Some("6")).await.as_deref(), Some("6"));
}
