//! Decides whether a tenant cluster can be reconciled now, and names the reason if it cannot.

use k8s_openapi::jiff::Timestamp;
use kamaji_api::{
    condition::{self, ConditionType},
    labels,
    tenant::{TenantControlPlane, VersionPhase},
};

/// Availability of a tenant cluster for a reconcile, by what its TenantControlPlane says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// The tenant is being deleted, and its cluster with it.
    Deleting,
    /// The control plane is not available, its CA is being rotated, or the tenant is paused.
    Unavailable,
    /// The control plane is available since this time.
    Since(Timestamp),
}

impl Availability {
    /// Reads the availability from the published status of `object`.
    pub fn of(object: &TenantControlPlane) -> Self {
        if object.metadata.deletion_timestamp.is_some() {
            return Self::Deleting;
        }
        if labels::is_paused(&object.metadata) {
            return Self::Unavailable;
        }
        serving_since(object).map_or(Self::Unavailable, Self::Since)
    }
}

fn serving_since(object: &TenantControlPlane) -> Option<Timestamp> {
    let status = object.status.as_ref()?;
    let phase = status
        .kubernetes_resources
        .as_ref()
        .and_then(|resources| resources.version.as_ref()?.status);
    let type_ = ConditionType::ControlPlaneAvailable.as_str();
    let condition = condition::find(&status.conditions, type_)?;
    let serves =
        condition.status == "True" && phase != Some(VersionPhase::CertificateAuthorityRotating);
    serves.then_some(condition.last_transition_time.0)
}

#[cfg(test)]
mod tests;
