//! Builds the container of a Kubernetes component: command, probes, image, resources and security context are
//! alike for all of them.

use k8s_openapi::api::core::v1::{Container, VolumeMount};

use super::{
    component::Component,
    probes::{Check, Kind, Probed, probe},
};
use crate::render::Facts;

/// The parts of a container that differ from one component to the next.
pub struct CoreContainer {
    /// Component that the container runs.
    pub component: Component,
    /// Pull policy of the image; `None` leaves it to the API server.
    pub image_pull_policy: Option<&'static str>,
    /// Flags of the command, in their final order.
    pub args: Vec<String>,
    /// Request of the liveness and startup probes.
    pub liveness: Check,
    /// Request of the readiness probe.
    pub readiness: Check,
    /// Mounts, the user's first.
    pub volume_mounts: Vec<VolumeMount>,
}

impl CoreContainer {
    /// The container for the pods of the tenant of `facts`.
    pub fn container(self, facts: &Facts) -> Container {
        let tenant = facts.tenant;
        let deployment = &tenant.spec.control_plane.deployment;
        let probed = Probed {
            component: self.component,
            renderer: facts.renderer,
            tenant: deployment.probes.as_ref(),
        };
        let probe = |kind, check| Some(probe(check, kind, probed));
        let name = self.component.name().to_owned();
        Container {
            image: Some(self.component.image(tenant)),
            image_pull_policy: self.image_pull_policy.map(str::to_owned),
            command: Some(vec![name.clone()]),
            name,
            liveness_probe: probe(Kind::Liveness, self.liveness),
            readiness_probe: probe(Kind::Readiness, self.readiness),
            startup_probe: probe(Kind::Startup, self.liveness),
            resources: self.component.resources(deployment),
            security_context: self.component.security_context(deployment),
            args: Some(self.args),
            volume_mounts: Some(self.volume_mounts),
            ..Container::default()
        }
    }
}
