//! [`namespaces`]: the namespaces whose leases count in the election between operators.
//!
//! A namespace counts if a ClusterRoleBinding lets one of its ServiceAccounts write the status of every
//! TenantControlPlane. An operator needs that right, and only a cluster administrator grants it. A user who may create
//! leases and pods in such a namespace can act as that ServiceAccount anyway.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Subject};
use kube::{Api, Client, api::ListParams};

/// Bindings in one page of the list.
const PAGE: u32 = 200;
/// Pages that are read; only cluster administrators create bindings.
const PAGES: usize = 50;
/// Roles that are read.
const ROLES: usize = 256;
/// Namespaces that count at most.
const NAMESPACES: usize = 64;

/// Reads the ClusterRoleBindings and the roles that they name. Returns the namespaces that count, sorted.
pub(super) async fn namespaces(client: &Client) -> Result<Vec<String>, kube::Error> {
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let mut found = BTreeSet::new();
    for (role, namespaces) in bound(client).await?.into_iter().take(ROLES) {
        // Most bindings name namespaces that count already.
        if namespaces.is_subset(&found) {
            continue;
        }
        if let Some(role) = roles.get_opt(&role).await?
            && role.rules.iter().flatten().any(writes_tenants)
        {
            found.extend(namespaces);
        }
    }
    if found.len() > NAMESPACES {
        tracing::warn!(
            "only {NAMESPACES} namespaces are searched for other operators: too many may write all TenantControlPlanes"
        );
    }
    Ok(found.into_iter().take(NAMESPACES).collect())
}

/// Namespaces of the ServiceAccounts by the role that is bound to them, without Kubernetes' own roles.
async fn bound(client: &Client) -> Result<BTreeMap<String, BTreeSet<String>>, kube::Error> {
    let api: Api<ClusterRoleBinding> = Api::all(client.clone());
    let mut roles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut params = ListParams::default().limit(PAGE);
    for _ in 0..PAGES {
        let page = api.list(&params).await?;
        for binding in &page.items {
            let role = &binding.role_ref.name;
            let subjects = binding.subjects.iter().flatten();
            let namespaces: BTreeSet<_> = subjects.filter_map(namespace).collect();
            if !role.starts_with("system:") && !namespaces.is_empty() {
                roles.entry(role.clone()).or_default().extend(namespaces);
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => break,
        }
    }
    Ok(roles)
}

/// Namespace of a subject that is a ServiceAccount, or the group of all ServiceAccounts of a namespace.
fn namespace(subject: &Subject) -> Option<String> {
    let name = subject.name.as_str();
    let namespace = match subject.kind.as_str() {
        "ServiceAccount" => subject.namespace.as_deref(),
        "User" => name
            .strip_prefix("system:serviceaccount:")
            .and_then(|rest| rest.split(':').next()),
        "Group" => name.strip_prefix("system:serviceaccounts:"),
        _ => None,
    };
    namespace.filter(|n| !n.is_empty()).map(str::to_owned)
}

/// True if a rule grants writes to the status of every TenantControlPlane.
fn writes_tenants(rule: &PolicyRule) -> bool {
    let has = |list: Option<&Vec<String>>, wanted: &[&str]| {
        let mut items = list.into_iter().flatten();
        items.any(|item| item == "*" || wanted.contains(&item.as_str()))
    };
    rule.resource_names.as_ref().is_none_or(Vec::is_empty)
        && has(rule.api_groups.as_ref(), &["kamaji.clastix.io"])
        && has(
            rule.resources.as_ref(),
            &["tenantcontrolplanes/status", "*/status"],
        )
        && has(Some(&rule.verbs), &["patch", "update"])
}

#[cfg(test)]
mod tests;
