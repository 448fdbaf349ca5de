//! Does the management cluster serve the Gateway API, and since when?
//!
//! It may be installed long after the operator has started: then tenants that wait for it go on.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use kamaji_core::object::Kind;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
};
use tokio::sync::{Notify, watch as channel};

use crate::{context::Context, shell::watch};

/// What has to be served.
const DEFINITION: &str = "tlsroutes.gateway.networking.k8s.io";
/// A definition that was just accepted is served after this.
const SETTLE: Duration = Duration::from_secs(2);
/// Without a sign of it, ask anew after this.
const LONGEST: Duration = Duration::from_mins(5);

/// Whether the API server serves TLSRoute v1.
pub async fn serves_routes(client: &Client) -> bool {
    let resources = client
        .list_api_group_resources("gateway.networking.k8s.io/v1")
        .await;
    resources.is_ok_and(|list| {
        list.resources
            .iter()
            .any(|resource| resource.kind == "TLSRoute")
    })
}

/// Waits until TLSRoutes are served, if they are not yet; follows them then, and wakes the tenants
/// that wait for them.
pub async fn follow(context: Arc<Context>) {
    if context.gateway_api() {
        return std::future::pending().await;
    }
    let changed = Notify::new();
    let resource = ApiResource {
        group: "apiextensions.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "apiextensions.k8s.io/v1".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        plural: "customresourcedefinitions".to_owned(),
    };
    let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &resource);
    let signs = watch::one(api, DEFINITION.to_owned(), || changed.notify_one());
    let served = async {
        while !serves_routes(&context.client).await {
            tokio::select! {
                () = changed.notified() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(LONGEST) => {}
            }
        }
    };
    tokio::select! {
        () = served => {}
        () = signs => {}
    }
    tracing::info!("the Gateway API is served");
    routes(&context).await;
}

/// Follows the routes; what waits for them is woken once those that are there are known.
async fn routes(context: &Arc<Context>) {
    let (sender, mut ready) = channel::channel(false);
    let queue = context.tenant_queue.clone();
    let wake = (sender, move |key| queue.wake(key));
    let (client, index) = (context.client.clone(), context.index.clone());
    let listed = async {
        if ready.wait_for(|ready| *ready).await.is_ok() {
            context.gateway_api.store(true, Ordering::Relaxed);
            for (key, tenant) in context.tenants.all() {
                if tenant.spec.control_plane.gateway.is_some() {
                    context.tenant_queue.wake(key);
                }
            }
        }
    };
    tokio::join!(watch::children(client, Kind::TlsRoute, index, wake), listed);
}
