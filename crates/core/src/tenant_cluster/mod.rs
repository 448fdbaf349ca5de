//! The desired content of a tenant cluster: what kubeadm or an administrator would have created there.
//!
//! [`plan`] lists everything in the order in which it is written: RBAC and configuration first,
//! addons last. No object has an owner: what is switched off is pruned by name, where it carries our
//! label.

mod bootstrap;
mod coredns;
mod endpoints;
pub mod images;
mod konnectivity;
mod kube_proxy;
mod kubeadm_config;
pub mod kubelet_config;
mod kubelet_patch;
mod metadata;
mod rbac;
mod recreate;
pub mod schedule;
pub mod status;
mod types;
mod write_permissions;
mod yaml;

pub use recreate::must_be_recreated;
use serde_json::json;
pub use types::{TenantClusterFacts, TenantClusterPlan, WriteLimit};
pub use write_permissions::limits_writes;

use crate::checksum;

/// A reason for which the content of a tenant cluster cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantClusterPlanError {
    /// A change to the kubelet configuration does not apply.
    #[error(transparent)]
    KubeletPatch(#[from] kubelet_config::PatchError),
}

/// Plans the content of a tenant cluster.
pub fn plan(facts: &TenantClusterFacts) -> Result<TenantClusterPlan, TenantClusterPlanError> {
    let mut plan = TenantClusterPlan::default();
    plan.objects.extend(rbac::cluster_admins());
    plan.objects.extend(kubeadm_config::objects(facts));
    plan.objects.extend(kubelet_config::objects(facts)?);
    plan.objects.extend(bootstrap::objects(facts));
    plan.objects.extend(endpoints::objects(facts));
    addons(facts, &mut plan);
    let blocked = write_permissions::blocked(&facts.tenant.spec);
    if blocked.is_empty() {
        plan.prunes.push(write_permissions::name());
    } else if facts.settings.webhook_ca.is_empty() {
        plan.write_limit = WriteLimit::Unavailable;
    } else {
        plan.write_limit = WriteLimit::Planned;
        plan.objects
            .push(write_permissions::webhooks(facts, &blocked));
    }
    Ok(plan)
}

fn addons(facts: &TenantClusterFacts, plan: &mut TenantClusterPlan) {
    let addons = &facts.tenant.spec.addons;
    match (&addons.core_dns, facts.renderer) {
        (Some(addon), Some(_)) => plan.objects.extend(coredns::objects(facts, addon)),
        (Some(_), None) => {}
        (None, _) => plan.prunes.extend(coredns::names()),
    }
    match (&addons.kube_proxy, facts.renderer) {
        (Some(addon), Some(_)) => plan.objects.extend(kube_proxy::objects(facts, addon)),
        (Some(_), None) => {}
        (None, _) => plan.prunes.extend(kube_proxy::names()),
    }
    match (&addons.konnectivity, facts.renderer) {
        (Some(addon), Some(_)) => {
            plan.objects.extend(konnectivity::objects(facts, addon));
            let other = konnectivity::other_workload(addon.agent.mode);
            plan.prunes.push(other);
        }
        (Some(_), None) => {}
        (None, _) => plan.prunes.extend(konnectivity::names()),
    }
}

/// One hash over all objects and prunes of a plan.
pub fn content_hash(plan: &TenantClusterPlan) -> String {
    let objects: Vec<_> = plan
        .objects
        .iter()
        .map(|o| (o.key.to_string(), &o.hash))
        .collect();
    let prunes: Vec<_> = plan.prunes.iter().map(ToString::to_string).collect();
    checksum::content(&json!([objects, prunes]))
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
