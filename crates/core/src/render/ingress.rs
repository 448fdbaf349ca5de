//! What does the Ingress of a control plane look like? (management-cluster specification, section 9)

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, ServiceBackendPort,
};

use super::{metadata, user};
use crate::{endpoint::HostPort, tenant::Tenant};

/// The Ingress; `None` unless the tenant asks for one and says for which host name.
///
/// TLS passes through to the API server, by whatever annotations the controller wants for that:
/// they are the user's to give.
pub fn ingress(tenant: &Tenant) -> Option<Ingress> {
    let wanted = tenant.spec.control_plane.ingress.as_ref()?;
    let hostname = wanted.hostname.as_deref().filter(|name| !name.is_empty())?;
    let ours = metadata(tenant, tenant.names.control_plane(), "ingress");
    Some(Ingress {
        metadata: user::metadata(ours, wanted.additional_metadata.as_ref()),
        spec: Some(IngressSpec {
            ingress_class_name: wanted
                .ingress_class_name
                .clone()
                .filter(|name| !name.is_empty()),
            rules: Some(vec![IngressRule {
                host: Some(HostPort::parse(hostname, tenant.network.port).host),
                http: Some(HTTPIngressRuleValue {
                    paths: vec![path(tenant)],
                }),
            }]),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    })
}

fn path(tenant: &Tenant) -> HTTPIngressPath {
    HTTPIngressPath {
        path: Some("/".to_owned()),
        path_type: "Prefix".to_owned(),
        backend: IngressBackend {
            service: Some(IngressServiceBackend {
                name: tenant.names.control_plane(),
                port: Some(ServiceBackendPort {
                    number: Some(tenant.network.port.into()),
                    ..ServiceBackendPort::default()
                }),
            }),
            ..IngressBackend::default()
        },
    }
}

#[cfg(test)]
#[path = "ingress_tests.rs"]
mod tests;
