//! Secrets of a tenant's names that belong to another TenantControlPlane, mostly one that had this name before. They
//! are not adopted, since anybody who has read them could access the tenant cluster.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kamaji_api::condition::{ConditionType, Reason};

use super::{builder::PlanBuilder, types::Wait};
use crate::{checksum, orphan::is_tenant, secret_role::SecretRole, tenant::Tenant};

/// Waits if any Secret of the tenant's names has another owner. True if so.
pub(super) fn refuse(builder: &mut PlanBuilder) -> bool {
    let tenant = builder.tenant;
    let restored = restored_owner(builder);
    let mut foreign: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for role in SecretRole::ALL {
        let live = builder.live_secret(role);
        let Some(owner) = live.and_then(|secret| another(tenant, secret)) else {
            continue;
        };
        let adopted = restored.as_ref() == Some(&owner.uid)
            || is_namesake(tenant, owner) && is_recorded(role, builder);
        if !adopted {
            let owner_text = format!("the {} {} with uid {}", owner.kind, owner.name, owner.uid);
            foreign
                .entry(owner_text)
                .or_default()
                .push(tenant.names.secret(role));
        }
    }
    if foreign.is_empty() {
        return false;
    }
    let foreign: Vec<String> = foreign
        .into_iter()
        .map(|(owner_text, names)| format!("{} of {owner_text}", names.join(", ")))
        .collect();
    builder.wait(Wait::new(
        ConditionType::CertificatesValid,
        Reason::SecretsOfAnotherOwner,
        format!(
            "Secrets in {} belong to another owner: {}. They are not taken over: garbage collection removes what a former TenantControlPlane of this name left, and the tenant goes on by itself then. To keep one (a restore), remove its metadata.ownerReferences; else delete it",
            tenant.namespace,
            foreign.join("; ")
        ),
    ));
    true
}

/// Owner reference of a Secret to another TenantControlPlane; `None` if it has none or the tenant owns it.
fn another<'a>(tenant: &Tenant, secret: &'a Secret) -> Option<&'a OwnerReference> {
    let owners = secret.metadata.owner_references.as_deref()?;
    if owners.iter().any(|owner| owner.uid == tenant.uid) {
        return None;
    }
    owners.iter().find(|owner| is_tenant(owner))
}

/// True for a TenantControlPlane of the tenant's name. If its uid is another, it does not exist any more.
fn is_namesake(tenant: &Tenant, owner: &OwnerReference) -> bool {
    is_tenant(owner) && owner.name == tenant.name
}

/// Uid of the tenant before it was restored: the owner of a CA whose checksum the status has recorded. All
/// Secrets of this owner are the tenant's.
fn restored_owner(builder: &PlanBuilder) -> Option<String> {
    let (tenant, role) = (builder.tenant, SecretRole::Ca);
    let owner = another(tenant, builder.live_secret(role)?)?;
    let restored = is_namesake(tenant, owner) && is_recorded(role, builder);
    restored.then(|| owner.uid.clone())
}

/// True if the status has recorded the live content of an authority.
fn is_recorded(role: SecretRole, builder: &PlanBuilder) -> bool {
    let Some(live) = builder.live_data(role).filter(|_| role.is_authority()) else {
        return false;
    };
    let recorded = role.recorded(&builder.tenant.status);
    recorded.and_then(|recorded| recorded.checksum.as_ref()) == Some(&checksum::map(&live))
}
