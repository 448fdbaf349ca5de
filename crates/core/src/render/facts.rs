//! Input of the renderers of the management cluster: everything that is decided before a control plane's pods
//! can be rendered.

use std::collections::BTreeMap;

use super::renderer::Renderer;
use crate::{
    binding::Binding, data_store::ResolvedDataStore, endpoint::Endpoint, secret_role::SecretRole,
    settings::Settings, tenant::Tenant,
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
    pub store: &'a ResolvedDataStore,
    /// Datastores of single resources: resource prefix (`/events`) and store.
    pub overrides: &'a [(String, ResolvedDataStore)],
    /// Schema and user of the tenant in its DataStore.
    pub binding: &'a Binding,
    /// Address and port of the API server.
    pub endpoint: &'a Endpoint,
    /// True if `ca.crt` of the CA's Secret has further CAs beside the one that signs, whose certificate is in
    /// [`TLS_PAIR`](crate::secret_role::TLS_PAIR).
    pub signer_apart: bool,
    /// Issuer of the tenant's service-account tokens, a URL.
    pub issuer: &'a str,
    /// Image of the kine container that runs and stays, so that a new operator restarts no pod. `None` for a new
    /// tenant and for one whose upgrade rolls the pods: both get the image of the operator's settings.
    pub kine_image: Option<&'a str>,
}

/// Checksums of Secrets that pod templates carry, by role. A changed checksum rolls the pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums(BTreeMap<SecretRole, String>);

impl Checksums {
    /// Checksum of the Secret of that role; empty if it is not known.
    pub fn of(&self, role: SecretRole) -> &str {
        self.0.get(&role).map(String::as_str).unwrap_or_default()
    }
}

impl FromIterator<(SecretRole, String)> for Checksums {
    fn from_iter<I: IntoIterator<Item = (SecretRole, String)>>(checksums: I) -> Self {
        Self(checksums.into_iter().collect())
    }
}
