//! What do the three Kubernetes components have in common? (management-cluster specification, 6.5)

use k8s_openapi::api::core::v1::{Container, ResourceRequirements, SecurityContext, VolumeMount};
use kamaji_api::tenant::Probes;

use super::probes::{Check, Component, Kind, probe};
use crate::{render::Facts, tenant::Tenant, tenant_cluster::images};

/// What differs from one component to the next.
pub struct Core {
    /// Name of the container, which is its command too.
    pub name: &'static str,
    /// Whose probe settings apply.
    pub component: Component,
    /// Image with tag.
    pub image: String,
    /// `None` leaves it to the API server.
    pub image_pull_policy: Option<&'static str>,
    /// Flags.
    pub args: Vec<String>,
    /// Liveness and startup ask this.
    pub liveness: Check,
    /// Readiness asks this.
    pub readiness: Check,
    /// Requests and limits.
    pub resources: Option<ResourceRequirements>,
    /// Security context.
    pub security_context: Option<SecurityContext>,
    /// Mounts, the user's first.
    pub volume_mounts: Vec<VolumeMount>,
}

impl Core {
    /// The scheduler or the controller manager, which says at `/healthz` whether it is well;
    /// without flags and mounts yet.
    pub fn plain(facts: &Facts, (name, component): (&'static str, Component), port: i32) -> Self {
        let tenant = facts.tenant;
        let deployment = &tenant.spec.control_plane.deployment;
        let healthz = Check {
            path: "/healthz",
            port,
        };
        let scheduler = name == super::scheduler::NAME;
        let resources = deployment.resources.as_ref();
        let contexts = deployment.container_security_contexts.as_ref();
        Self {
            name,
            component,
            image: image(tenant, name),
            image_pull_policy: None,
            args: Vec::new(),
            liveness: healthz,
            readiness: healthz,
            resources: resources.and_then(|r| {
                if scheduler {
                    &r.scheduler
                } else {
                    &r.controller_manager
                }
                .clone()
            }),
            security_context: contexts.and_then(|c| {
                if scheduler {
                    &c.scheduler
                } else {
                    &c.controller_manager
                }
                .clone()
            }),
            volume_mounts: Vec::new(),
        }
    }

    /// The container.
    pub fn container(self, probes: Option<&Probes>) -> Container {
        let probe = |kind, check| Some(probe(check, kind, self.component, probes));
        Container {
            name: self.name.to_owned(),
            image: Some(self.image),
            image_pull_policy: self.image_pull_policy.map(str::to_owned),
            command: Some(vec![self.name.to_owned()]),
            args: Some(self.args),
            liveness_probe: probe(Kind::Liveness, self.liveness),
            readiness_probe: probe(Kind::Readiness, self.readiness),
            startup_probe: probe(Kind::Startup, self.liveness),
            resources: self.resources,
            security_context: self.security_context,
            volume_mounts: Some(self.volume_mounts),
            ..Container::default()
        }
    }
}

/// `<registry>/<image>:<version><suffix>` of a component, by the tenant's registry settings.
pub fn image(tenant: &Tenant, component: &str) -> String {
    let settings = &tenant.spec.control_plane.deployment.registry_settings;
    let repository = match component {
        super::api_server::NAME => &settings.api_server_image,
        super::scheduler::NAME => &settings.scheduler_image,
        _ => &settings.controller_manager_image,
    };
    let suffix = settings.tag_suffix.as_deref().unwrap_or_default();
    let tag = images::tag(&format!("{}{suffix}", tenant.version.text));
    format!("{}/{repository}:{tag}", settings.registry)
}
