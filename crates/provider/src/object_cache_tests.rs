use std::convert::Infallible;

use k8s_openapi::api::core::v1::Secret;
use kamaji_shell::ObjectKey;
use kube::ResourceExt;

use super::*;

fn topic(name: &str) -> Dependency {
    Dependency::Secret(ObjectKey::new("n", name))
}

fn secret(version: &str) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.resource_version = Some(version.to_owned());
    secret
}

/// The version that `kept` gives when the API server has `live`.
async fn read(kept: &ObjectCache<Secret>, live: Option<&str>) -> Option<String> {
    read_during(kept, live, || {}).await
}

/// As [`read`], while something happens.
async fn read_during(
    kept: &ObjectCache<Secret>,
    live: Option<&str>,
    happens: impl Fn(),
) -> Option<String> {
    let ask = async {
        happens();
        Ok::<_, Infallible>(live.map(secret))
    };
    let Ok(found) = kept.read((&topic("s"), |_| true), ask).await;
    found.and_then(|secret| secret.resource_version())
}

#[tokio::test]
async fn an_object_is_read_once_until_it_changes() {
    let kept = ObjectCache::default();
    assert_eq!(read(&kept, Some("5")).await.as_deref(), Some("5"));
    assert_eq!(read(&kept, Some("7")).await.as_deref(), Some("5"));
    kept.changed(&topic("s"), Some("7"));
    assert_eq!(read(&kept, Some("7")).await.as_deref(), Some("7"));
    kept.changed(&topic("s"), None);
    assert_eq!(read(&kept, None).await, None);
}

#[tokio::test]
async fn events_of_own_writes_and_older_ones_change_nothing() {
    let kept = ObjectCache::default();
    read(&kept, Some("5")).await;
    kept.wrote(&topic("s"), secret("8"));
    for older in ["5", "8"] {
        kept.changed(&topic("s"), Some(older));
        assert_eq!(read(&kept, Some("9")).await.as_deref(), Some("8"));
    }
    kept.changed(&topic("s"), Some("not a number"));
    assert_eq!(read(&kept, Some("9")).await.as_deref(), Some("9"));
}

#[tokio::test]
async fn what_changes_while_it_is_read_or_written_is_read_again() {
    let kept = ObjectCache::default();
    read_during(&kept, Some("5"), || kept.changed(&topic("s"), Some("6"))).await;
    assert_eq!(read(&kept, Some("6")).await.as_deref(), Some("6"));
    kept.changed(&topic("s"), Some("9"));
    kept.wrote(&topic("s"), secret("8"));
    assert_eq!(read(&kept, Some("9")).await.as_deref(), Some("9"));
}

#[tokio::test]
async fn what_is_not_there_and_what_nobody_follows_is_read_each_time() {
    let kept = ObjectCache::default();
    assert_eq!(read(&kept, None).await, None);
    assert_eq!(read(&kept, Some("5")).await.as_deref(), Some("5"));
    kept.forget(|_| true);
    let unfollowed = async { Ok::<_, Infallible>(Some(secret("5"))) };
    let Ok(found) = kept.read((&topic("s"), |_| false), unfollowed).await;
    assert!(found.is_some());
    assert_eq!(read(&kept, Some("6")).await.as_deref(), Some("6"));
}

#[tokio::test]
async fn what_was_used_longest_ago_makes_room() {
    let kept = ObjectCache::default();
    assert_eq!(read(&kept, Some("5")).await.as_deref(), Some("5"));
    for number in 0..2 * MOST {
        let other = topic(&number.to_string());
        let ask = async { Ok::<_, Infallible>(Some(secret("1"))) };
        let Ok(_) = kept.read((&other, |_| true), ask).await;
        if number < MOST {
            let used = read(&kept, Some("6")).await;
            assert_eq!(used.as_deref(), Some("5"), "it is used all the time");
        }
    }
    assert_eq!(kept.locked().entries.len(), MOST);
    assert_eq!(kept.locked().order.len(), MOST);
    assert_eq!(read(&kept, Some("6")).await.as_deref(), Some("6"));
}
