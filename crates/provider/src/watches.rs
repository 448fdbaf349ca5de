//! Watches of the provider's own management cluster, one per kind; an event requeues the control planes that depend on
//! the object.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::{
    cluster::{CLUSTER_NAME, Cluster},
    control_plane::KamajiControlPlane,
    labels,
    tenant::TenantControlPlane,
};
use kamaji_shell::{
    ObjectKey,
    process::{RunError, Tasks},
    watch::{self, Objects},
};
use kube::{Resource, ResourceExt, api::ApiResource, runtime::watcher};
use serde::de::DeserializeOwned;

use crate::{
    certificate::DEFINITIONS,
    context::Context,
    definitions::{self, CLUSTERS, TENANTS},
    dependencies::Dependency,
    metadata_watch::{self, Change},
};

/// Label by which several providers share one management cluster.
const WATCH_FILTER: &str = "cluster.x-k8s.io/watch-filter";

/// Labels of the Secrets that are watched: those that the operator makes for tenants, and the published ones.
const SECRETS: [(&str, Option<&str>); 2] =
    [(labels::PROJECT, Some("kamaji")), (CLUSTER_NAME, None)];

/// True if a watch reports every change of this Secret.
pub fn is_watched(secret: &Secret) -> bool {
    SECRETS.iter().any(|(label, value)| {
        let found = secret.labels().get(*label);
        found.is_some_and(|found| value.is_none_or(|value| found == value))
    })
}

/// Starts all watches of the provider's own management cluster.
pub fn start(context: &Arc<Context>, tasks: &mut Tasks) {
    watch_definitions(context, tasks);
    let filter = context.settings.watch_filter.as_ref();
    let selector = filter.map(|value| format!("{WATCH_FILTER}={value}"));
    let queue = context.queue.clone();
    let control_planes = Kind::<KamajiControlPlane, _> {
        definition: DEFINITIONS[0],
        selector: selector.unwrap_or_default(),
        objects: context.control_planes.clone(),
        on_change: move |key| {
            queue.enqueue(key);
        },
    };
    watch_kind(context, tasks, control_planes);
    let dependents = context.dependents.clone();
    let clusters = Kind::<Cluster, _> {
        definition: CLUSTERS,
        selector: String::new(),
        objects: context.clusters.clone(),
        on_change: move |key| dependents.enqueue(&Dependency::Cluster(key)),
    };
    watch_kind(context, tasks, clusters);
    let dependents = context.dependents.clone();
    let tenants = Kind::<TenantControlPlane, _> {
        definition: TENANTS,
        selector: String::new(),
        objects: context.tenants.clone(),
        on_change: move |key| dependents.enqueue(&Dependency::Tenant(key)),
    };
    watch_kind(context, tasks, tenants);
    for (label, value) in SECRETS {
        let selector = value.map_or_else(|| label.to_owned(), |value| format!("{label}={value}"));
        watch_secrets(context, tasks, selector);
    }
}

fn watch_definitions(context: &Arc<Context>, tasks: &mut Tasks) {
    let context = context.clone();
    tasks.spawn(async move {
        let dependents = context.dependents.clone();
        let on_change = move || {
            // A kind may be served in another version now.
            dependents.invalidate(|d| matches!(d, Dependency::Infrastructure(..)));
            dependents.enqueue(&Dependency::Definitions);
        };
        let client = context.management.client.clone();
        definitions::observe(client, context.definitions.clone(), on_change).await;
        ended("definitions")
    });
}

fn watch_secrets(context: &Arc<Context>, tasks: &mut Tasks, selector: String) {
    let api = context.management.api(&ApiResource::erase::<Secret>(&()));
    let dependents = context.dependents.clone();
    tasks.spawn(async move {
        let on_change = move |change| match change {
            Change::Of(key, version) => {
                dependents.changed(&Dependency::Secret(key), version.as_deref());
            }
            Change::Any => dependents.invalidate(|d| matches!(d, Dependency::Secret(_))),
        };
        let config = watcher::Config::default().labels(&selector);
        metadata_watch::run(api, config, on_change).await;
        ended("Secrets")
    });
}

/// A typed kind to watch.
struct Kind<K, F> {
    /// Name of its definition, which the watch waits for.
    definition: &'static str,
    /// Label selector; empty for all objects.
    selector: String,
    /// Store of the objects.
    objects: Objects<ObjectKey, K>,
    /// Called with the key of each object that was written or deleted.
    on_change: F,
}

fn watch_kind<K, F>(context: &Arc<Context>, tasks: &mut Tasks, kind: Kind<K, F>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Send + Sync + 'static,
    F: Fn(ObjectKey) + Send + Sync + 'static,
{
    let context = context.clone();
    tasks.spawn(async move {
        context.definitions.known(kind.definition).await;
        let api = context.management.api(&ApiResource::erase::<K>(&()));
        watch::selected(api, &kind.selector, kind.objects, kind.on_change).await;
        ended(kind.definition)
    });
}

fn ended(what: &str) -> Result<(), RunError> {
    Err(RunError::Ended(format!("the watch of {what}")))
}
