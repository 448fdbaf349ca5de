//! Whose is a TenantControlPlane? One of somebody else is neither changed nor deleted.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kamaji_api::{cluster::CLUSTER_NAME, tenant::TenantControlPlane};

use super::{
    conditions::PlanBuilder,
    placement::{self, Remote},
};

/// Annotation of a TenantControlPlane in another cluster: namespace, name and uid of its control plane.
pub(super) const OWNER: &str = "kamaji.clastix.io/control-plane";

/// The controlling owner.
pub(super) fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let mut owners = metadata.owner_references.iter().flatten();
    owners.find(|owner| owner.controller == Some(true))
}

/// True if its owner is, or was, a control plane of this name: uids change when a cluster is restored from
/// a backup.
pub(super) fn is_of(tenant: &TenantControlPlane, name: &str) -> bool {
    controller(&tenant.metadata)
        .is_some_and(|owner| owner.kind == "KamajiControlPlane" && owner.name == name)
}

/// Why a TenantControlPlane of our name is not ours.
pub(super) fn foreign(builder: &PlanBuilder, live: &TenantControlPlane) -> Option<String> {
    let own = &builder.snapshot.control_plane.metadata;
    if builder.snapshot.remote != Remote::Local {
        return foreign_elsewhere(builder, live);
    }
    let name = own.name.as_deref().unwrap_or_default();
    if is_of(live, name) {
        return None;
    }
    if let Some(owner) = controller(&live.metadata) {
        return Some(format!(
            "the TenantControlPlane {name} belongs to {} {}: give this control plane another name, or remove that owner",
            owner.kind, owner.name
        ));
    }
    let labels = live.metadata.labels.as_ref();
    let labelled = labels.is_some_and(|labels| labels.contains_key(CLUSTER_NAME));
    (!labelled).then(|| {
        format!("a TenantControlPlane {name} exists that no Cluster made: label it {CLUSTER_NAME} to hand it over, or give this control plane another name")
    })
}

/// In another cluster nothing can own it; an annotation says whose it is: the control plane of this name in
/// the cluster that made it. Those that upstream made have none, and a name that nobody else has.
pub(super) fn foreign_elsewhere(
    builder: &PlanBuilder,
    live: &TenantControlPlane,
) -> Option<String> {
    let mark = mark(builder);
    let annotations = live.metadata.annotations.as_ref();
    let name = live.metadata.name.as_deref().unwrap_or_default();
    let owner = &builder.snapshot.place.owner;
    let found = match annotations.and_then(|annotations| annotations.get(OWNER)) {
        Some(found) if *found == mark => return None,
        None if name == placement::legacy_name(owner) => return None,
        Some(found) => format!("belongs to the control plane {found}"),
        None => "says nothing of a control plane".to_owned(),
    };
    Some(format!(
        "the TenantControlPlane {name} in the other cluster {found}: give this one another name; or, if this one was restored from a backup and is the same, annotate that TenantControlPlane with {OWNER}: {mark}"
    ))
}

/// Which control plane, in whichever cluster: a copy has another name, and another cluster other uids.
pub(super) fn mark(builder: &PlanBuilder) -> String {
    let own = &builder.snapshot.control_plane.metadata;
    let namespace = own.namespace.as_deref().unwrap_or_default();
    let name = own.name.as_deref().unwrap_or_default();
    format!("{namespace}/{name}/{}", builder.snapshot.place.owner)
}
