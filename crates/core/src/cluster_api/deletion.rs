//! Deletion of a control plane: its TenantControlPlane is deleted first, then the finalizer is removed.

use kamaji_api::{condition::Reason, tenant::TenantControlPlane};
use serde_json::json;

use super::{
    builder::PlanBuilder,
    ownership, placement,
    types::{FINALIZER, FORMER_FINALIZER, LEGACY_FINALIZER, Plan, Remote},
};

/// Finalizer of the garbage collector for `--cascade=orphan`: dependents are kept.
const ORPHAN: &str = "orphan";

/// Plans the deletion of the TenantControlPlane, and once it is gone, the removal of the finalizers.
pub(super) fn plan(mut builder: PlanBuilder) -> Plan {
    let snapshot = builder.snapshot;
    let control_plane = &snapshot.control_plane;
    let metadata = &control_plane.metadata;
    let unreachable = match &snapshot.remote {
        Remote::Unreachable(why) => Some(why.clone()),
        _ => placement::lost(control_plane),
    };
    if let (Some(why), false) = (unreachable, placement::abandoned(control_plane)) {
        let text = format!(
            "the TenantControlPlane in the other cluster cannot be deleted: {why}; or annotate this control plane with {} to leave it there",
            placement::ABANDON
        );
        builder.deleting(Reason::ExternalClusterUnreachable, &text);
        return builder.finish();
    }
    let mut left = metadata.finalizers.clone().unwrap_or_default();
    if let Some(tenant) = to_be_deleted(&builder) {
        let name = tenant.metadata.name.as_deref().unwrap_or_default();
        if left.iter().any(|name| name == ORPHAN) && snapshot.remote == Remote::Local {
            let text = format!(
                "the TenantControlPlane {name} is to stay (--cascade=orphan): waiting for the garbage collector to take this owner from it"
            );
            builder.deleting(Reason::TenantControlPlaneOrphaned, &text);
            return builder.finish();
        }
        if tenant.metadata.deletion_timestamp.is_none() {
            builder.plan.delete.clone_from(&tenant.metadata.uid);
        }
        let text = format!(
            "waiting for the TenantControlPlane {name} to be gone; its own conditions say what it waits for"
        );
        builder.deleting(Reason::TenantControlPlaneDeleting, &text);
        return builder.finish();
    }
    left.retain(|name| ![FINALIZER, FORMER_FINALIZER, LEGACY_FINALIZER].contains(&name.as_str()));
    builder.plan.own = (Some(&left) != metadata.finalizers.as_ref()
        && metadata.finalizers.is_some())
    .then(|| json!({"metadata": {"finalizers": left}}));
    // The object may be gone before a status could reach it.
    builder.plan
}

/// TenantControlPlane to delete with the control plane; `None` if there is none or another owner has it.
fn to_be_deleted<'a>(builder: &PlanBuilder<'a>) -> Option<&'a TenantControlPlane> {
    let snapshot = builder.snapshot;
    let uid = snapshot.control_plane.metadata.uid.as_deref();
    snapshot
        .tenant
        .as_ref()
        .filter(|tenant| match &snapshot.remote {
            Remote::Local => {
                ownership::controller(&tenant.metadata).map(|owner| owner.uid.as_str()) == uid
            }
            _ => ownership::foreign_elsewhere(builder, tenant).is_none(),
        })
}

#[cfg(test)]
mod tests;
