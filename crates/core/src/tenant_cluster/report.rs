//! Computes what a reconcile of a tenant cluster leaves behind: the report that the status publishes, and what
//! the next plan starts from.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kamaji_api::condition::{ConditionType, Reason};

use super::{
    error::TenantClusterError,
    plan::Desired,
    snapshot::{CompletedReconcile, TenantClusterSnapshot},
    status,
    types::WriteLimit,
};
use crate::snapshot::TenantClusterReport;

/// The end of a reconcile that carried out all of `desired` by the time `at`. Its condition is False if a limit
/// on the tenant's writes is asked for that the operator cannot set.
pub fn succeeded(
    snapshot: &TenantClusterSnapshot,
    desired: &Desired,
    at: Timestamp,
) -> CompletedReconcile {
    let (addons, kubeadm_phase) = status::status(&desired.tenant, desired.objects(), at);
    let unavailable = match desired.write_limit {
        WriteLimit::Unavailable => Some(TenantClusterError::WriteLimitUnavailable),
        WriteLimit::None | WriteLimit::Planned => None,
    };
    CompletedReconcile {
        report: TenantClusterReport {
            ready: condition(snapshot, unavailable.as_ref(), at),
            addons: Some(addons),
            kubeadm_phase: Some(kubeadm_phase),
            write_limited: Some(desired.write_limit == WriteLimit::Planned),
        },
        content: desired.hash.clone(),
        ca: Some(desired.access.ca().to_vec()),
        at,
    }
}

/// The end of a reconcile that failed at the time `at`. `attempted` is `None` if it failed before its desired
/// state was known, or was stopped. Addons, bootstrap phase and write limit stay as the last report has them.
pub fn failed(
    snapshot: &TenantClusterSnapshot,
    attempted: Option<&Desired>,
    error: &TenantClusterError,
    at: Timestamp,
) -> CompletedReconcile {
    let last = snapshot.last.as_ref();
    let report = last.map(|last| last.report.clone());
    let (addons, kubeadm_phase, write_limited) = match report {
        Some(report) => (report.addons, report.kubeadm_phase, report.write_limited),
        None => (None, None, None),
    };
    let ca = attempted.map(|desired| desired.access.ca().to_vec());
    CompletedReconcile {
        report: TenantClusterReport {
            ready: condition(snapshot, Some(error), at),
            addons,
            kubeadm_phase,
            write_limited,
        },
        content: attempted.map_or_else(String::new, |desired| desired.hash.clone()),
        ca: ca.or_else(|| last.and_then(|last| last.ca.clone())),
        at,
    }
}

fn condition(
    snapshot: &TenantClusterSnapshot,
    error: Option<&TenantClusterError>,
    at: Timestamp,
) -> Condition {
    let (status, reason) = match error {
        None => ("True", Reason::AsPlanned),
        Some(error) => ("False", error.reason()),
    };
    Condition {
        type_: ConditionType::TenantClusterConfigured.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message: error.map(ToString::to_string).unwrap_or_default(),
        observed_generation: snapshot.object.metadata.generation,
        last_transition_time: Time(at),
    }
}

#[cfg(test)]
mod tests;
