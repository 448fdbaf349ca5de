//! [`all`] and [`selected`]: watches that keep typed copies in [`Objects`].

use std::sync::Arc;

use futures::StreamExt;
use kube::{Api, Client, Resource, ResourceExt, api::ApiResource, runtime::watcher::Event};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    events::{events, whole},
    objects::{Listed, Named, Objects},
};
use crate::{live::into_json, received::Received};

/// Remedy in the log while a definition is missing.
const HINT: &str =
    "; are the definitions installed (kamaji crds | kubectl apply --server-side -f -)?";

/// Watches every object of the kind `K` in all namespaces for ever. Calls `enqueue` with the name of each object that
/// changed or cannot be parsed, see [`Objects::unreadable`]. A missing definition is waited for.
pub async fn all<N, K>(client: Client, objects: Objects<N, K>, enqueue: impl Fn(N) + Send)
where
    N: Named,
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Send + Sync + 'static,
{
    let resource = ApiResource::erase::<K>(&());
    selected(Api::all_with(client, &resource), "", objects, enqueue).await;
}

/// As [`all`], for the objects of `api` that the label selector `labels` selects; all of them if it is empty.
pub async fn selected<N, K>(
    api: Api<Received>,
    labels: &str,
    objects: Objects<N, K>,
    enqueue: impl Fn(N) + Send,
) where
    N: Named,
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Send + Sync + 'static,
{
    let mut listed = Listed::default();
    let mut events = std::pin::pin!(events(api, whole(labels), HINT));
    while let Some(event) = events.next().await {
        match event {
            Event::Init => listed = Listed::default(),
            Event::InitApply(object) => {
                let Parsed { name, object, why } = Parsed::<N, K>::from(object, objects.salvage());
                listed
                    .objects
                    .extend(object.map(|object| (name.clone(), object)));
                listed.unreadable.extend(why.map(|why| (name, why)));
            }
            Event::InitDone => {
                let names = objects.complete(std::mem::take(&mut listed));
                names.into_iter().for_each(&enqueue);
            }
            Event::Apply(object) => {
                let Parsed { name, object, why } = Parsed::<N, K>::from(object, objects.salvage());
                if objects.observed(&name, object, why) {
                    enqueue(name);
                }
            }
            Event::Delete(object) => {
                let name = N::named(object.namespace().as_deref(), &object.name_any());
                objects.deleted(&name, object.0.metadata.uid.as_deref());
                enqueue(name);
            }
        }
    }
}

/// An object that a watch delivered, parsed as `K`.
struct Parsed<N, K> {
    /// Key of the object in [`Objects`].
    name: N,
    /// The object, or what was salvaged of one that cannot be parsed.
    object: Option<Arc<K>>,
    /// Parse error of an object that cannot be parsed.
    why: Option<String>,
}

impl<N: Named, K: DeserializeOwned> Parsed<N, K> {
    /// Parses `object` without its managed fields.
    fn from(Received(mut object): Received, salvage: Option<fn(&Value) -> Option<K>>) -> Self {
        object.metadata.managed_fields = None;
        let name = N::named(object.namespace().as_deref(), &object.name_any());
        let described = format!(
            "{}/{}",
            object.namespace().unwrap_or_default(),
            object.name_any()
        );
        let value = into_json(object);
        match K::deserialize(&value) {
            Ok(object) => Self {
                name,
                object: Some(Arc::new(object)),
                why: None,
            },
            Err(error) => {
                tracing::error!(object = %described, %error, "cannot be read and is left as it is; correct the field that is named");
                let salvaged = salvage.and_then(|salvage| salvage(&value));
                Self {
                    name,
                    object: salvaged.map(Arc::new),
                    why: Some(error.to_string()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;
    use crate::ObjectKey;

    type Read = Parsed<ObjectKey, ConfigMap>;

    #[test]
    fn an_unreadable_object_keeps_its_name_and_managed_fields_are_dropped() {
        let object = |data: Value| -> Received {
            serde_json::from_value(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": data,
                "metadata": {"name": "b", "namespace": "a", "managedFields": [{"manager": "x"}]},
            }))
            .unwrap()
        };
        let bad = Read::from(object(json!(7)), None);
        assert_eq!(bad.name, ObjectKey::new("a", "b"));
        assert!(bad.object.is_none() && bad.why.is_some());
        let salvage: fn(&Value) -> Option<ConfigMap> = |_| Some(ConfigMap::default());
        let salvaged = Read::from(object(json!(7)), Some(salvage));
        assert!(salvaged.object.is_some() && salvaged.why.is_some());
        let good = Read::from(object(json!({"k": "v"})), None);
        assert_eq!((good.name, good.why), (ObjectKey::new("a", "b"), None));
        assert!(good.object.unwrap().metadata.managed_fields.is_none());
    }
}
