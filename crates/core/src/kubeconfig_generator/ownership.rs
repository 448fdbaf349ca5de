//! Ownership of Secrets: which of a tenant's Secrets may be read, and which generated one is whose.
//!
//! A generated Secret belongs to the tenant by the uid in its controller reference, and to the generator by name
//! in its labels and by uid in its annotation. Its name is composed of both, so that a copy under another name or
//! in another namespace belongs to nobody.

use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kamaji_api::{labels, tenant::TenantControlPlane};
use serde_json::json;

use super::demand::{Demand, Parties};
use crate::{
    adoption::{Child, Verdict},
    names::Names,
    object::{Kind, ObjectRef, Version},
    orphan::is_tenant,
};

/// Most characters of the names of generator and tenant, which are values of labels.
const LONGEST_LABEL: usize = 63;
/// Most characters of a Secret's name.
const LONGEST_NAME: usize = 253;
/// Names of generators whose Secrets would have the names of Cluster API's for a Cluster of the tenant's name.
const CLUSTER_API: [&str; 4] = ["kubeconfig", "etcd", "proxy", "sa"];

/// Reason for which a generator cannot have a Secret of its own for a tenant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is no label's value.
    #[error(
        "the name of the {0} has more than {LONGEST_LABEL} characters and cannot be a label; use a shorter one"
    )]
    Label(&'static str),
    /// The Secret's name is too long.
    #[error(
        "the Secret's name {0:?} has more than {LONGEST_NAME} characters; use a shorter name for the generator"
    )]
    Long(String),
    /// The Secret's name is that of a Secret with another content.
    #[error(
        "the Secret's name {0:?} is that of a Secret of a control plane or of Cluster API; give the KubeconfigGenerator another name"
    )]
    Reserved(String),
}

/// Returns the name of the Secret of `generator` for `tenant`.
pub fn secret_name(tenant: &str, generator: &str) -> Result<String, NameError> {
    for (text, what) in [
        (generator, "KubeconfigGenerator"),
        (tenant, "TenantControlPlane"),
    ] {
        if text.len() > LONGEST_LABEL {
            return Err(NameError::Label(what));
        }
    }
    let name = format!("{tenant}-{generator}");
    if name.len() > LONGEST_NAME {
        return Err(NameError::Long(name));
    }
    if CLUSTER_API.contains(&generator) || Names::may_be_of_a_tenant(&name) {
        return Err(NameError::Reserved(name));
    }
    Ok(name)
}

/// Generator and tenant that a Secret's metadata names, if its name is composed of both.
pub fn parties_of(secret: &ObjectMeta) -> Option<(&str, &str)> {
    let all = secret.labels.as_ref()?;
    let generator = all.get(labels::MANAGED_BY)?.as_str();
    let tenant = all.get(labels::MANAGED_FOR)?.as_str();
    let name = secret.name.as_deref()?;
    let composed = name.strip_prefix(tenant)?.strip_prefix('-')? == generator;
    composed.then_some((generator, tenant))
}

/// Refusal to write a Secret that belongs to somebody else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the Secret {name} exists and is not of this KubeconfigGenerator and TenantControlPlane: {why}. It is left as it is; delete it, or give the KubeconfigGenerator another name"
)]
pub struct Foreign {
    name: String,
    why: &'static str,
}

/// Checks that a live Secret is that of `generator` for `tenant`.
pub fn check(
    secret: &ObjectMeta,
    tenant: &TenantControlPlane,
    generator: &str,
) -> Result<(), Foreign> {
    let foreign = |why| Foreign {
        name: secret.name.clone().unwrap_or_default(),
        why,
    };
    let mut owners = secret.owner_references.iter().flatten();
    let controller = owners.find(|owner| owner.controller == Some(true));
    match controller {
        None => return Err(foreign("it names no controller")),
        Some(owner) if !is_owner(owner, tenant) => {
            return Err(foreign("its controller is another object"));
        }
        Some(_) => {}
    }
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    if parties_of(secret) == Some((generator, name)) {
        Ok(())
    } else {
        Err(foreign("its labels name another generator or tenant"))
    }
}

fn is_owner(owner: &OwnerReference, tenant: &TenantControlPlane) -> bool {
    is_tenant(owner) && Some(&owner.uid) == tenant.metadata.uid.as_ref()
}

/// True if a Secret belongs to the control plane of `tenant`, by the uid of its owner.
pub fn is_of_control_plane(secret: &Secret, tenant: &TenantControlPlane) -> bool {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let meta = &tenant.metadata;
    let (namespace, name, uid) = (text(&meta.namespace), text(&meta.name), text(&meta.uid));
    let key = ObjectRef::namespaced(Kind::Secret, &namespace, &text(&secret.metadata.name));
    let body = json!({"metadata": secret.metadata});
    let child = Child::of(&body, Kind::Secret, &name);
    child.verdict(&key, (&name, &uid)) == Verdict::Ours
}

/// Returns the version of a generated Secret to delete, if nobody requests it any more; `None` if it stays.
///
/// Deleted is only what this build wrote: by the generator's uid in the annotation, and for this very tenant by the
/// uid of the controller. `parties` and `secret` are read for this decision, from the API server.
pub fn to_delete(secret: &ObjectMeta, parties: &Parties) -> Option<Version> {
    let tenant = parties.tenant.metadata.name.as_deref()?;
    let recorded = secret.annotations.as_ref()?.get(labels::GENERATOR_UID)?;
    let is_ours = !recorded.is_empty()
        && check(secret, parties.tenant, parties.name).is_ok()
        && secret_name(tenant, parties.name).is_ok();
    let kept = labels::is_paused(secret) || parties.demand() != Demand::Nobody;
    (is_ours && !kept).then(|| Version::of(secret))
}

#[cfg(test)]
mod tests;
