//! Scheduled rollouts: `spec.rollout.after` of the contract of control-plane providers.
//!
//! Once the time has passed it is written into the pods' annotations, which rolls them out as any change does. It
//! stays there even if the field is removed: removing the annotation would be another rollout.

use k8s_openapi::jiff::Timestamp;
use kamaji_api::tenant::{AdditionalMetadata, TenantControlPlane};

use super::types::Snapshot;

/// Annotation of the pods: the last `spec.rollout.after` that has passed.
const ROLLED_OUT: &str = "kamaji.clastix.io/rollout-after";

/// Time of the next scheduled rollout; `None` if none is in the future.
pub(super) fn due(snapshot: &Snapshot) -> Option<Timestamp> {
    after(snapshot).filter(|after| *after > snapshot.now)
}

/// Labels and annotations of the pods, with the last scheduled time that has passed.
pub(super) fn annotated(
    snapshot: &Snapshot,
    metadata: Option<AdditionalMetadata>,
) -> Option<AdditionalMetadata> {
    let tenant = snapshot.tenant.as_ref();
    let Some(mark) = tenant.and_then(|tenant| mark(snapshot, tenant)) else {
        return metadata;
    };
    let mut metadata = metadata.unwrap_or_default();
    metadata
        .annotations
        .insert(ROLLED_OUT.to_owned(), mark.to_string());
    Some(metadata)
}

fn mark(snapshot: &Snapshot, tenant: &TenantControlPlane) -> Option<Timestamp> {
    let pods = tenant
        .spec
        .control_plane
        .deployment
        .pod_additional_metadata
        .as_ref();
    let had = pods.and_then(|metadata| metadata.annotations.get(ROLLED_OUT)?.parse().ok());
    // No pod is older than its TenantControlPlane.
    let born = tenant.metadata.creation_timestamp.as_ref()?.0;
    let has_come = |after: &Timestamp| *after <= snapshot.now && *after > born;
    after(snapshot).filter(has_come).max(had)
}

fn after(snapshot: &Snapshot) -> Option<Timestamp> {
    let rollout = snapshot.control_plane.spec.rollout.as_ref()?;
    rollout.after.as_ref().map(|after| after.0)
}

#[cfg(test)]
mod tests;
