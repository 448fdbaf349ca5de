//! What do all parts of the provider share?

use kamaji_api::{cluster::Cluster, control_plane::KamajiControlPlane, tenant::TenantControlPlane};
use kamaji_operator::{
    context::Key,
    shell::{apply::Writer, events::Events, queue::Queue, telemetry::Metrics, watch::Objects},
};
use kube::Client;

use crate::{
    definitions::Definitions,
    external::Externals,
    infrastructure::Infrastructures,
    interest::{Interests, Topic},
    probe::Probes,
    settings::Settings,
};

/// What all parts share.
pub struct Context {
    /// The management cluster.
    pub client: Client,
    /// The command line.
    pub settings: Settings,
    /// The one write door.
    pub writer: Writer,
    /// Events.
    pub events: Events,
    /// Metrics.
    pub metrics: Metrics,
    /// Control planes to look at.
    pub queue: Queue<Key>,
    /// Every control plane that is ours to look at.
    pub control_planes: Objects<Key, KamajiControlPlane>,
    /// Every Cluster.
    pub clusters: Objects<Key, Cluster>,
    /// Every TenantControlPlane of this management cluster.
    pub tenants: Objects<Key, TenantControlPlane>,
    /// Which kinds there are.
    pub definitions: Definitions,
    /// Watches of infrastructure clusters.
    pub infrastructures: Infrastructures,
    /// Other management clusters.
    pub externals: Externals,
    /// Kubeconfigs that were tried.
    pub probes: Probes,
    /// Whom which event concerns.
    pub interests: Interests,
}

impl Context {
    /// Something about `topic` has changed: whoever looked at it looks again.
    pub fn tell(&self, topic: &Topic) {
        for key in self.interests.of(topic) {
            self.queue.wake(key);
        }
    }

    /// A control plane is gone.
    pub fn forget(&self, key: &Key) {
        self.interests.forget(key);
        self.probes.forget(key);
        self.externals.sweep(&self.interests);
    }
}
