//! The shared serving certificate of webhooks: read from a Secret by every replica, issued and renewed by the
//! leader.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kamaji_core::{
    pki::webhook_certificate::{
        CertificatePlan, Material, RenewalTime, WebhookService, plan_certificate,
    },
    rng::Seed,
};
use kube::{Api, Client};

use crate::{
    apply::{WriteError, Writer},
    clock,
    telemetry::Counters,
};

/// Pause before the Secret is read again at the earliest.
pub const RETRY: Duration = Duration::from_secs(5);
/// Pause before the Secret is read again at the latest.
pub const LONGEST: Duration = Duration::from_hours(24);

/// Access to the Secret in which all replicas share the certificate of their webhooks.
pub struct Keeper<'a> {
    /// Client of the management cluster.
    pub client: &'a Client,
    /// Writer that creates and updates the Secret.
    pub writer: &'a Writer,
    /// Counters of the requests.
    pub counters: &'a Counters,
    /// Remaining validity at which the certificate is renewed.
    pub threshold: Duration,
}

/// The certificate of the shared Secret and the time until the next read. The leader issues it if it is missing or
/// due; `None` on other replicas until then.
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
        let time = RenewalTime {
            now: clock::now(),
            threshold: keeper.threshold,
        };
        match plan_certificate(live.as_ref(), service, time, &Seed::new(clock::seed())) {
            CertificatePlan::Keep { material, due } => {
                let wait = due.map_or(LONGEST, clock::until).clamp(RETRY, LONGEST);
                return Ok(Some((material, wait)));
            }
            CertificatePlan::Write { object, reason } => {
                if !keeper.writer.is_leading() {
                    return Ok(None);
                }
                tracing::info!("issuing the webhooks' certificate: {reason}");
                match keeper.writer.write(&object).await {
                    Ok(_) | Err(WriteError::AlreadyExists(_) | WriteError::Conflict { .. }) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
            CertificatePlan::Unusable(why) => return Err(why),
        }
    }
    Err("it changes while it is read".to_owned())
}
