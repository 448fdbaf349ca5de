//! Secrets of a tenant's names that belong to another TenantControlPlane, mostly one that had this name before. They
//! are not adopted, since whoever had them would have a way into the tenant cluster.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kamaji_api::{condition::ConditionType, tenant::SecretStatus};

use super::{
    builder::{PlanBuilder, secret_data},
    types::Wait,
};
use crate::{checksum, tenant::Tenant};

/// Waits if any Secret of the tenant's names has another owner. True if so.
pub(super) fn refuse(builder: &mut PlanBuilder) -> bool {
    let tenant = builder.tenant;
    let restored = restored_owner(tenant, builder);
    let mut foreign: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let names = tenant.names.secrets();
    for name in &names {
        let live = builder.snapshot.secrets.get(name);
        let Some(owner) = live.and_then(|secret| another(tenant, secret)) else {
            continue;
        };
        let kept = restored.as_ref() == Some(&owner.uid)
            || is_namesake(tenant, owner) && is_recorded(tenant, name, builder);
        if !kept {
            let whose = format!("the {} {} with uid {}", owner.kind, owner.name, owner.uid);
            foreign.entry(whose).or_default().push(name);
        }
    }
    if foreign.is_empty() {
        return false;
    }
    let foreign: Vec<String> = foreign
        .into_iter()
        .map(|(whose, names)| format!("{} of {whose}", names.join(", ")))
        .collect();
    builder.wait(Wait::new(
        ConditionType::CertificatesValid,
        "SecretsOfAnotherOwner",
        format!(
            "Secrets in {} belong to another owner: {}. They are not taken over: garbage collection removes what a former TenantControlPlane of this name left, and the tenant goes on by itself then. To keep one (a restore), remove its metadata.ownerReferences; else delete it",
            tenant.namespace,
            foreign.join("; ")
        ),
    ));
    true
}

/// The TenantControlPlane that a Secret belongs to, if it is not the tenant.
fn another<'a>(tenant: &Tenant, secret: &'a Secret) -> Option<&'a OwnerReference> {
    let owners = secret.metadata.owner_references.as_deref()?;
    if owners.iter().any(|owner| owner.uid == tenant.uid) {
        return None;
    }
    owners.iter().find(|owner| is_tenant(owner))
}

fn is_tenant(owner: &OwnerReference) -> bool {
    owner.kind == "TenantControlPlane" && owner.api_version.starts_with("kamaji.clastix.io/")
}

/// True for a TenantControlPlane of the tenant's name. If its uid is another, it does not exist any more.
fn is_namesake(tenant: &Tenant, owner: &OwnerReference) -> bool {
    is_tenant(owner) && owner.name == tenant.name
}

/// Who the tenant was before it was restored: the owner of a CA whose checksum the status has recorded. All
/// that this owner left is the tenant's.
fn restored_owner(tenant: &Tenant, builder: &PlanBuilder) -> Option<String> {
    let name = tenant.names.ca();
    let owner = another(tenant, builder.snapshot.secrets.get(&name)?)?;
    let restored = is_namesake(tenant, owner) && is_recorded(tenant, &name, builder);
    restored.then(|| owner.uid.clone())
}

/// True if the status has recorded the content of the authority `name` as it is.
fn is_recorded(tenant: &Tenant, name: &str, builder: &PlanBuilder) -> bool {
    let (Some(recorded), Some(live)) = (
        &tenant.status.certificates,
        builder.snapshot.secrets.get(name),
    ) else {
        return false;
    };
    let names = &tenant.names;
    let all: [(String, Option<&SecretStatus>); 3] = [
        (names.ca(), recorded.ca.as_ref()),
        (names.front_proxy_ca(), recorded.front_proxy_ca.as_ref()),
        (names.service_account(), recorded.sa.as_ref()),
    ];
    let status = all.into_iter().find(|(one, _)| one == name);
    let sum = checksum::map(&secret_data(live));
    status
        .and_then(|(_, status)| status?.checksum.as_ref())
        .is_some_and(|recorded| *recorded == sum)
}
