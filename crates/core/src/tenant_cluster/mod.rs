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
mod rbac;
mod recreate;
pub mod schedule;
pub mod status;
mod write_permissions;
mod yaml;

use kamaji_api::labels;
pub use recreate::must_be_recreated;
use serde_json::{Map, Value, json};
pub use write_permissions::limits_writes;

use crate::{
    checksum,
    endpoint::Endpoint,
    object::{Kind, Object, ObjectRef},
    render::{Change, Renderer},
    settings::Settings,
    store::Store,
    tenant::Tenant,
};

/// Namespace of most of it.
const SYSTEM: &str = "kube-system";
/// Namespace of what strangers may read.
const PUBLIC: &str = "kube-public";
/// Group of workers that join with a bootstrap token.
const JOINING: &str = "system:bootstrappers:kubeadm:default-node-token";

/// Everything that is known before the content of a tenant cluster is rendered.
#[derive(Clone, Debug)]
pub struct TenantClusterFacts<'a> {
    /// The renderer of the addons' pods; `None` if it is one that this build does not have: then the
    /// addons are left as they are.
    pub renderer: Option<Renderer>,
    /// The tenant whose cluster is planned.
    pub tenant: &'a Tenant,
    /// The operator's settings, with the CA of its webhooks.
    pub settings: &'a Settings,
    /// The tenant's datastore; only its driver and endpoints are looked at.
    pub store: &'a Store,
    /// The endpoint of the tenant's API server.
    pub endpoint: &'a Endpoint,
    /// The tenant's CA certificate, PEM.
    pub ca: &'a str,
}

impl TenantClusterFacts<'_> {
    /// True if the renderer of the addons has this change.
    fn has(&self, change: Change) -> bool {
        self.renderer.is_some_and(|renderer| renderer.has(change))
    }
}

/// The objects that a tenant cluster should have, and those it should not.
#[derive(Clone, Debug, Default)]
pub struct TenantClusterPlan {
    /// To apply, in this order.
    pub objects: Vec<Object>,
    /// To delete, only where they carry our project label.
    pub prunes: Vec<ObjectRef>,
    /// State of the limit on the tenant's writes.
    pub write_limit: WriteLimit,
}

/// State of the limit on a tenant's writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteLimit {
    /// The spec asks for no limit.
    #[default]
    None,
    /// Asked for and planned.
    Planned,
    /// Asked for, and the operator serves no webhooks whose CA it knows.
    Unavailable,
}

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

impl TenantClusterPlan {
    /// Those of the prunes that must go before anything is written: while they stand, they refuse
    /// writes, the operator's own ones as well.
    pub fn lifts(&self) -> impl Iterator<Item = &ObjectRef> {
        self.prunes
            .iter()
            .filter(|prune| prune.kind == Kind::ValidatingWebhookConfiguration)
    }
}

/// One hash over everything that should and should not be there.
pub fn content_hash(plan: &TenantClusterPlan) -> String {
    let objects: Vec<_> = plan
        .objects
        .iter()
        .map(|o| (o.key.to_string(), &o.hash))
        .collect();
    let prunes: Vec<_> = plan.prunes.iter().map(ToString::to_string).collect();
    checksum::content(&json!([objects, prunes]))
}

/// Metadata of an object of ours: name, namespace, our project label and further ones.
fn ours(namespace: Option<&str>, name: &str, further: &[(&str, &str)]) -> Value {
    let mut metadata = plain(namespace, name);
    metadata["labels"][labels::PROJECT] = json!("kamaji");
    for (key, value) in further {
        metadata["labels"][*key] = json!(value);
    }
    metadata
}

/// Metadata of an object that kubeadm would have made: no label of ours.
fn plain(namespace: Option<&str>, name: &str) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(name));
    if let Some(namespace) = namespace {
        metadata.insert("namespace".to_owned(), json!(namespace));
    }
    metadata.into()
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
