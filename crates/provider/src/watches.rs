//! What does the provider follow? One watch a kind; each event wakes whoever looked at the object.

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
    metadata_watch::{self, Change, reach},
};

/// Label by which several providers share a management cluster.
const WATCH_FILTER: &str = "cluster.x-k8s.io/watch-filter";

/// Labels of Secrets that are followed: the tenants' own, and the published ones.
const SECRETS: [(&str, Option<&str>); 2] =
    [(labels::PROJECT, Some("kamaji")), (CLUSTER_NAME, None)];

/// True if a watch tells of every change of this Secret.
pub fn is_followed(secret: &Secret) -> bool {
    SECRETS.iter().any(|(label, value)| {
        let found = secret.labels().get(*label);
        found.is_some_and(|found| value.is_none_or(|value| found == value))
    })
}

/// Starts every watch.
pub fn start(context: &Arc<Context>, tasks: &mut Tasks) {
    let of = context.clone();
    tasks.spawn(async move {
        let told = of.clone();
        let wake = move || {
            // A kind may be another version of itself now.
            told.uncertain(|topic| matches!(topic, Dependency::Infrastructure(..)));
            told.tell(&Dependency::Definitions);
        };
        definitions::follow(of.client.clone(), of.definitions.clone(), wake).await;
        ended("definitions")
    });
    let filter = context.settings.watch_filter.as_ref();
    let selector = filter.map(|value| format!("{WATCH_FILTER}={value}"));
    let queue = context.queue.clone();
    let own = (DEFINITIONS[0], selector.unwrap_or_default());
    kind::<KamajiControlPlane>(
        context,
        tasks,
        own,
        (context.control_planes.clone(), move |key| {
            queue.enqueue(key);
        }),
    );
    let told = context.clone();
    let clusters = (CLUSTERS, String::new());
    kind::<Cluster>(
        context,
        tasks,
        clusters,
        (context.clusters.clone(), move |key| {
            told.tell(&Dependency::Cluster(key));
        }),
    );
    let told = context.clone();
    let tenants = (TENANTS, String::new());
    kind::<TenantControlPlane>(
        context,
        tasks,
        tenants,
        (context.tenants.clone(), move |key| {
            told.tell(&Dependency::Tenant(key));
        }),
    );
    for selector in SECRETS.map(|(label, value)| {
        value.map_or_else(|| label.to_owned(), |value| format!("{label}={value}"))
    }) {
        let context = context.clone();
        tasks.spawn(async move {
            let api = reach(&context, &ApiResource::erase::<Secret>(&()));
            let tell = move |change| match change {
                Change::Of(key, version) => {
                    context.changed(&Dependency::Secret(key), version.as_deref());
                }
                Change::Any => context.uncertain(|topic| matches!(topic, Dependency::Secret(_))),
            };
            let config = watcher::Config::default().labels(&selector);
            metadata_watch::follow(api, config, tell).await;
            ended("Secrets")
        });
    }
}

/// Follows one of our typed kinds once it is defined.
fn kind<K>(
    context: &Arc<Context>,
    tasks: &mut Tasks,
    (definition, selector): (&'static str, String),
    (objects, wake): (
        Objects<ObjectKey, K>,
        impl Fn(ObjectKey) + Send + Sync + 'static,
    ),
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Send + Sync + 'static,
{
    let context = context.clone();
    tasks.spawn(async move {
        context.definitions.known(definition).await;
        let api = reach(&context, &ApiResource::erase::<K>(&()));
        watch::selected(api, &selector, objects, wake).await;
        ended(definition)
    });
}

fn ended(what: &str) -> Result<(), RunError> {
    Err(RunError::Ended(format!("the watch of {what}")))
}
