//! The provider's own management cluster: client, scope, write door and request counters.

use kamaji_shell::{apply::Writer, telemetry::Counters};
use kube::{Api, Client, Resource, api::ApiResource, core::DynamicResourceScope};

/// Field manager of everything that the provider writes.
pub const MANAGER: &str = "kamaji-control-plane";

/// Access to the provider's own management cluster.
#[derive(Clone)]
pub struct ManagementCluster {
    /// Client with the rights of the provider's ServiceAccount.
    pub client: Client,
    /// Only namespace that is watched; `None` for all.
    pub namespace: Option<String>,
    /// Write door; closed while another replica leads.
    pub writer: Writer,
    /// Counters of requests by verb and resource.
    pub counters: Counters,
}

impl ManagementCluster {
    /// API of a namespaced kind, within the watched namespace.
    pub fn api<K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>>(
        &self,
        resource: &ApiResource,
    ) -> Api<K> {
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }
}
