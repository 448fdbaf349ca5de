//! Serving certificate of the conversion webhook, and the API server's trust in it.
//!
//! All replicas share one Secret, which the leader creates and rotates. The leader also writes the CA bundle into the
//! definitions whose conversion leads to the provider's Service.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::{
    api::core::v1::Secret,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kamaji_core::pki::webhook_certificate::WebhookService;
use kamaji_shell::webhook_certificate::{Keeper, LONGEST, RETRY, shared};
use kamaji_shell::{apply::Address, serve::Certificates, watch};
use kube::{
    Api,
    api::{ApiResource, DynamicObject},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::context::Context;

/// Names of the definitions whose versions the provider converts.
pub const DEFINITIONS: [&str; 2] = [
    "kamajicontrolplanes.controlplane.cluster.x-k8s.io",
    "kamajicontrolplanetemplates.controlplane.cluster.x-k8s.io",
];

/// Time before its expiry at which a certificate is renewed: 30 days.
const THRESHOLD: Duration = Duration::from_hours(30 * 24);

/// Reconciles the serving certificate and the CA bundles in the definitions, until it is dropped.
pub async fn keep(context: Arc<Context>, certificates: Certificates) {
    let changed = Arc::new(Notify::new());
    let service = &context.settings.service;
    let client = &context.management.client;
    let mut watched = vec![(
        Api::namespaced_with(
            client.clone(),
            &service.namespace,
            &ApiResource::erase::<Secret>(&()),
        ),
        service.secret_name(),
    )];
    for name in DEFINITIONS {
        watched.push((Api::all_with(client.clone(), &kind()), name.to_owned()));
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (api, name) in watched {
        let changed = changed.clone();
        tasks.spawn(async move { watch::object(api, name, move || changed.notify_one()).await });
    }
    loop {
        let wait = match reconcile(&context, &certificates).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(%error, "reconcile of the conversion certificate failed");
                RETRY
            }
        };
        tokio::select! {
            () = changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
            () = context.management.writer.leading(), if !context.management.writer.is_leading() => {}
        }
    }
}

/// API resource of CustomResourceDefinitions, for dynamic clients.
pub fn kind() -> ApiResource {
    ApiResource::erase::<CustomResourceDefinition>(&())
}

/// Reconciles once; the time until the next reconcile.
async fn reconcile(context: &Context, certificates: &Certificates) -> Result<Duration, String> {
    let keeper = Keeper {
        client: &context.management.client,
        writer: &context.management.writer,
        counters: &context.metrics.counters,
        threshold: THRESHOLD,
    };
    let Some((material, wait)) = shared(&keeper, &context.settings.service).await? else {
        // Another replica leads and creates the Secret, whose event requeues this one.
        return Ok(LONGEST);
    };
    certificates
        .set(&material.certificate, &material.key)
        .map_err(|error| error.to_string())?;
    if !material.authorities.is_empty() && context.management.writer.is_leading() {
        trust(context, &material.authorities).await?;
    }
    Ok(wait)
}

/// Writes the CA bundle into the definitions; absent ones are skipped.
async fn trust(context: &Context, authorities: &[u8]) -> Result<(), String> {
    let bundle = STANDARD.encode(authorities);
    for name in DEFINITIONS {
        let address = Address::cluster(kind(), name);
        let live: Option<DynamicObject> = context
            .management
            .writer
            .find(&address)
            .await
            .map_err(|error| error.to_string())?;
        let Some(live) = live else { continue };
        let body = serde_json::to_value(&live).map_err(|error| error.to_string())?;
        if let Some(patch) = inject(&body, &context.settings.service, &bundle) {
            let written = context
                .management
                .writer
                .json_patch(&kind(), name, patch)
                .await;
            written.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// JSON patch that writes the CA bundle into a definition; `None` if it is there, or if the conversion leads to another
/// Service.
fn inject(definition: &Value, service: &WebhookService, bundle: &str) -> Option<json_patch::Patch> {
    let conversion = &definition["spec"]["conversion"];
    let client = &conversion["webhook"]["clientConfig"];
    let leads_here = conversion["strategy"] == "Webhook"
        && client["service"]["name"] == *service.name
        && client["service"]["namespace"] == *service.namespace;
    if !leads_here || client["caBundle"] == *bundle {
        return None;
    }
    let path = "/spec/conversion/webhook/clientConfig";
    serde_json::from_value(json!([
        {"op": "test", "path": format!("{path}/service/name"), "value": service.name},
        {"op": "add", "path": format!("{path}/caBundle"), "value": bundle},
    ]))
    .ok()
}

#[cfg(test)]
mod tests;
