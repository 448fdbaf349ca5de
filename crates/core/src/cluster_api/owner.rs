//! Owner of a control plane: the Cluster that its owner reference names, if that Cluster names the control plane, too.
//!
//! Whoever may write control planes may give them any owner reference, with the right uid. Only the Cluster's own
//! `spec.controlPlaneRef` proves that the Cluster's author wants the control plane. The uid of the owner reference is
//! not compared: it proves nothing beyond that, and Cluster API itself replaces one that a backup made stale.

use kamaji_api::{
    cluster::{Cluster, ContractReference, GROUP},
    control_plane::KamajiControlPlane,
};
use kube::Resource;

use super::types::Owner;
use crate::excerpt::excerpt;

/// Bytes of a foreign name in a message at most: a valid one is not longer.
const LONGEST_NAME: usize = 253;

/// Name of the Cluster that the owner reference names: the first one of its group and kind; `None` without one. The
/// Cluster may name another control plane: see [`owner`].
pub fn cluster_of(control_plane: &KamajiControlPlane) -> Option<&str> {
    let owners = control_plane.metadata.owner_references.as_ref()?;
    let cluster = owners.iter().find(|owner| {
        let group = owner.api_version.split('/').next();
        owner.kind == "Cluster" && group == Some(GROUP)
    });
    cluster.map(|owner| owner.name.as_str())
}

/// Owner of a control plane; `cluster` is the Cluster that [`cluster_of`] names, if it exists.
pub fn owner(control_plane: &KamajiControlPlane, cluster: Option<&Cluster>) -> Owner {
    let Some(name) = cluster_of(control_plane) else {
        return Owner::Nobody;
    };
    match cluster {
        None => Owner::Missing(name.to_owned()),
        Some(cluster) if names(cluster, control_plane) => Owner::Cluster(Box::new(cluster.clone())),
        Some(cluster) => Owner::Unconfirmed(Box::new(cluster.clone())),
    }
}

/// Cause and next action where the Cluster does not name the control plane that has it as its owner.
pub(super) fn unconfirmed(cluster: &Cluster) -> String {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let named = cluster.spec.control_plane_ref.as_ref();
    let found = named.filter(|named| !named.name.is_empty()).map_or_else(
        || "no control plane".to_owned(),
        |named| {
            let [kind, group, name] = [named.kind.as_str(), named.group(), named.name.as_str()]
                .map(|text| excerpt(text, LONGEST_NAME));
            format!("the {kind} {name} of the group {group}")
        },
    );
    format!(
        "the owner reference names the Cluster {name}, whose spec.controlPlaneRef names {found} and not this control plane, so that nothing is written for it: correct spec.controlPlaneRef of the Cluster, or delete this control plane"
    )
}

/// True if `spec.controlPlaneRef` of the Cluster names the control plane, by group, kind, name and namespace.
fn names(cluster: &Cluster, control_plane: &KamajiControlPlane) -> bool {
    let own = &control_plane.metadata;
    let beside = cluster.metadata.namespace == own.namespace;
    let named = cluster.spec.control_plane_ref.as_ref();
    beside && named.is_some_and(|named| is_to(named, control_plane))
}

fn is_to(reference: &ContractReference, control_plane: &KamajiControlPlane) -> bool {
    let own = &control_plane.metadata;
    let here =
        reference.namespace.is_empty() || Some(&reference.namespace) == own.namespace.as_ref();
    here && reference.group() == KamajiControlPlane::group(&())
        && reference.kind == KamajiControlPlane::kind(&())
        && Some(&reference.name) == own.name.as_ref()
}

#[cfg(test)]
mod tests;
