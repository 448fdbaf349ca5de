//! What does the provider follow? One watch a kind; each event wakes whoever looked at the object.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::{
    cluster::{CLUSTER_NAME, Cluster},
    control_plane::KamajiControlPlane,
    labels,
    tenant::TenantControlPlane,
};
use kamaji_operator::{
    context::Key,
    shell::watch::{self, Objects},
};
use kube::{
    Api, Resource,
    api::{ApiResource, DynamicObject},
    runtime::watcher,
};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::{
    RunError,
    certificate::DEFINITIONS,
    context::Context,
    definitions::{self, CLUSTERS, TENANTS},
    infrastructure,
    interest::Topic,
};

/// Label by which several providers share a management cluster.
const WATCH_FILTER: &str = "cluster.x-k8s.io/watch-filter";

/// Starts every watch.
pub fn start(context: &Arc<Context>, tasks: &mut JoinSet<Result<(), RunError>>) {
    let of = context.clone();
    tasks.spawn(async move {
        let told = of.clone();
        let wake = move || told.tell(&Topic::Definitions);
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
            queue.wake(key);
        }),
    );
    let told = context.clone();
    let clusters = (CLUSTERS, String::new());
    kind::<Cluster>(
        context,
        tasks,
        clusters,
        (context.clusters.clone(), move |key| {
            told.tell(&Topic::Cluster(key));
        }),
    );
    let told = context.clone();
    let tenants = (TENANTS, String::new());
    kind::<TenantControlPlane>(
        context,
        tasks,
        tenants,
        (context.tenants.clone(), move |key| {
            told.tell(&Topic::Tenant(key));
        }),
    );
    // The tenants' own, and the published ones.
    for selector in [
        format!("{}=kamaji", labels::PROJECT),
        CLUSTER_NAME.to_owned(),
    ] {
        let context = context.clone();
        tasks.spawn(async move {
            let api = infrastructure::reach(&context, &ApiResource::erase::<Secret>(&()));
            let tell = move |key| context.tell(&Topic::Secret(key));
            let config = watcher::Config::default().labels(&selector);
            infrastructure::changes(api, config, tell).await;
            ended("Secrets")
        });
    }
}

/// Follows one of our typed kinds once it is defined.
fn kind<K>(
    context: &Arc<Context>,
    tasks: &mut JoinSet<Result<(), RunError>>,
    (definition, selector): (&'static str, String),
    (objects, wake): (Objects<Key, K>, impl Fn(Key) + Send + Sync + 'static),
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Send + Sync + 'static,
{
    let context = context.clone();
    tasks.spawn(async move {
        context.definitions.known(definition).await;
        let api = reach(&context, &ApiResource::erase::<K>(&()));
        watch::some(api, &selector, objects, wake).await;
        ended(definition)
    });
}

/// The objects of a kind that are ours to look at.
fn reach(context: &Context, resource: &ApiResource) -> Api<DynamicObject> {
    match &context.settings.namespace {
        Some(namespace) => Api::namespaced_with(context.client.clone(), namespace, resource),
        None => Api::all_with(context.client.clone(), resource),
    }
}

fn ended(what: &str) -> Result<(), RunError> {
    Err(RunError::Ended(format!("the watch of {what}")))
}
