//! What does each object of a tenant in the management cluster look like? One file an object.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kamaji_api::labels;

use crate::{
    binding::Binding, endpoint::Endpoint, settings::Settings, store::Store, tenant::Tenant,
};

pub mod collisions;
pub mod deployment;
pub mod egress;
#[cfg(test)]
pub(crate) mod fixture;
pub mod gateway;
pub mod ingress;
pub mod kubeadm_config;
pub mod renderer;
pub mod service;
pub mod user;

pub use renderer::{Change, Renderer};

/// Everything that is settled before a control plane's pods can be rendered.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The renderer of its pods.
    pub renderer: Renderer,
    /// The tenant.
    pub tenant: &'a Tenant,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The tenant's datastore.
    pub store: &'a Store,
    /// Datastores of single resources: resource prefix (`/events`) and store.
    pub overrides: &'a [(String, Store)],
    /// What it has in the datastore.
    pub binding: &'a Binding,
    /// Where it is reached.
    pub endpoint: &'a Endpoint,
    /// Who the tenant's service-account tokens are from.
    pub issuer: &'a str,
    /// Image of the kine container that runs already: it is kept, so that a new operator restarts
    /// nobody. `None` for a new tenant, which gets the operator's.
    pub kine_image: Option<&'a str>,
}

/// Checksums that pod templates carry, so that a changed Secret rolls the pods (section 6.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums {
    /// Of the API server's certificate Secret.
    pub api_server: String,
    /// Of the kubelet client Secret.
    pub kubelet_client: String,
    /// Of the CA Secret.
    pub ca: String,
    /// Of the controller manager's kubeconfig Secret.
    pub controller_manager_kubeconfig: String,
    /// Of the front-proxy CA Secret.
    pub front_proxy_ca: String,
    /// Of the front-proxy client Secret.
    pub front_proxy_client: String,
    /// Of the service-account Secret.
    pub service_account: String,
    /// Of the scheduler's kubeconfig Secret.
    pub scheduler_kubeconfig: String,
    /// Of konnectivity's certificate Secret.
    pub konnectivity_certificate: String,
    /// Of konnectivity's kubeconfig Secret.
    pub konnectivity_kubeconfig: String,
    /// Of the datastore-config Secret.
    pub storage_config: String,
    /// Of the datastore-certificate Secret.
    pub storage_certificate: String,
}

/// Labels that every object of a tenant carries; `component` is the step that makes it.
pub fn labels(tenant: &str, component: &str) -> BTreeMap<String, String> {
    [
        (labels::PROJECT, "kamaji"),
        (labels::NAME, tenant),
        (labels::COMPONENT, component),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// Metadata of an object of `tenant`: name, namespace, labels and owner.
pub fn metadata(tenant: &Tenant, name: String, component: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(tenant.namespace.clone()),
        labels: Some(labels(&tenant.name, component)),
        owner_references: Some(vec![tenant.owner()]),
        ..ObjectMeta::default()
    }
}
