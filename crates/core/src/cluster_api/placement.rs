//! Where is the TenantControlPlane of a control plane: here, or in another management cluster?
//! (Cluster API provider specification, section 2.6)
//!
//! Where it was put first is written into an annotation and stays: its data cannot follow a change of the
//! spec, and a uid changes when a cluster is moved or restored.

use kamaji_api::{
    condition,
    control_plane::{ExternalClusterReference, KamajiControlPlane, KamajiControlPlaneStatus},
    tenant::TenantControlPlane,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{LEGACY_FINALIZER, conditions::EXTERNAL_CLIENT, ownership};
use crate::checksum;

/// Annotation that says where the tenant was put, as JSON of a [`Place`].
pub const ANNOTATION: &str = "kamaji.clastix.io/external-place";
/// Annotation by which a person gives up a tenant in a cluster that cannot be reached any more.
pub const ABANDON: &str = "kamaji.clastix.io/abandon-external";

/// Longest name of a TenantControlPlane that leaves room for what is appended to it.
const LONGEST: usize = 40;

/// Where a TenantControlPlane is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How its cluster is reached; `None` for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<Kubeconfig>,
    /// What its cluster is known by, where that can be read: the uid of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Uid of the control plane that put it there, which a control plane that was moved or restored keeps.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
}

/// A kubeconfig in a Secret of this cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kubeconfig {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: String,
}

/// What is known of the other management cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Remote {
    /// The tenant is here.
    #[default]
    Local,
    /// It answers, and is known by this, where that can be read.
    Reachable(Option<String>),
    /// It cannot be reached: what is wrong, and what to do.
    Unreachable(String),
}

/// Where the tenant of `control_plane` is, or is to be; `beside` is the TenantControlPlane of its name in
/// its own namespace.
pub fn place(control_plane: &KamajiControlPlane, beside: Option<&TenantControlPlane>) -> Place {
    let metadata = &control_plane.metadata;
    let owner = metadata.uid.clone().unwrap_or_default();
    let reference = reference(control_plane);
    if let Some(mut recorded) = recorded(control_plane) {
        if let Some(reference) = reference {
            recorded.kubeconfig = Some(kubeconfig(control_plane, reference));
        }
        if recorded.owner.is_empty() {
            recorded.owner = owner;
        }
        return recorded;
    }
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let name = metadata.name.clone().unwrap_or_default();
    match reference {
        Some(reference) if !is_here(control_plane, beside) => Place {
            namespace: reference.deployment_namespace.clone(),
            name: remote_name(control_plane, &namespace, &name),
            kubeconfig: Some(kubeconfig(control_plane, reference)),
            cluster: None,
            owner,
        },
        _ => Place {
            namespace,
            name,
            kubeconfig: None,
            cluster: None,
            owner,
        },
    }
}

/// Why it is not known any more where the tenant is, and what to do.
pub(super) fn lost(control_plane: &KamajiControlPlane) -> Option<String> {
    let known = reference(control_plane).is_some() || recorded(control_plane).is_some();
    let elsewhere = initialized(control_plane)
        && speaks_of_elsewhere(control_plane)
        && !is_legacy(control_plane);
    (elsewhere && !known).then(|| {
        format!("the TenantControlPlane is in another cluster, and neither spec.deployment.externalClusterReference nor the annotation {ANNOTATION} tells which: put one of them back")
    })
}

/// Why the spec asks for another place than the tenant has.
pub(super) fn contradiction(control_plane: &KamajiControlPlane, place: &Place) -> Option<String> {
    let field = "spec.deployment.externalClusterReference";
    match (reference(control_plane), &place.kubeconfig) {
        (Some(_), None) => Some(format!(
            "{field} was added, and the TenantControlPlane is in this cluster: its data cannot follow; remove the reference, or delete and make the control plane anew"
        )),
        (None, Some(_)) => Some(format!(
            "{field} was removed, and the TenantControlPlane {}/{} is in another cluster: its data cannot follow; put the reference back, or delete the control plane, which deletes the tenant there",
            place.namespace, place.name
        )),
        (Some(reference), Some(_)) if reference.deployment_namespace != place.namespace => {
            Some(format!(
                "{field}.deploymentNamespace is {}, and the TenantControlPlane is in {}: it cannot be moved; set it back",
                reference.deployment_namespace, place.namespace
            ))
        }
        _ => None,
    }
}

