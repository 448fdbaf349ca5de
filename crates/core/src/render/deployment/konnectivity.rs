//! Container `konnectivity-server` of a control plane's pods.

use k8s_openapi::{
    api::core::v1::{Container, ContainerPort, HTTPGetAction, Probe, VolumeMount},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kamaji_api::tenant::KonnectivityServerSpec;

use super::{
    args::{flag, merged},
    volumes::{mount, read_only},
};
use crate::{kubeconfig_files, tenant::Tenant, tenant_cluster::images};

/// Name of the container.
pub const NAME: &str = "konnectivity-server";

const ADMIN_PORT: i32 = 8133;
const HEALTH_PORT: i32 = 8134;

/// Renders the container; `None` without the addon.
pub fn container(tenant: &Tenant) -> Option<Container> {
    let server = &tenant.spec.addons.konnectivity.as_ref()?.server;
    Some(Container {
        name: NAME.to_owned(),
        image: Some(format!("{}:{}", server.image, tag(tenant, server))),
        image_pull_policy: Some("Always".to_owned()),
        command: Some(vec!["/proxy-server".to_owned()]),
        args: Some(args(tenant, server)),
        ports: Some(vec![
            port("agentport", server.port),
            port("adminport", ADMIN_PORT),
            port("healthport", HEALTH_PORT),
        ]),
        liveness_probe: Some(liveness()),
        resources: server.resources.clone(),
        security_context: server.security_context.clone(),
        volume_mounts: Some(vec![
            read_only("etc-kubernetes-pki", "/etc/kubernetes/pki"),
            VolumeMount {
                sub_path: Some(kubeconfig_files::KONNECTIVITY.to_owned()),
                ..read_only(
                    "konnectivity-server-kubeconfig",
                    "/etc/kubernetes/konnectivity-server.conf",
                )
            },
            mount("konnectivity-uds", "/run/konnectivity"),
        ]),
        ..Container::default()
    })
}

/// The tag that the tenant chose, else the release that goes with its Kubernetes minor.
fn tag(tenant: &Tenant, server: &KonnectivityServerSpec) -> String {
    match server
        .version
        .as_deref()
        .filter(|version| !version.is_empty())
    {
        Some(version) => images::tag(version),
        None => images::konnectivity(&tenant.version),
    }
}

/// Flags of the container, sorted, one of each name; the operator's win.
pub fn args(tenant: &Tenant, server: &KonnectivityServerSpec) -> Vec<String> {
    merged([server.extra_args.as_slice(), &managed(tenant, server)])
}

/// Flags that the operator always sets.
pub fn managed(tenant: &Tenant, server: &KonnectivityServerSpec) -> [String; 13] {
    [
        flag("--admin-port", ADMIN_PORT),
        "--agent-namespace=kube-system".to_owned(),
        flag("--agent-port", server.port),
        "--agent-service-account=konnectivity-agent".to_owned(),
        "--authentication-audience=system:konnectivity-server".to_owned(),
        "--cluster-cert=/etc/kubernetes/pki/apiserver.crt".to_owned(),
        "--cluster-key=/etc/kubernetes/pki/apiserver.key".to_owned(),
        flag("--health-port", HEALTH_PORT),
        "--kubeconfig=/etc/kubernetes/konnectivity-server.conf".to_owned(),
        "--mode=grpc".to_owned(),
        flag("--server-count", tenant.replicas()),
        "--server-port=0".to_owned(),
        "--uds-name=/run/konnectivity/konnectivity-server.socket".to_owned(),
    ]
}

fn port(name: &str, container_port: i32) -> ContainerPort {
    ContainerPort {
        container_port,
        name: Some(name.to_owned()),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn liveness() -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some("/healthz".to_owned()),
            port: IntOrString::Int(HEALTH_PORT),
            scheme: Some("HTTP".to_owned()),
            ..HTTPGetAction::default()
        }),
        initial_delay_seconds: Some(30),
        timeout_seconds: Some(60),
        period_seconds: Some(10),
        success_threshold: Some(1),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}
