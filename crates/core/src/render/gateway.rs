//! TLSRoutes by which a control plane is reached through a Gateway, and the access points that they give.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kamaji_api::{
    foreign::{
        BackendReference, Gateway, Listener, ParentReference, RouteParentStatus, TlsRoute,
        TlsRouteRule, TlsRouteSpec,
    },
    tenant::{AccessPoint, GatewaySpec},
};

use super::{metadata::metadata, user};
use crate::tenant::Tenant;

/// Listener that konnectivity's route attaches to; the gateway's owner must give it this name.
const KONNECTIVITY_LISTENER: &str = "konnectivity-server";

/// Renders the routes of a tenant: the API server's, then konnectivity's while the addon is on. Empty without
/// spec.controlPlane.gateway or without its host name.
pub fn routes(tenant: &Tenant) -> Vec<TlsRoute> {
    let Some(wanted) = &tenant.spec.control_plane.gateway else {
        return Vec::new();
    };
    let Some(hostname) = wanted.hostname.as_deref().filter(|name| !name.is_empty()) else {
        return Vec::new();
    };
    let port = i32::from(tenant.network.port);
    let api_server = TlsRoute {
        metadata: user::metadata(
            metadata(tenant, tenant.names.control_plane(), "gateway_routes"),
            wanted.additional_metadata.as_ref(),
        ),
        spec: spec(tenant, hostname, wanted.parent_refs.clone(), port),
        status: None,
    };
    [Some(api_server), konnectivity(tenant, wanted, hostname)]
        .into_iter()
        .flatten()
        .collect()
}

fn konnectivity(tenant: &Tenant, wanted: &GatewaySpec, hostname: &str) -> Option<TlsRoute> {
    let port = tenant.spec.addons.konnectivity.as_ref()?.server.port;
    if wanted.parent_refs.is_empty() {
        return None;
    }
    let parents = wanted
        .parent_refs
        .iter()
        .map(|parent| ParentReference {
            port: Some(port),
            section_name: Some(KONNECTIVITY_LISTENER.to_owned()),
            ..parent.clone()
        })
        .collect();
    Some(TlsRoute {
        metadata: user::metadata(
            metadata(
                tenant,
                tenant.names.konnectivity_route(),
                "konnectivity_gateway_routes",
            ),
            wanted.additional_metadata.as_ref(),
        ),
        spec: spec(tenant, hostname, parents, port),
        status: None,
    })
}

fn spec(tenant: &Tenant, hostname: &str, parents: Vec<ParentReference>, port: i32) -> TlsRouteSpec {
    TlsRouteSpec {
        parent_refs: parents,
        hostnames: vec![hostname.to_owned()],
        rules: vec![TlsRouteRule {
            backend_refs: vec![BackendReference {
                name: tenant.names.control_plane(),
                port,
            }],
        }],
    }
}

/// Access points of `route`: one for each host name and each port of a TLS listener of a gateway that has
/// accepted the route and is programmed. Empty until a gateway has.
pub fn access_points(route: &TlsRoute, gateways: &[Gateway]) -> Vec<AccessPoint> {
    let parents = route.status.iter().flat_map(|status| &status.parents);
    let mut ports: Vec<i32> = Vec::new();
    for parent in parents.filter(|parent| is_true(&parent.conditions, "Accepted")) {
        for listener in gateways
            .iter()
            .filter(|gateway| is_meant(route, parent, gateway) && is_programmed(gateway))
            .flat_map(|gateway| &gateway.spec.listeners)
            .filter(|listener| carries(&parent.parent_ref, listener))
        {
            if !ports.contains(&listener.port) {
                ports.push(listener.port);
            }
        }
    }
    ports
        .into_iter()
        .flat_map(|port| {
            route
                .spec
                .hostnames
                .iter()
                .map(move |name| access_point(name, port))
        })
        .collect()
}

fn access_point(hostname: &str, port: i32) -> AccessPoint {
    AccessPoint {
        type_: "Hostname".to_owned(),
        value: format!("https://{hostname}:{port}"),
        port,
        urls: Vec::new(),
    }
}

fn is_meant(route: &TlsRoute, parent: &RouteParentStatus, gateway: &Gateway) -> bool {
    let namespace = parent
        .parent_ref
        .namespace
        .as_ref()
        .or(route.metadata.namespace.as_ref());
    gateway.metadata.name.as_deref() == Some(parent.parent_ref.name.as_str())
        && gateway.metadata.namespace.as_ref() == namespace
}

fn is_programmed(gateway: &Gateway) -> bool {
    is_true(&gateway.status.conditions, "Programmed")
}

fn carries(parent: &ParentReference, listener: &Listener) -> bool {
    listener.protocol == "TLS"
        && parent.port.is_none_or(|port| port == listener.port)
        && parent
            .section_name
            .as_ref()
            .is_none_or(|name| *name == listener.name)
}

fn is_true(conditions: &[Condition], type_: &str) -> bool {
    conditions
        .iter()
        .any(|c| c.type_ == type_ && c.status == "True")
}

#[cfg(test)]
mod tests;
