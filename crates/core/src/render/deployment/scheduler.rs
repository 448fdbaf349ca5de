//! Container `kube-scheduler` of a control plane's pods.

use k8s_openapi::api::core::v1::Container;

use super::{
    args::{merged, name},
    component::Component,
    core_container::CoreContainer,
    probes::Check,
    volumes,
};
use crate::render::{
    facts::Facts,
    renderer::{Change, Renderer},
};

const PORT: i32 = 10259;

/// Flags that the operator sets. They win over the user's in renderer 1, and yield to them in newer ones.
const MANAGED: [&str; 5] = [
    "--authentication-kubeconfig=/etc/kubernetes/scheduler.conf",
    "--authorization-kubeconfig=/etc/kubernetes/scheduler.conf",
    BIND_ADDRESS,
    "--kubeconfig=/etc/kubernetes/scheduler.conf",
    "--leader-elect=true",
];

const BIND_ADDRESS: &str = "--bind-address=0.0.0.0";

/// True if a flag of this name is set by the operator alone, so that `renderer` leaves the user's out.
pub fn is_managed(renderer: Renderer, flag: &str) -> bool {
    !renderer.has(Change::DualStack) && MANAGED.iter().any(|arg| name(arg) == flag)
}

/// Renders the container; its probes ask `/healthz`.
pub fn container(facts: &Facts) -> Container {
    let healthz = Check {
        path: "/healthz",
        port: PORT,
    };
    CoreContainer {
        component: Component::Scheduler,
        image_pull_policy: None,
        args: args(facts),
        liveness: healthz,
        readiness: healthz,
        volume_mounts: volumes::scheduler_mounts(facts.tenant),
    }
    .container(facts)
}

/// Flags of the container, sorted, one of each name.
pub fn args(facts: &Facts) -> Vec<String> {
    let user = Component::Scheduler.extra_args(&facts.tenant.spec.control_plane.deployment);
    let mut ours = MANAGED.map(str::to_owned);
    if facts.renderer.has(Change::DualStack) {
        for arg in ours.iter_mut().filter(|arg| *arg == BIND_ADDRESS) {
            "--bind-address=::".clone_into(arg);
        }
        return merged([&ours, user]);
    }
    merged([user, &ours])
}

#[cfg(test)]
mod tests;
