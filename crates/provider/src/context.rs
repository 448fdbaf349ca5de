//! State that the parts of the provider share.

use kamaji_api::{cluster::Cluster, control_plane::KamajiControlPlane, tenant::TenantControlPlane};
use kamaji_shell::{
    ObjectKey, events::Events, queue::Queue, telemetry::Metrics, watch::Objects, watchdog::Watchdog,
};

use crate::{
    definitions::Definitions, dependents::Dependents, infrastructure::Infrastructures,
    management::ManagementCluster, probe::Probes, remote_clusters::RemoteClusters,
    settings::Settings,
};

/// Shared state of one provider process.
pub struct Context {
    /// The provider's own management cluster.
    pub management: ManagementCluster,
    /// Options of the command line.
    pub settings: Settings,
    /// Publisher of Kubernetes events.
    pub events: Events,
    /// Prometheus metrics of the process.
    pub metrics: Metrics,
    /// Keys of control planes to reconcile.
    pub queue: Queue<ObjectKey>,
    /// Liveness of the process: detects a queue that does not proceed.
    pub watchdog: Watchdog,
    /// KamajiControlPlanes that the watch filter selects.
    pub control_planes: Objects<ObjectKey, KamajiControlPlane>,
    /// Clusters in the watched namespaces.
    pub clusters: Objects<ObjectKey, Cluster>,
    /// TenantControlPlanes of the provider's own management cluster.
    pub tenants: Objects<ObjectKey, TenantControlPlane>,
    /// CustomResourceDefinitions with their labels.
    pub definitions: Definitions,
    /// Dependency index and object caches.
    pub dependents: Dependents,
    /// Infrastructure clusters and their watches.
    pub infrastructures: Infrastructures,
    /// Other management clusters and their watches.
    pub remote_clusters: RemoteClusters,
    /// Results of probed kubeconfigs.
    pub probes: Probes,
}

impl Context {
    /// Drops everything that is known of a deleted control plane.
    pub fn forget(&self, key: &ObjectKey) {
        self.dependents.index.forget(key);
        self.probes.forget(key);
        self.remote_clusters.sweep();
    }
}