/// The annotation that records a place in another cluster, if it is not there yet.
pub(super) fn record(
    control_plane: &KamajiControlPlane,
    place: &Place,
    remote: &Remote,
) -> Option<(String, String)> {
    place.kubeconfig.as_ref()?;
    let mut place = place.clone();
    if let (None, Remote::Reachable(cluster)) = (&place.cluster, remote) {
        place.cluster.clone_from(cluster);
    }
    (recorded(control_plane).as_ref() != Some(&place)).then(|| {
        let text = json!(place).to_string();
        (ANNOTATION.to_owned(), text)
    })
}

/// True if a person gives up what is in the other cluster.
pub(super) fn abandoned(control_plane: &KamajiControlPlane) -> bool {
    annotation(control_plane, ABANDON).is_some()
}

fn reference(control_plane: &KamajiControlPlane) -> Option<&ExternalClusterReference> {
    let deployment = control_plane.spec.fields.deployment.as_ref()?;
    deployment.external_cluster_reference.as_ref()
}

fn kubeconfig(
    control_plane: &KamajiControlPlane,
    reference: &ExternalClusterReference,
) -> Kubeconfig {
    let own = &control_plane.metadata.namespace;
    let namespace = reference.kubeconfig_secret_namespace.as_ref();
    let namespace = namespace.filter(|name| !name.is_empty()).or(own.as_ref());
    Kubeconfig {
        namespace: namespace.cloned().unwrap_or_default(),
        name: reference.kubeconfig_secret_name.clone(),
        key: reference.kubeconfig_secret_key.clone(),
    }
}

fn recorded(control_plane: &KamajiControlPlane) -> Option<Place> {
    let text = annotation(control_plane, ANNOTATION)?;
    let place: Value = serde_json::from_str(text).ok()?;
    // Only other clusters are recorded: here, a tenant is never anywhere but beside its control plane.
    serde_json::from_value(place)
        .ok()
        .filter(|place: &Place| place.kubeconfig.is_some())
}

fn annotation<'a>(control_plane: &'a KamajiControlPlane, key: &str) -> Option<&'a str> {
    let annotations = control_plane.metadata.annotations.as_ref()?;
    annotations.get(key).map(String::as_str)
}

/// Its TenantControlPlane is in this cluster, or was when it was last usable.
fn is_here(control_plane: &KamajiControlPlane, beside: Option<&TenantControlPlane>) -> bool {
    let name = control_plane.metadata.name.as_deref().unwrap_or_default();
    let found = beside.is_some_and(|tenant| ownership::is_of(tenant, name));
    let was_usable = initialized(control_plane) && !speaks_of_elsewhere(control_plane);
    // Upstream made tenants elsewhere though there was one here.
    (found || was_usable) && !is_legacy(control_plane)
}

fn initialized(control_plane: &KamajiControlPlane) -> bool {
    let status = control_plane.status.as_ref();
    status.is_some_and(KamajiControlPlaneStatus::is_initialized)
}

/// Its status has been about another cluster, whatever it said of it.
fn speaks_of_elsewhere(control_plane: &KamajiControlPlane) -> bool {
    let status = control_plane.status.as_ref();
    status.is_some_and(|status| condition::find(&status.conditions, EXTERNAL_CLIENT).is_some())
}

fn is_legacy(control_plane: &KamajiControlPlane) -> bool {
    let finalizers = control_plane.metadata.finalizers.as_ref();
    finalizers.is_some_and(|list| list.iter().any(|name| name == LEGACY_FINALIZER))
}

/// Upstream's name for the tenant of the control plane with this uid.
pub(super) fn legacy_name(uid: &str) -> String {
    format!("kcp-{uid}")
}

/// From namespace and name, which a backup keeps; upstream's name where upstream has made it.
fn remote_name(control_plane: &KamajiControlPlane, namespace: &str, name: &str) -> String {
    if is_legacy(control_plane) {
        return legacy_name(control_plane.metadata.uid.as_deref().unwrap_or_default());
    }
    let digest = checksum::content(&json!([namespace, name]));
    let mut readable: String = name.replace('.', "-");
    readable.truncate(LONGEST);
    format!("kcp-{}-{}", readable.trim_end_matches('-'), &digest[..8])
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
