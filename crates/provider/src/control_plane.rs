//! Reconcile of a KamajiControlPlane: observe, plan, apply, report. All decisions are those of
//! [`kamaji_core::cluster_api`].

use std::sync::Arc;

use kamaji_api::{condition::Reason, control_plane::KamajiControlPlane};
use kamaji_core::cluster_api::{self, Plan, Probe};
use kamaji_shell::{ObjectKey, clock, queue::Outcome};

use crate::{
    apply::Reconcile,
    context::Context,
    observe::{self, Observation},
    probe,
    report::{self, Failures, Interruption, Step},
};

/// Plans in one reconcile at most: a write may be what the plan waited for, and then the next plan follows at once.
const ROUNDS: usize = 4;

/// Reconciles the control plane `key` once:
///
/// 1. Observes it and everything that its plan depends on.
/// 2. Plans and applies, again after each change, at most [`ROUNDS`] times.
/// 3. Writes its status, if that differs, and publishes events.
///
/// Failed writes are retried with back-off. A write that found another version of its object than the observed one
/// leads to a new reconcile and is not reported.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Outcome {
    let Some(object) = context.control_planes.get(&key) else {
        context.forget(&key);
        return Outcome::Done {
            requeue_after: None,
        };
    };
    let observation = match Box::pin(observe(&context, &key, &object)).await {
        Ok(observation) => observation,
        Err(outcome) => return outcome,
    };
    context.remote_clusters.sweep();
    let mut reconcile = Reconcile {
        context: &context,
        key: &key,
        observation,
        failures: Failures::default(),
    };
    let mut plan = Plan::default();
    let mut converged = false;
    for _ in 0..ROUNDS {
        plan = planned(&context, &key, &mut reconcile.observation);
        converged = !reconcile.apply(&plan).await;
        let uid = &reconcile.observation.snapshot.control_plane.metadata.uid;
        if converged || reconcile.failures.any() || uid.is_none() {
            break;
        }
    }
    let requeue_at = plan.requeue_at;
    if let Err(outcome) = Box::pin(report(&reconcile, plan)).await {
        return outcome;
    }
    let observation = &reconcile.observation;
    if reconcile.failures.any() || !converged || observation.retry || must_probe_again(observation)
    {
        return Outcome::Retry;
    }
    let resync = context.settings.resync;
    let resync = clock::jitter(resync.mul_f64(0.9), resync);
    Outcome::Done {
        requeue_after: Some(requeue_at.map_or(resync, |at| clock::until(at).min(resync))),
    }
}

/// Observes the control plane; a failure is reported, and retried.
async fn observe(
    context: &Context,
    key: &ObjectKey,
    object: &KamajiControlPlane,
) -> Result<Observation, Outcome> {
    match observe::snapshot(context, key, object).await {
        Ok(observation) => Ok(observation),
        Err(error) => {
            tracing::warn!(control_plane = %key, %error, "observation failed");
            let interruption = Interruption {
                step: Step::Secret,
                reason: Reason::ReadFailed,
                message: error.to_string(),
            };
            report::interrupted(context, object, interruption).await;
            Err(Outcome::Retry)
        }
    }
}

/// Writes the planned status. Skipped and retried if all failures are writes that another writer overtook, since the
/// status would report them.
async fn report(reconcile: &Reconcile<'_>, plan: Plan) -> Result<(), Outcome> {
    let Reconcile {
        context,
        key,
        observation,
        failures,
    } = reconcile;
    if failures.only_overtaken() {
        return Err(Outcome::Retry);
    }
    let control_plane: &KamajiControlPlane = &observation.snapshot.control_plane;
    match report::status(context, control_plane, plan, failures).await {
        Ok(Some(object)) => {
            let control_planes = &context.control_planes;
            control_planes.replace((*key).clone(), Arc::new(object));
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => {
            tracing::debug!(control_plane = %key, %error, "status patch failed");
            Err(Outcome::Retry)
        }
    }
}

/// Plans, with the last result of probing the kubeconfig that the plan publishes.
fn planned(context: &Context, key: &ObjectKey, observation: &mut Observation) -> Plan {
    let plan = cluster_api::plan(&observation.snapshot);
    let known = plan
        .probe
        .as_ref()
        .map_or(Probe::Untried, |bytes| context.probes.known(key, bytes));
    if known == observation.snapshot.probe {
        return plan;
    }
    observation.snapshot.probe = known;
    cluster_api::plan(&observation.snapshot)
}

/// True if an API server runs and did not answer. The start of one that does not run shows in its TenantControlPlane.
fn must_probe_again(observation: &Observation) -> bool {
    let snapshot = &observation.snapshot;
    matches!(snapshot.probe, Probe::Fails(_))
        && snapshot.tenant.as_ref().is_some_and(probe::may_answer)
}
