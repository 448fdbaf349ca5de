//! Discovery of the Gateway API in the management cluster, while the operator runs.
//!
//! It may be installed long after the operator has started, and removed: tenants that ask for routes
//! hear of both.

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

use crate::context::Context;
use kamaji_shell::watch;

/// Group version that has to be served.
const DEFINITION: &str = "tlsroutes.gateway.networking.k8s.io";
/// A definition that was just accepted is served after this.
const SETTLE: Duration = Duration::from_secs(2);
/// Without a sign of it, ask anew after this.
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
        // The group is not there.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Keeps the knowledge about the Gateway API right, for ever: installed or removed, the tenants that
/// ask for routes are woken.
pub async fn follow(context: Arc<Context>) {
    let (changed, served) = (Notify::new(), Notify::new());
    let resource = ApiResource {
        group: "apiextensions.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "apiextensions.k8s.io/v1".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        plural: "customresourcedefinitions".to_owned(),
    };
    let api: Api<DynamicObject> = Api::all_with(context.watching.clone(), &resource);
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
                () = changed.notified() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(LONGEST) => {}
            }
            match serves_routes(&context.client).await {
                Ok(now) if now == known => continue,
                Ok(now) => known = now,
                // Nothing is known then.
                Err(_) => continue,
            }
            if known {
                tracing::info!("the Gateway API is served");
                served.notify_one();
            } else {
                tracing::warn!("the Gateway API is not served any more");
            }
            // Whoever writes routes must know those that are there: see `routes`.
            if watched || !known || context.routes_listed.load(Ordering::Relaxed) {
                tell(&context, known);
            }
        }
    };
    tokio::join!(signs, routes, evaluate);
}

/// Follows the routes; what waits for them is woken once those that are there are known.
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
            tell(context, true);
        }
    };
    tokio::join!(watch::children(client, children, enqueue), listed);
}

fn tell(context: &Context, served: bool) {
    context.gateway_api.store(served, Ordering::Relaxed);
    for (key, tenant) in context.tenants.all() {
        if tenant.spec.control_plane.gateway.is_some() {
            context.tenant_queue.enqueue(key);
        }
    }
}
