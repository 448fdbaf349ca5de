//! Discovery of the Gateway API in the management cluster, while the operator runs.
//!
//! It may be installed long after the operator has started, and removed: both enqueue the tenants that
//! ask for routes.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use kamaji_core::object::Kind;
use kube::{Api, Client, api::ApiResource};
use tokio::sync::{Notify, watch as channel};

use crate::context::Context;
use kamaji_shell::watch;

/// Group version that has to be served.
const DEFINITION: &str = "tlsroutes.gateway.networking.k8s.io";
/// Delay after which a definition that was just accepted is served.
const SERVING_DELAY: Duration = Duration::from_secs(2);
/// Period of discovery without a change of the definition.
const LONGEST: Duration = Duration::from_mins(5);

/// True if the API server serves TLSRoute v1.
pub async fn serves_routes(client: &Client) -> Result<bool, kube::Error> {
    let resources = client
        .list_api_group_resources("gateway.networking.k8s.io/v1")
        .await;
    match resources {
        Ok(list) => Ok(list
            .resources
            .iter()
            .any(|resource| resource.kind == "TLSRoute")),
        // The group is not served.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Follows whether the Gateway API is served, and enqueues the tenants with routes on a change. Never returns.
pub async fn follow(context: Arc<Context>) {
    let (changed, served) = (Notify::new(), Notify::new());
    let resource = ApiResource {
        group: "apiextensions.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "apiextensions.k8s.io/v1".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        plural: "customresourcedefinitions".to_owned(),
    };
    let api = Api::all_with(context.watching.clone(), &resource);
    let signs = watch::object(api, DEFINITION.to_owned(), || changed.notify_one());
    let watched = context.gateway_api();
    let routes = async {
        // Those that were served at the start are watched with the other children.
        if !watched {
            served.notified().await;
            routes(&context).await;
        }
        std::future::pending::<()>().await;
    };
    let evaluate = async {
        let mut known = watched;
        loop {
            tokio::select! {
                () = changed.notified() => tokio::time::sleep(SERVING_DELAY).await,
                () = tokio::time::sleep(LONGEST) => {}
            }
            match serves_routes(&context.client).await {
                Ok(now) if now == known => continue,
                Ok(now) => known = now,
                // A failed discovery changes nothing.
                Err(_) => continue,
            }
            if known {
                tracing::info!("the Gateway API is served");
                served.notify_one();
            } else {
                tracing::warn!("the Gateway API is not served any more");
            }
            // Routes are written only once the existing ones are listed: see `routes`.
            if watched || !known || context.routes_listed.load(Ordering::Relaxed) {
                publish(&context, known);
            }
        }
    };
    tokio::join!(signs, routes, evaluate);
}

/// Watches the routes, and enqueues the tenants with routes once the existing ones are listed.
async fn routes(context: &Arc<Context>) {
    let (sender, mut ready) = channel::channel(false);
    let queue = context.tenant_queue.clone();
    let children = watch::Children {
        kind: Kind::TlsRoute,
        index: context.index.clone(),
        ready: sender,
    };
    let (client, enqueue) = (context.watching.clone(), move |key| queue.enqueue(key));
    let listed = async {
        if ready.wait_for(|ready| *ready).await.is_ok() {
            context.routes_listed.store(true, Ordering::Relaxed);
            publish(context, true);
        }
    };
    tokio::join!(watch::children(client, children, enqueue), listed);
}

fn publish(context: &Context, served: bool) {
    context.gateway_api.store(served, Ordering::Relaxed);
    for (key, tenant) in context.tenants.all() {
        if tenant.spec.control_plane.gateway.is_some() {
            context.tenant_queue.enqueue(key);
        }
    }
}
