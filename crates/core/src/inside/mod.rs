//! What should there be inside a tenant, that kubeadm or an administrator would have put there?
//! (tenant-cluster specification, section 3)

use crate::{
    endpoint::Endpoint,
    object::{Object, ObjectRef},
    settings::Settings,
    store::Store,
    tenant::Tenant,
};

/// Everything that is settled before a tenant's inside can be rendered.
#[derive(Clone, Debug)]
pub struct InsideFacts<'a> {
    /// The tenant.
    pub tenant: &'a Tenant,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The tenant's datastore; only its driver and endpoints are looked at.
    pub store: &'a Store,
    /// Where the tenant is reached.
    pub endpoint: &'a Endpoint,
    /// The tenant's CA certificate, PEM.
    pub ca: &'a str,
}

/// Objects that should be inside a tenant, and those that should not.
#[derive(Clone, Debug, Default)]
pub struct InsidePlan {
    /// To apply, in this order.
    pub objects: Vec<Object>,
    /// To delete, only where they carry our project label.
    pub prunes: Vec<ObjectRef>,
}
