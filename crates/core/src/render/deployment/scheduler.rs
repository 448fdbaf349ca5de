//! What does the container `kube-scheduler` look like?
//! (management-cluster specification, sections 6.5 and 6.8)

use k8s_openapi::api::core::v1::Container;

use super::{args::merged, core_container::Core, probes::Component, volumes};
use crate::{render::Facts, tenant::Tenant};

/// Name of the container.
pub const NAME: &str = "kube-scheduler";

/// Flags that are always ours.
pub const MANAGED: [&str; 5] = [
    "--authentication-kubeconfig=/etc/kubernetes/scheduler.conf",
    "--authorization-kubeconfig=/etc/kubernetes/scheduler.conf",
    "--bind-address=0.0.0.0",
    "--kubeconfig=/etc/kubernetes/scheduler.conf",
    "--leader-elect=true",
];

/// The container.
pub fn container(facts: &Facts) -> Container {
    let tenant = facts.tenant;
    Core {
        args: args(tenant),
        volume_mounts: volumes::scheduler_mounts(tenant),
        ..Core::plain(facts, (NAME, Component::Scheduler), 10259)
    }
    .container(tenant.spec.control_plane.deployment.probes.as_ref())
}

/// The flags, sorted; ours win.
pub fn args(tenant: &Tenant) -> Vec<String> {
    let extra = tenant.spec.control_plane.deployment.extra_args.as_ref();
    let user = extra
        .map(|extra| extra.scheduler.as_slice())
        .unwrap_or_default();
    let ours = MANAGED.map(str::to_owned);
    merged([user, &ours])
}
