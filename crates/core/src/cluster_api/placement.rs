//! Location of a control plane's TenantControlPlane: the provider's own management cluster or another one.
//!
//! The first location in another cluster is recorded in an annotation and stays: data cannot follow a change of
//! the spec, and uids change when a cluster is moved or restored.

use kamaji_api::{
    condition,
    control_plane::{ExternalClusterReference, KamajiControlPlane, KamajiControlPlaneStatus},
    tenant::TenantControlPlane,
};
use serde_json::{Value, json};

use super::{
    conditions::EXTERNAL_CLIENT,
    ownership::{self, legacy_name},
    types::{Kubeconfig, LEGACY_FINALIZER, Place, Remote},
};
use crate::checksum;

/// Annotation with the location of a tenant in another cluster, as JSON of a [`Place`].
pub const ANNOTATION: &str = "kamaji.clastix.io/external-place";
/// Annotation by which a person abandons a tenant in a cluster that cannot be reached any more; any value.
pub const ABANDON: &str = "kamaji.clastix.io/abandon-external";

/// Longest readable part of a TenantControlPlane's name, in bytes: suffixes are appended to the name.
const LONGEST: usize = 40;

/// Location of the tenant of `control_plane`, existing or planned; `beside` is the TenantControlPlane of the same
/// name and namespace, if there is one.
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
        Some(reference) if !is_local(control_plane, beside) => Place {
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

/// Reason why the location of the tenant is not known any more, and the next action; `None` if it is known.
pub(super) fn lost(control_plane: &KamajiControlPlane) -> Option<String> {
    let known = reference(control_plane).is_some() || recorded(control_plane).is_some();
    let elsewhere =
        initialized(control_plane) && was_remote(control_plane) && !is_legacy(control_plane);
    (elsewhere && !known).then(|| {
        format!("the TenantControlPlane is in another cluster, and neither spec.deployment.externalClusterReference nor the annotation {ANNOTATION} tells which: put one of them back")
    })
}

/// Reason why the spec contradicts the location of the tenant; `None` if they agree.
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

/// Annotation (key and value) that records a location in another cluster; `None` if it is recorded already.
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

/// True if a person abandons the tenant in the other cluster.
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
    // Only other clusters are recorded: a local tenant always has the name and namespace of its control plane.
    serde_json::from_value(place)
        .ok()
        .filter(|place: &Place| place.kubeconfig.is_some())
}

fn annotation<'a>(control_plane: &'a KamajiControlPlane, key: &str) -> Option<&'a str> {
    let annotations = control_plane.metadata.annotations.as_ref()?;
    annotations.get(key).map(String::as_str)
}

/// True if the TenantControlPlane is in the provider's own cluster, or was when it was last usable.
fn is_local(control_plane: &KamajiControlPlane, beside: Option<&TenantControlPlane>) -> bool {
    let name = control_plane.metadata.name.as_deref().unwrap_or_default();
    let found = beside.is_some_and(|tenant| ownership::is_of(tenant, name));
    let was_usable = initialized(control_plane) && !was_remote(control_plane);
    // Upstream created remote tenants even when a local one of that name existed.
    (found || was_usable) && !is_legacy(control_plane)
}

fn initialized(control_plane: &KamajiControlPlane) -> bool {
    let status = control_plane.status.as_ref();
    status.is_some_and(KamajiControlPlaneStatus::is_initialized)
}

/// True if the status has a condition about another cluster, whatever its value.
fn was_remote(control_plane: &KamajiControlPlane) -> bool {
    let status = control_plane.status.as_ref();
    status.is_some_and(|status| condition::find(&status.conditions, EXTERNAL_CLIENT).is_some())
}

fn is_legacy(control_plane: &KamajiControlPlane) -> bool {
    let finalizers = control_plane.metadata.finalizers.as_ref();
    finalizers.is_some_and(|list| list.iter().any(|name| name == LEGACY_FINALIZER))
}

/// Name of a tenant in another cluster, derived from namespace and name, which a backup keeps; upstream's name where
/// upstream made it.
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
mod tests;
