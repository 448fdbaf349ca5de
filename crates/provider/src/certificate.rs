//! With which certificate are versions converted, and does the API server trust it?
//!
//! All replicas share one Secret, which the leader makes and rotates; the leader also writes its
//! authority into the definitions whose conversion leads to our Service.

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

/// Definitions whose versions we convert.
pub const DEFINITIONS: [&str; 2] = [
    "kamajicontrolplanes.controlplane.cluster.x-k8s.io",
    "kamajicontrolplanetemplates.controlplane.cluster.x-k8s.io",
];

/// A certificate that ends within this is renewed.
const THRESHOLD: Duration = Duration::from_hours(30 * 24);

/// Keeps the serving certificate and the trust in it as they should be, for ever.
pub async fn keep(context: Arc<Context>, certificates: Certificates) {
    let changed = Arc::new(Notify::new());
    let service = &context.settings.service;
    let client = &context.client;
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
        let wait = match look(&context, &certificates).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!("the certificate of the conversion: {error}");
                RETRY
            }
        };
        tokio::select! {
            () = changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
            () = context.writer.leading(), if !context.writer.is_leading() => {}
        }
    }
}

/// Definitions, as a kind.
pub fn kind() -> ApiResource {
    ApiResource::erase::<CustomResourceDefinition>(&())
}

/// One look; how long until the next.
async fn look(context: &Context, certificates: &Certificates) -> Result<Duration, String> {
    let keeper = Keeper {
        client: &context.client,
        writer: &context.writer,
        counters: &context.metrics.counters,
        threshold: THRESHOLD,
    };
    let Some((material, wait)) = shared(&keeper, &context.settings.service).await? else {
        // Another replica leads and makes it; its Secret wakes us.
        return Ok(LONGEST);
    };
    certificates
        .set(&material.certificate, &material.key)
        .map_err(|error| error.to_string())?;
    if !material.authorities.is_empty() && context.writer.is_leading() {
        trust(context, &material.authorities).await?;
    }
    Ok(wait)
}

/// Tells the API server whom to trust; an absent definition is none of our business.
async fn trust(context: &Context, authorities: &[u8]) -> Result<(), String> {
    let bundle = STANDARD.encode(authorities);
    for name in DEFINITIONS {
        let address = Address::cluster(kind(), name);
        let live: Option<DynamicObject> = context
            .writer
            .find(&address)
            .await
            .map_err(|error| error.to_string())?;
        let Some(live) = live else { continue };
        let body = serde_json::to_value(&live).map_err(|error| error.to_string())?;
        if let Some(patch) = inject(&body, &context.settings.service, &bundle) {
            let written = context.writer.json_patch(&kind(), name, patch).await;
            written.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// What has to change in a definition so that the API server trusts us; nothing if its conversion
/// leads elsewhere.
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
#[path = "certificate_tests.rs"]
mod tests;
