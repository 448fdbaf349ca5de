//! With which certificate are the webhooks served, and does the API server trust it?
//!
//! A mounted certificate is used where there is one. Else all replicas share one Secret, which the
//! leader makes and rotates; the leader also tells the API server whom to trust.

use std::{path::Path, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::tenant::TenantControlPlane;
use kamaji_core::{
    admission::{
        Claim, Facts,
        serving::{Material, Moment, ServingPlan, WebhookService, inject, plan_serving},
    },
    entropy::Seed,
    settings::Settings,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
};
use tokio::sync::Notify;

use crate::{
    context::Context,
    shell::{
        apply::{WriteError, Writer},
        clock,
        serve::Certificates,
        telemetry::Counters,
        watch,
    },
    webhook::{Knowledge, directory},
};

/// A mounted certificate is read anew after this: kubelets replace such files without a word.
const REREAD: Duration = Duration::from_mins(1);
/// After a failure, look again.
const AGAIN: Duration = Duration::from_secs(5);
/// The longest time between two looks.
const LONGEST: Duration = Duration::from_hours(24);

/// What rules look at, as the watches told it.
pub struct Known(pub Arc<Context>);

impl Knowledge for Known {
    fn facts(&self) -> Result<Facts, String> {
        let context = &self.0;
        if !context.tenants.is_ready() || !context.data_stores.is_ready() {
            return Err("the operator has not read the management cluster yet".to_owned());
        }
        Ok(Facts {
            data_stores: context
                .data_stores
                .all()
                .into_iter()
                .map(|(name, store)| (name, store.spec.driver))
                .collect(),
            default_data_store: context.settings.core.default_data_store.clone(),
            tls_routes: context.gateway_api(),
            claims: context
                .tenants
                .all()
                .iter()
                .filter_map(|(_, tenant): &(_, Arc<TenantControlPlane>)| Claim::of(tenant))
                .collect(),
        })
    }

    fn settings(&self) -> &Settings {
        &self.0.settings.core
    }
}

/// Keeps the serving certificate and the trust in it as they should be, for ever.
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
        tasks.spawn(async move { watch::one(api, name, move || changed.notify_one()).await });
    }
    loop {
        let wait = match look(&context, &certificates, (&service, mounted.as_deref())).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!("the webhooks' certificate: {error}");
                AGAIN
            }
        };
        tokio::select! {
            () = changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
            () = context.writer.leading(), if !context.writer.is_leading() => {}
        }
    }
}

/// The configurations that lead to us.
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

/// One look; how long until the next.
async fn look(
    context: &Context,
    certificates: &Certificates,
    (service, mounted): (&WebhookService, Option<&Path>),
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
            // Another replica leads and makes it; its Secret wakes us.
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

/// Who looks after the shared Secret.
pub struct Keeper<'a> {
    /// The management cluster.
    pub client: &'a Client,
    /// The write door.
    pub writer: &'a Writer,
    /// Counts the requests.
    pub counters: &'a Counters,
    /// A certificate that ends within this is issued anew.
    pub threshold: Duration,
}

/// The certificate of the shared Secret; the leader makes it if it is missing or due.
pub async fn shared(
    keeper: &Keeper<'_>,
    service: &WebhookService,
) -> Result<Option<(Material, Duration)>, String> {
    let api: Api<Secret> = Api::namespaced(keeper.client.clone(), &service.namespace);
    // Written once, or read once more because another was faster.
    for _ in 0..3 {
        keeper.counters.request("get", "secrets");
        let live = api
            .get_opt(&service.secret_name())
            .await
            .map_err(|error| error.to_string())?;
        let moment = Moment {
            now: clock::now(),
            threshold: keeper.threshold,
        };
        match plan_serving(live.as_ref(), service, moment, &Seed::new(clock::seed())) {
            ServingPlan::Keep { material, due } => {
                let wait = due.map_or(LONGEST, clock::until).clamp(AGAIN, LONGEST);
                return Ok(Some((material, wait)));
            }
            ServingPlan::Write { object, reason } => {
                if !keeper.writer.is_leading() {
                    return Ok(None);
                }
                tracing::info!("the webhooks' certificate is made: {reason}");
                match keeper.writer.write(&object).await {
                    Ok(_) | Err(WriteError::AlreadyExists(_) | WriteError::Conflict { .. }) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
            ServingPlan::Unusable(why) => return Err(why),
        }
    }
    Err("it changes while it is read".to_owned())
}

/// Tells the API server whom to trust; an absent configuration is none of our business.
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
