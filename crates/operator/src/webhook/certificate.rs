//! The serving certificate of the webhooks, and the API server's trust in it.
//!
//! A mounted certificate is used where there is one. Else all replicas share one Secret, which the leader makes
//! and rotates; the leader also writes the authority into the webhook configurations.

use std::{path::Path, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use kamaji_core::pki::webhook_certificate::{WebhookService, inject};
use kamaji_shell::{
    serve::Certificates,
    watch,
    webhook_certificate::{Keeper, LONGEST, RETRY, shared},
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject},
};
use tokio::sync::Notify;

use super::directory;
use crate::context::Context;

/// A mounted certificate is read again after this: kubelets replace such files without a notice.
const REREAD: Duration = Duration::from_mins(1);

/// Keeps the serving certificate and the trust in it current. Never returns.
pub async fn keep(context: Arc<Context>, certificates: Certificates) {
    let changed = Arc::new(Notify::new());
    let service = WebhookService {
        namespace: context.settings.namespace.clone(),
        name: context.settings.webhook_service.clone(),
    };
    let mounted = context.settings.webhook_certificates.clone();
    let mut watches = Vec::new();
    for (resource, name) in configurations() {
        watches.push((
            Api::all_with(context.watching.clone(), &resource),
            name.to_owned(),
        ));
    }
    if mounted.is_none() {
        let secrets = ApiResource::erase::<Secret>(&());
        let api = Api::namespaced_with(context.watching.clone(), &service.namespace, &secrets);
        watches.push((api, service.secret_name()));
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (api, name) in watches {
        let changed = changed.clone();
        tasks.spawn(async move { watch::object(api, name, move || changed.notify_one()).await });
    }
    loop {
        let wait = match refresh(&context, &certificates, &service, mounted.as_deref()).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!("the webhooks' certificate: {error}");
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

/// The webhook configurations that name this operator's Service.
fn configurations() -> [(ApiResource, &'static str); 2] {
    let resource = |kind: &str, plural: &str| ApiResource {
        group: "admissionregistration.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "admissionregistration.k8s.io/v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    [
        (
            resource(
                "MutatingWebhookConfiguration",
                "mutatingwebhookconfigurations",
            ),
            "kamaji-mutating-webhook-configuration",
        ),
        (
            resource(
                "ValidatingWebhookConfiguration",
                "validatingwebhookconfigurations",
            ),
            "kamaji-validating-webhook-configuration",
        ),
    ]
}

/// Loads or observes the certificate once, and returns the delay until the next time.
async fn refresh(
    context: &Context,
    certificates: &Certificates,
    service: &WebhookService,
    mounted: Option<&Path>,
) -> Result<Duration, String> {
    let (material, wait) = match mounted {
        Some(folder) => (
            directory::read(folder)
                .await
                .map_err(|error| error.to_string())?,
            REREAD,
        ),
        None => match shared(&keeper(context), service).await? {
            Some(found) => found,
            // The leader issues the certificate; the watch on its Secret reports it.
            None => return Ok(LONGEST),
        },
    };
    certificates
        .set(&material.certificate, &material.key)
        .map_err(|error| error.to_string())?;
    context.trust(&material.authorities);
    if !material.authorities.is_empty() && context.writer.is_leading() {
        trust(context, service, &material.authorities).await?;
    }
    Ok(wait)
}

fn keeper(context: &Context) -> Keeper<'_> {
    Keeper {
        client: &context.client,
        writer: &context.writer,
        counters: &context.metrics.counters,
        threshold: context.settings.core.expiration_deadline,
    }
}

/// Writes the CA bundle into the webhook configurations that exist.
async fn trust(
    context: &Context,
    service: &WebhookService,
    authorities: &[u8],
) -> Result<(), String> {
    for (resource, name) in configurations() {
        let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &resource);
        let Some(live) = api.get_opt(name).await.map_err(|error| error.to_string())? else {
            continue;
        };
        let body = serde_json::to_value(&live).map_err(|error| error.to_string())?;
        if let Some(patch) = inject(&body, service, authorities) {
            let written = context.writer.json_patch(&resource, name, patch).await;
            written.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}
