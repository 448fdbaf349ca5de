//! What does the container `kube-scheduler` look like?
//! (management-cluster specification, sections 6.5 and 6.8)

use k8s_openapi::api::core::v1::Container;

use super::{args::merged, core_container::Core, probes::Component, volumes};
use crate::render::{Change, Facts};

/// Name of the container.
pub const NAME: &str = "kube-scheduler";

/// Flags of ours. They win by renderer 1, the user's by newer ones.
pub const MANAGED: [&str; 5] = [
    "--authentication-kubeconfig=/etc/kubernetes/scheduler.conf",
    "--authorization-kubeconfig=/etc/kubernetes/scheduler.conf",
    BIND_ADDRESS,
    "--kubeconfig=/etc/kubernetes/scheduler.conf",
    "--leader-elect=true",
];

const BIND_ADDRESS: &str = "--bind-address=0.0.0.0";

/// The container.
pub fn container(facts: &Facts) -> Container {
    let tenant = facts.tenant;
    Core {
        args: args(facts),
        volume_mounts: volumes::scheduler_mounts(tenant),
        ..Core::plain(facts, (NAME, Component::Scheduler), 10259)
    }
    .container(tenant.spec.control_plane.deployment.probes.as_ref())
}

/// The flags, sorted.
pub fn args(facts: &Facts) -> Vec<String> {
    let deployment = &facts.tenant.spec.control_plane.deployment;
    let extra = deployment.extra_args.as_ref();
    let user = extra
        .map(|extra| extra.scheduler.as_slice())
        .unwrap_or_default();
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
#[path = "scheduler_tests.rs"]
mod tests;
