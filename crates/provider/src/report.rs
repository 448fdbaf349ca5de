//! Report of a reconcile: the status, written only if it differs, and an event on each transition.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kamaji_api::{
    condition::{self, Reason},
    control_plane::KamajiControlPlane,
};
use kamaji_core::{
    cluster_api::{Plan, conditions},
    object::{Kind, Object},
    transitions::transitions,
};
use kamaji_shell::{apply::WriteError, clock, queue::Abort};

use crate::context::Context;

/// Kind of write, with a condition of its own for failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Patch of the control plane itself.
    Own,
    /// Write or deletion of the TenantControlPlane.
    Tenant,
    /// Write of a published Secret.
    Secret,
    /// Patch of the infrastructure cluster.
    Infrastructure,
}

impl Step {
    /// Step that writes an object of a plan.
    pub fn of(object: &Object) -> Self {
        match object.key.kind {
            Kind::TenantControlPlane => Self::Tenant,
            _ => Self::Secret,
        }
    }

    /// Type of the condition that reports a failure of the step.
    fn condition(self) -> &'static str {
        match self {
            Self::Own => conditions::ENDPOINT_PATCHED,
            Self::Tenant => conditions::TENANT_CREATED,
            Self::Secret => conditions::SECRETS_CREATED,
            Self::Infrastructure => conditions::INFRASTRUCTURE_PATCHED,
        }
    }
}

/// Failed writes of one reconcile.
#[derive(Debug, Default)]
pub struct Failures(Vec<(Step, WriteError)>);

impl Failures {
    /// Records a failed write.
    pub fn add(&mut self, step: Step, error: WriteError) {
        tracing::debug!(?step, %error, "write failed");
        self.0.push((step, error));
    }

    /// True if a write failed.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// True if writes failed, all of them because the objects are not the observed ones any more, or because another
    /// replica leads: a new reconcile follows, and there is nothing to report.
    pub fn only_overtaken(&self) -> bool {
        self.any() && self.lasting().next().is_none()
    }

    /// Failures that a condition reports.
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

/// Writes the status if it differs, and publishes events; returns the written object, or `None` if nothing was
/// written.
pub async fn status(
    context: &Context,
    object: &KamajiControlPlane,
    plan: Plan,
    failures: &Failures,
) -> Result<Option<KamajiControlPlane>, WriteError> {
    let Some(mut next) = plan.status else {
        return Ok(None);
    };
    for (step, error) in failures.lasting() {
        let failure = Condition {
            type_: step.condition().to_owned(),
            status: "False".to_owned(),
            reason: error.reason().as_str().to_owned(),
            message: error.to_string(),
            observed_generation: object.metadata.generation,
            last_transition_time: Time(clock::now()),
        };
        set_failed(&mut next.conditions, failure, *step);
    }
    let none = Vec::new();
    let had = object.status.as_ref().map_or(&none, |s| &s.conditions);
    condition::keep_transition_times(had, &mut next.conditions);
    if object.status.as_ref() == Some(&next) {
        return Ok(None);
    }
    let written = context.management.writer.patch_status(object, &next).await;
    let written = match written {
        Ok(written) => written,
        Err(WriteError::Gone(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    for event in transitions(had, &next.conditions) {
        context.events.publish(object, event.into()).await;
    }
    Ok(Some(written))
}

/// Sets the condition of a failed step, and those that would call its result pending.
fn set_failed(conditions: &mut Vec<Condition>, failure: Condition, step: Step) {
    // A tenant that could not be created is not pending.
    let pending: &[&str] = match step {
        Step::Tenant => &[conditions::AVAILABLE, conditions::READY],
        _ => &[],
    };
    for type_ in pending {
        let is_pending = condition::find(conditions, type_)
            .is_some_and(|had| had.reason == Reason::TenantControlPlanePending);
        if is_pending {
            let type_ = (*type_).to_owned();
            let failed = Condition {
                type_,
                ..failure.clone()
            };
            condition::set(conditions, failed);
        }
    }
    condition::set(conditions, failure);
}

/// Reports a reconcile that timed out or panicked, so that its plan is lost.
pub async fn abort(context: &Context, object: &KamajiControlPlane, what: &Abort) {
    let (reason, message) = match what {
        Abort::TimeOut(limit) => (
            Reason::ReconcileTimedOut,
            format!(
                "a reconcile of this object took longer than {limit:?} and was stopped; it is tried again by itself, and --controller-reconcile-timeout gives it more time"
            ),
        ),
        Abort::Panic(what) => (
            Reason::InternalError,
            format!(
                "the provider failed on this object alone: {what}; please report it, with this object's YAML"
            ),
        ),
    };
    let interruption = Interruption {
        step: Step::Tenant,
        reason,
        message,
    };
    interrupted(context, object, interruption).await;
}

/// Cause of a reconcile that ended before its plan was applied.
pub struct Interruption {
    /// Step whose condition reports it.
    pub step: Step,
    /// Reason of the condition.
    pub reason: Reason,
    /// Message of the condition.
    pub message: String,
}

/// Reports an interrupted reconcile by one condition and keeps the others.
pub async fn interrupted(
    context: &Context,
    object: &KamajiControlPlane,
    interruption: Interruption,
) {
    let mut next = object.status.clone().unwrap_or_default();
    next.external_managed_control_plane = true;
    let failure = Condition {
        type_: interruption.step.condition().to_owned(),
        status: "False".to_owned(),
        reason: interruption.reason.as_str().to_owned(),
        message: interruption.message,
        observed_generation: object.metadata.generation,
        last_transition_time: Time(clock::now()),
    };
    condition::set(&mut next.conditions, failure);
    if object.status.as_ref() == Some(&next) {
        return;
    }
    if let Err(error) = context.management.writer.patch_status(object, &next).await {
        tracing::debug!(%error, "status patch failed");
    }
}
