//! What is a person told? One status, written only if it differs, and an event on each transition.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kamaji_api::{condition, control_plane::KamajiControlPlane};
use kamaji_core::{
    cluster_api::Plan,
    object::{Kind, Object},
};
use kamaji_shell::{apply::WriteError, clock, events::EventRecord, queue::Abort};

use crate::context::Context;

/// What was to be written when it did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The control plane itself.
    Own,
    /// The TenantControlPlane.
    Tenant,
    /// A published Secret.
    Secret,
    /// The infrastructure cluster.
    Infrastructure,
}

impl Step {
    /// The step that writes an object.
    pub fn of(object: &Object) -> Self {
        match object.key.kind {
            Kind::TenantControlPlane => Self::Tenant,
            _ => Self::Secret,
        }
    }

    /// The condition that tells of it.
    fn condition(self) -> &'static str {
        match self {
            Self::Own => "ControlPlaneEndpointPatched",
            Self::Tenant => "TenantControlPlaneCreated",
            Self::Secret => "KubeadmResourcesCreated",
            Self::Infrastructure => "InfrastructureClusterPatched",
        }
    }
}

/// What did not work.
#[derive(Debug, Default)]
pub struct Failures(Vec<(Step, WriteError)>);

impl Failures {
    /// One more.
    pub fn add(&mut self, step: Step, error: WriteError) {
        tracing::debug!(?step, %error, "a write did not work");
        self.0.push((step, error));
    }

    /// True if there is one.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Those that a person must hear of: a look that was overtaken by another is simply followed by one.
    fn lasting(&self) -> impl Iterator<Item = (&Step, &WriteError)> {
        self.0.iter().filter_map(|(step, error)| match error {
            WriteError::AlreadyExists(_)
            | WriteError::Conflict { .. }
            | WriteError::Gone(_)
            | WriteError::NotLeading(_) => None,
            _ => Some((step, error)),
        })
    }
}

/// Writes the status if it differs; the object then.
pub async fn status(
    context: &Context,
    object: &KamajiControlPlane,
    (plan, failures): (Plan, &Failures),
) -> Result<Option<KamajiControlPlane>, WriteError> {
    let Some(mut next) = plan.status else {
        return Ok(None);
    };
    for (step, error) in failures.lasting() {
        let said = Condition {
            type_: step.condition().to_owned(),
            status: "False".to_owned(),
            reason: error.reason().to_owned(),
            message: error.to_string(),
            observed_generation: object.metadata.generation,
            last_transition_time: Time(clock::now()),
        };
        condition::set(&mut next.conditions, said.clone());
        // What could not be made is not on its way.
        if *step == Step::Tenant {
            for type_ in ["Available", "KamajiControlPlaneIsReady"] {
                let pending = condition::find(&next.conditions, type_)
                    .is_some_and(|had| had.reason == "TenantControlPlanePending");
                if pending {
                    let type_ = type_.to_owned();
                    condition::set(
                        &mut next.conditions,
                        Condition {
                            type_,
                            ..said.clone()
                        },
                    );
                }
            }
        }
    }
    let none = Vec::new();
    let had = object.status.as_ref().map_or(&none, |s| &s.conditions);
    carry(had, &mut next.conditions);
    if object.status.as_ref() == Some(&next) {
        return Ok(None);
    }
    let written = context.writer.patch_status(object, &next).await;
    let written = match written {
        Ok(written) => written,
        Err(WriteError::Gone(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    for what in event_records(had, &next.conditions) {
        context.events.publish(object, what).await;
    }
    Ok(Some(written))
}

/// Tells of a look that came to no end: nothing that was planned is known.
pub async fn abort(context: &Context, object: &KamajiControlPlane, what: &Abort) {
    let (reason, message) = match what {
        Abort::TimeOut(limit) => (
            "ReconcileTimedOut",
            format!(
                "a look at this object took longer than {limit:?} and was stopped; it is tried again by itself, and --controller-reconcile-timeout gives it more time"
            ),
        ),
        Abort::Panic(what) => (
            "InternalError",
            format!(
                "the provider failed on this object alone: {what}; please report it, with this object's YAML"
            ),
        ),
    };
    stopped(context, object, (Step::Tenant, reason, message)).await;
}

/// Tells why a look could not be finished, and leaves alone what was said of everything else.
pub async fn stopped(
    context: &Context,
    object: &KamajiControlPlane,
    (step, reason, message): (Step, &str, String),
) {
    let mut next = object.status.clone().unwrap_or_default();
    next.external_managed_control_plane = true;
    let said = Condition {
        type_: step.condition().to_owned(),
        status: "False".to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: object.metadata.generation,
        last_transition_time: Time(clock::now()),
    };
    condition::set(&mut next.conditions, said);
    if object.status.as_ref() == Some(&next) {
        return;
    }
    if let Err(error) = context.writer.patch_status(object, &next).await {
        tracing::debug!(%error, "it could not be told");
    }
}

/// A condition that was planned one way and came out another has not changed in between.
fn carry(had: &[Condition], next: &mut [Condition]) {
    for condition in next {
        if let Some(old) = condition::find(had, &condition.type_)
            && old.status == condition.status
        {
            condition.last_transition_time = old.last_transition_time.clone();
        }
    }
}

/// Reasons that somebody has to do something about.
const WARNINGS: [&str; 16] = [
    "ClusterMissing",
    "EndpointMismatch",
    "ExternalClusterUnreachable",
    "ExternalReferenceInvalid",
    "InfrastructureUnreadable",
    "InfrastructureUnsupported",
    "ProbeFailed",
    "SecretForeign",
    "SecretKeyMissing",
    "SecretTypeWrong",
    "SpecInvalid",
    "TenantControlPlaneForeign",
    "WriteFailed",
    "WriteForbidden",
    "WriteRefused",
    "WriteStorm",
];

/// Good news that is worth an event.
const NEWS: [&str; 2] = ["KamajiControlPlaneIsInitialized", "Available"];

/// What changed, told once even if several conditions say the same.
fn event_records(had: &[Condition], next: &[Condition]) -> Vec<EventRecord> {
    let mut told: Vec<EventRecord> = Vec::new();
    for condition in next {
        let old = condition::find(had, &condition.type_);
        if old.is_some_and(|old| old.status == condition.status && old.reason == condition.reason) {
            continue;
        }
        let type_ = condition.type_.as_str();
        let note = match condition.status.as_str() {
            "True" if NEWS.contains(&type_) => format!("{type_} is true"),
            "False" if condition.message.is_empty() => continue,
            "False" => condition.message.clone(),
            _ if type_ == "Paused" || type_ == "Deleting" => condition.message.clone(),
            _ => continue,
        };
        let same = told.iter().any(|what| what.note == note);
        if !same {
            told.push(EventRecord {
                warning: WARNINGS.contains(&condition.reason.as_str()),
                reason: condition.reason.clone(),
                note,
            });
        }
    }
    told
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
