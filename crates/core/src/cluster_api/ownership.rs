//! Ownership of TenantControlPlanes: one that another owner made is neither changed nor deleted.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kamaji_api::{
    cluster::{CLUSTER_NAME, Cluster},
    control_plane::KamajiControlPlane,
    tenant::TenantControlPlane,
};
use kube::Resource;

use super::{builder::PlanBuilder, types::Remote};

/// Annotation of a TenantControlPlane in another cluster: namespace, name and uid of its control plane.
pub(super) const OWNER: &str = "kamaji.clastix.io/control-plane";

/// Owner reference of the controlling owner.
pub(super) fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let mut owners = metadata.owner_references.iter().flatten();
    owners.find(|owner| owner.controller == Some(true))
}

/// True if the owner reference names a control plane of this name. Uids are not compared, since they change when a
/// cluster is restored from a backup; two control planes of one name cannot be in one namespace.
pub(super) fn is_to(owner: &OwnerReference, name: &str) -> bool {
    let group = owner.api_version.split_once('/').map(|(group, _)| group);
    group == Some(&*KamajiControlPlane::group(&()))
        && owner.kind == KamajiControlPlane::kind(&())
        && owner.name == name
}

/// True if the controlling owner is, or was, a control plane of this name.
pub(super) fn is_of(tenant: &TenantControlPlane, name: &str) -> bool {
    controller(&tenant.metadata).is_some_and(|owner| is_to(owner, name))
}

/// Reason why an existing TenantControlPlane of the planned name belongs to another owner; `None` if it is ours.
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

/// As [`foreign`], for another management cluster. Owner references do not reach there, so the annotation [`OWNER`]
/// names the control plane. Tenants that upstream made have no annotation, and a name with the uid of their control plane:
/// its own one, since whoever may write a control plane can record any other.
pub(super) fn foreign_elsewhere(
    builder: &PlanBuilder,
    live: &TenantControlPlane,
) -> Option<String> {
    let mark = mark(builder);
    let annotations = live.metadata.annotations.as_ref();
    let name = live.metadata.name.as_deref().unwrap_or_default();
    let own = builder.snapshot.control_plane.metadata.uid.as_deref();
    let found = match annotations.and_then(|annotations| annotations.get(OWNER)) {
        Some(found) if *found == mark => return None,
        None if own.is_some_and(|uid| name == legacy_name(uid)) => return None,
        Some(found) => format!("belongs to the control plane {found}"),
        None => "says nothing of a control plane".to_owned(),
    };
    Some(format!(
        "the TenantControlPlane {name} in the other cluster {found}: give this one another name; or, if this one was restored from a backup and is the same, annotate that TenantControlPlane with {OWNER}: {mark}"
    ))
}

/// Value of [`OWNER`]: `namespace/name/uid` of the control plane. A copy has another name, and another cluster
/// other uids.
pub(super) fn mark(builder: &PlanBuilder) -> String {
    let own = &builder.snapshot.control_plane.metadata;
    let namespace = own.namespace.as_deref().unwrap_or_default();
    let name = own.name.as_deref().unwrap_or_default();
    format!("{namespace}/{name}/{}", builder.snapshot.place.owner)
}

/// Upstream's name for the tenant in another cluster of the control plane with this uid.
pub(super) fn legacy_name(uid: &str) -> String {
    format!("kcp-{uid}")
}

/// Label of everything that belongs to a Cluster: key and value.
pub(super) fn cluster_label(cluster: &Cluster) -> (String, String) {
    let name = cluster.metadata.name.clone().unwrap_or_default();
    (CLUSTER_NAME.to_owned(), name)
}

/// Owner reference to the control plane, as the controlling owner of what it makes.
pub(super) fn owner_reference(builder: &PlanBuilder) -> OwnerReference {
    let metadata = &builder.snapshot.control_plane.metadata;
    OwnerReference {
        api_version: "controlplane.cluster.x-k8s.io/v1alpha2".to_owned(),
        kind: "KamajiControlPlane".to_owned(),
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
