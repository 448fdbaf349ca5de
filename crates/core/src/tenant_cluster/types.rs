//! Input and output of the renderers of a tenant cluster.

use crate::{
    data_store::ResolvedDataStore,
    endpoint::Endpoint,
    object::{Object, ObjectRef},
    render::{Change, Renderer},
    settings::Settings,
    tenant::Tenant,
};

/// Everything that is known before the content of a tenant cluster is rendered.
#[derive(Clone, Debug)]
pub(super) struct TenantClusterFacts<'a> {
    /// The renderer of the addons' pods; `None` if it is one that this build does not have: then the
    /// addons are left as they are.
    pub renderer: Option<Renderer>,
    /// The tenant whose cluster is planned.
    pub tenant: &'a Tenant,
    /// The operator's settings, with the CA of its webhooks.
    pub settings: &'a Settings,
    /// The tenant's datastore; only its driver and endpoints count.
    pub store: &'a ResolvedDataStore,
    /// The endpoint of the tenant's API server.
    pub endpoint: &'a Endpoint,
    /// The tenant's CA certificate, PEM.
    pub ca: &'a str,
}

impl TenantClusterFacts<'_> {
    /// True if the renderer of the addons has this change.
    pub(super) fn has(&self, change: Change) -> bool {
        self.renderer.is_some_and(|renderer| renderer.has(change))
    }
}

/// The objects that a tenant cluster should have, and those it should not.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// Objects to apply, in this order.
    pub objects: Vec<Object>,
    /// Objects to delete, only where [`removal`](super::write::removal) finds that they are the operator's or upstream's.
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
    /// The limit is asked for and planned.
    Planned,
    /// A limit is asked for, and the operator serves no webhooks whose CA it knows.
    Unavailable,
}
