//! Input of the renderers of the management cluster: everything that is decided before a control plane's pods
//! can be rendered.

use super::renderer::Renderer;
use crate::{
    binding::Binding, endpoint::Endpoint, settings::Settings, store::Store, tenant::Tenant,
};

/// Everything that is decided before a control plane's pods can be rendered.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Renderer of the pods.
    pub renderer: Renderer,
    /// Tenant whose objects are rendered.
    pub tenant: &'a Tenant,
    /// Settings of the operator.
    pub settings: &'a Settings,
    /// DataStore that holds the tenant's data.
    pub store: &'a Store,
    /// Datastores of single resources: resource prefix (`/events`) and store.
    pub overrides: &'a [(String, Store)],
    /// Schema and user of the tenant in its DataStore.
    pub binding: &'a Binding,
    /// Address and port of the API server.
    pub endpoint: &'a Endpoint,
    /// Issuer of the tenant's service-account tokens, a URL.
    pub issuer: &'a str,
    /// Image of the kine container that runs already: it is kept, so that a new operator restarts no pod.
    /// `None` for a new tenant, which gets the image of the operator's settings.
    pub kine_image: Option<&'a str>,
}

/// Checksums of Secrets that pod templates carry, so that a changed Secret rolls the pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums {
    /// Checksum of the API server's certificate Secret.
    pub api_server: String,
    /// Checksum of the kubelet client Secret.
    pub kubelet_client: String,
    /// Checksum of the CA Secret.
    pub ca: String,
    /// Checksum of the controller manager's kubeconfig Secret.
    pub controller_manager_kubeconfig: String,
    /// Checksum of the front-proxy CA Secret.
    pub front_proxy_ca: String,
    /// Checksum of the front-proxy client Secret.
    pub front_proxy_client: String,
    /// Checksum of the service-account Secret.
    pub service_account: String,
    /// Checksum of the scheduler's kubeconfig Secret.
    pub scheduler_kubeconfig: String,
    /// Checksum of konnectivity's certificate Secret.
    pub konnectivity_certificate: String,
    /// Checksum of konnectivity's kubeconfig Secret.
    pub konnectivity_kubeconfig: String,
    /// Checksum of the datastore-config Secret.
    pub storage_config: String,
    /// Checksum of the datastore-certificate Secret.
    pub storage_certificate: String,
}
