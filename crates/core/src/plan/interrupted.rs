//! The status of a tenant whose plan could not be applied completely.

use kamaji_api::{
    condition::{self, ConditionType, Reason},
    tenant::{TenantControlPlaneStatus, VersionPhase},
};

use super::Plan;

/// The status `old` with the observations of `plan`, so that no condition and no phase describes what is no more.
///
/// Conditions that describe the outcome of the reconcile stay as they were. `bound` says whether every
/// datastore binding of the plan is known to be in place: without one, and without a recorded setup, a
/// DataStoreReady that was planned as True becomes Unknown.
pub fn status(
    old: &TenantControlPlaneStatus,
    plan: &Plan,
    bound: bool,
) -> TenantControlPlaneStatus {
    let mut status = old.clone();
    condition::remove_renamed(&mut status.conditions);
    let storage = status.storage.as_ref();
    let set_up = storage.is_some_and(|storage| storage.setup.is_some());
    for planned in &plan.status.conditions {
        let type_ = planned.type_.as_str();
        let is_true = planned.status == "True";
        let outcome = type_ == ConditionType::Ready.as_str()
            || type_ == ConditionType::Reconciled.as_str()
            || type_ == ConditionType::CertificatesValid.as_str() && is_true;
        if outcome {
            continue;
        }
        let mut next = planned.clone();
        if type_ == ConditionType::DataStoreReady.as_str() && is_true && !bound && !set_up {
            "Unknown".clone_into(&mut next.status);
            Reason::NotBound.as_str().clone_into(&mut next.reason);
            "the tenant's place in the datastore is not set up yet: what comes before it could not be done"
                .clone_into(&mut next.message);
        }
        condition::set(&mut status.conditions, next);
    }
    observe_phase(&mut status, plan);
    status
}

/// Takes the planned phase if no replica is ready or none was before, which is an observation; other phases are outcomes.
fn observe_phase(status: &mut TenantControlPlaneStatus, plan: &Plan) {
    let planned = plan.status.kubernetes_resources.as_ref();
    let planned = planned.and_then(|planned| planned.version.as_ref()?.status);
    let old = status.kubernetes_resources.as_mut();
    let Some(old) = old.and_then(|old| old.version.as_mut()) else {
        return;
    };
    if [old.status, planned].contains(&Some(VersionPhase::NotReady)) {
        old.status = planned;
    }
}

#[cfg(test)]
mod tests;
