//! Ingress of a control plane.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, ServiceBackendPort,
};

use super::{metadata::metadata, user};
use crate::{endpoint::HostPort, tenant::Tenant};

/// Renders the Ingress; `None` without spec.controlPlane.ingress or without its host name.
///
/// TLS must pass through to the API server: the user gives the annotations by which the controller does so.
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
mod tests;
