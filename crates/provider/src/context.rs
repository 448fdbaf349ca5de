//! What do all parts of the provider share?

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::{cluster::Cluster, control_plane::KamajiControlPlane, tenant::TenantControlPlane};
use kamaji_shell::{
    ObjectKey, apply::Writer, events::Events, queue::Queue, telemetry::Metrics, watch::Objects,
    watchdog::Watchdog,
};
use kube::{Client, api::DynamicObject};

use crate::{
    definitions::Definitions,
    dependencies::{Dependency, Interests},
    infrastructure::Infrastructures,
    object_cache::ObjectCache,
    probe::Probes,
    remote_clusters::Externals,
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
    pub queue: Queue<ObjectKey>,
    /// Who goes on.
    pub watchdog: Watchdog,
    /// Every control plane that is ours to look at.
    pub control_planes: Objects<ObjectKey, KamajiControlPlane>,
    /// Every Cluster.
    pub clusters: Objects<ObjectKey, Cluster>,
    /// Every TenantControlPlane of this management cluster.
    pub tenants: Objects<ObjectKey, TenantControlPlane>,
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
    /// Secrets of this management cluster that were read.
    pub secrets: ObjectCache<Secret>,
    /// Infrastructure clusters, likewise.
    pub kept_infrastructures: ObjectCache<DynamicObject>,
}

impl Context {
    /// Something about `topic` has changed: whoever looked at it looks again.
    pub fn tell(&self, topic: &Dependency) {
        for key in self.interests.of(topic) {
            self.queue.enqueue(key);
        }
    }

    /// As [`Context::tell`], of an object that has this resource version now, or is gone.
    pub fn changed(&self, topic: &Dependency, version: Option<&str>) {
        self.secrets.changed(topic, version);
        self.kept_infrastructures.changed(topic, version);
        self.tell(topic);
    }

    /// Anything of these may have changed.
    pub fn uncertain(&self, is_meant: impl Fn(&Dependency) -> bool) {
        self.secrets.forget(&is_meant);
        self.kept_infrastructures.forget(&is_meant);
        for topic in self.interests.topics() {
            if is_meant(&topic) {
                self.tell(&topic);
            }
        }
    }

    /// A control plane is gone.
    pub fn forget(&self, key: &ObjectKey) {
        self.interests.forget(key);
        self.probes.forget(key);
        self.externals.sweep(&self.interests);
    }
}
