//! Renders the objects of a tenant cluster, in the order in which they are written: RBAC and configuration
//! first, addons next, the webhooks that limit writes last.

use serde_json::json;

use super::{
    bootstrap, coredns, endpoints, freeze, konnectivity, kube_proxy, kubeadm_config,
    kubelet_config::{self, PatchError},
    rbac,
    types::{Content, TenantClusterFacts, WriteLimit},
    write_permissions,
};
use crate::checksum;

/// Renders the content of a tenant cluster. Fails if a change to the kubelet configuration does not apply.
pub(super) fn render(facts: &TenantClusterFacts) -> Result<Content, PatchError> {
    let mut content = Content::default();
    content.objects.extend(rbac::cluster_admins());
    content.objects.extend(kubeadm_config::objects(facts));
    content.objects.extend(kubelet_config::objects(facts)?);
    content.objects.extend(bootstrap::objects(facts));
    content.objects.extend(endpoints::objects(facts));
    addons(facts, &mut content);
    content.prunes.push(freeze::name());
    let blocked = write_permissions::blocked(&facts.tenant.spec);
    if blocked.is_empty() {
        content.prunes.push(write_permissions::name());
    } else if facts.settings.webhook_ca.is_empty() {
        content.write_limit = WriteLimit::Unavailable;
    } else {
        content.write_limit = WriteLimit::Planned;
        content
            .objects
            .push(write_permissions::webhooks(facts, &blocked));
    }
    Ok(content)
}

fn addons(facts: &TenantClusterFacts, content: &mut Content) {
    let addons = &facts.tenant.spec.addons;
    match (&addons.core_dns, facts.renderer) {
        (Some(addon), Some(_)) => content.objects.extend(coredns::objects(facts, addon)),
        (Some(_), None) => {}
        (None, _) => content.prunes.extend(coredns::names()),
    }
    match (&addons.kube_proxy, facts.renderer) {
        (Some(addon), Some(_)) => content.objects.extend(kube_proxy::objects(facts, addon)),
        (Some(_), None) => {}
        (None, _) => content.prunes.extend(kube_proxy::names()),
    }
    match (&addons.konnectivity, facts.renderer) {
        (Some(addon), Some(_)) => {
            content.objects.extend(konnectivity::objects(facts, addon));
            let other = konnectivity::other_workload(addon.agent.mode);
            content.prunes.push(other);
        }
        (Some(_), None) => {}
        (None, _) => content.prunes.extend(konnectivity::names()),
    }
}

/// Hash over all objects and prunes.
pub(super) fn hash(content: &Content) -> String {
    let objects: Vec<_> = content
        .objects
        .iter()
        .map(|o| (o.key.to_string(), &o.hash))
        .collect();
    let prunes: Vec<_> = content.prunes.iter().map(ToString::to_string).collect();
    checksum::content(&json!([objects, prunes]))
}

#[cfg(test)]
mod tests;
