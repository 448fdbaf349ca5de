//! Container `kube-controller-manager` of a control plane's pods.

use k8s_openapi::api::core::v1::Container;

use super::{
    args::{flag, merged},
    component::Component,
    core_container::CoreContainer,
    probes::Check,
    volumes,
};
use crate::{
    network::{NODE_MASK_IPV4, NODE_MASK_IPV6},
    render::{facts::Facts, renderer::Change},
};

const PORT: i32 = 10257;

/// Renders the container; its probes ask `/healthz`.
pub fn container(facts: &Facts) -> Container {
    let healthz = Check {
        path: "/healthz",
        port: PORT,
    };
    CoreContainer {
        component: Component::ControllerManager,
        image_pull_policy: None,
        args: args(facts),
        liveness: healthz,
        readiness: healthz,
        volume_mounts: volumes::controller_manager_mounts(facts.tenant),
    }
    .container(facts)
}

/// Flags of the container, sorted, one of each name; the user's win.
pub fn args(facts: &Facts) -> Vec<String> {
    let user = Component::ControllerManager.extra_args(&facts.tenant.spec.control_plane.deployment);
    merged([&defaults(facts), user])
}

fn defaults(facts: &Facts) -> Vec<String> {
    let tenant = facts.tenant;
    let both_families = facts.renderer.has(Change::DualStack);
    let pods = tenant.network.pod_subnet();
    // One certificate and no more: with a bundle the controller manager would not start.
    let signer = if facts.signer_apart {
        volumes::SIGNER_FILE
    } else {
        "ca.crt"
    };
    let mut args = vec![
        // Without a range there is nothing to allocate from, and the controller would not start.
        flag("--allocate-node-cidrs", !pods.is_empty()),
        "--authentication-kubeconfig=/etc/kubernetes/controller-manager.conf".to_owned(),
        "--authorization-kubeconfig=/etc/kubernetes/controller-manager.conf".to_owned(),
        flag(
            "--bind-address",
            if both_families { "::" } else { "0.0.0.0" },
        ),
        "--client-ca-file=/etc/kubernetes/pki/ca.crt".to_owned(),
        flag("--cluster-name", &tenant.name),
        format!("--cluster-signing-cert-file=/etc/kubernetes/pki/{signer}"),
        "--cluster-signing-key-file=/etc/kubernetes/pki/ca.key".to_owned(),
        "--controllers=*,bootstrapsigner,tokencleaner".to_owned(),
        "--kubeconfig=/etc/kubernetes/controller-manager.conf".to_owned(),
        "--leader-elect=true".to_owned(),
        "--requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt".to_owned(),
        "--root-ca-file=/etc/kubernetes/pki/ca.crt".to_owned(),
        "--service-account-private-key-file=/etc/kubernetes/pki/sa.key".to_owned(),
        flag(
            "--service-cluster-ip-range",
            tenant.network.service_subnet(),
        ),
        "--use-service-account-credentials=true".to_owned(),
    ];
    if !pods.is_empty() {
        args.push(flag("--cluster-cidr", pods));
    }
    if both_families && tenant.network.pods_are_dual_stack() {
        args.push(flag("--node-cidr-mask-size-ipv4", NODE_MASK_IPV4));
        args.push(flag("--node-cidr-mask-size-ipv6", NODE_MASK_IPV6));
    }
    args
}

#[cfg(test)]
mod tests;
