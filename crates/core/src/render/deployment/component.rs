//! The Kubernetes components of a control plane, and what the spec of a tenant says about each of them.

use k8s_openapi::api::core::v1::{ResourceRequirements, SecurityContext, VolumeMount};
use kamaji_api::tenant::{DeploymentSpec, ProbeSet, Probes};

use crate::{tenant::Tenant, tenant_cluster::images};

/// A Kubernetes component, which runs in a container of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The API server, `kube-apiserver`.
    ApiServer,
    /// The controller manager, `kube-controller-manager`.
    ControllerManager,
    /// The scheduler of pods, `kube-scheduler`.
    Scheduler,
}

impl Component {
    /// Every component, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::ApiServer, Self::ControllerManager, Self::Scheduler];

    /// Name of the container, which is the command that it runs, too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
        }
    }

    /// Image `<registry>/<image>:<version><suffix>`, from registrySettings and the Kubernetes version of the
    /// tenant.
    pub fn image(self, tenant: &Tenant) -> String {
        let settings = &tenant.spec.control_plane.deployment.registry_settings;
        let repository = match self {
            Self::ApiServer => &settings.api_server_image,
            Self::ControllerManager => &settings.controller_manager_image,
            Self::Scheduler => &settings.scheduler_image,
        };
        let suffix = settings.tag_suffix.as_deref().unwrap_or_default();
        let tag = images::tag(&format!("{}{suffix}", tenant.version.text));
        format!("{}/{repository}:{tag}", settings.registry)
    }

    /// Requests and limits of the container; `None` where the spec has none.
    pub fn resources(self, deployment: &DeploymentSpec) -> Option<ResourceRequirements> {
        let resources = deployment.resources.as_ref()?;
        match self {
            Self::ApiServer => resources.api_server.clone(),
            Self::ControllerManager => resources.controller_manager.clone(),
            Self::Scheduler => resources.scheduler.clone(),
        }
    }

    /// Security context of the container; `None` where the spec has none.
    pub fn security_context(self, deployment: &DeploymentSpec) -> Option<SecurityContext> {
        let contexts = deployment.container_security_contexts.as_ref()?;
        match self {
            Self::ApiServer => contexts.api_server.clone(),
            Self::ControllerManager => contexts.controller_manager.clone(),
            Self::Scheduler => contexts.scheduler.clone(),
        }
    }

    /// Flags that the user adds, as written.
    pub fn extra_args(self, deployment: &DeploymentSpec) -> &[String] {
        let Some(extra) = &deployment.extra_args else {
            return &[];
        };
        match self {
            Self::ApiServer => &extra.api_server,
            Self::ControllerManager => &extra.controller_manager,
            Self::Scheduler => &extra.scheduler,
        }
    }

    /// Mounts that the user adds, as written.
    pub fn additional_mounts(self, deployment: &DeploymentSpec) -> &[VolumeMount] {
        let Some(mounts) = &deployment.additional_volume_mounts else {
            return &[];
        };
        match self {
            Self::ApiServer => &mounts.api_server,
            Self::ControllerManager => &mounts.controller_manager,
            Self::Scheduler => &mounts.scheduler,
        }
    }

    /// Probe settings for this component alone, which win over those for all components.
    pub fn probes(self, probes: &Probes) -> Option<&ProbeSet> {
        match self {
            Self::ApiServer => probes.api_server.as_ref(),
            Self::ControllerManager => probes.controller_manager.as_ref(),
            Self::Scheduler => probes.scheduler.as_ref(),
        }
    }
}
