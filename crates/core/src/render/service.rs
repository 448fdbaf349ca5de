//! Service of a control plane.

use std::{collections::BTreeMap, net::IpAddr};

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kamaji_api::{
    labels,
    tenant::{AdditionalPort, ServiceType},
};

use super::{metadata::metadata, user};
use crate::tenant::Tenant;

/// Renders the Service. `assigned` is the address of the control plane; `None` until it has one.
///
/// Address families and node ports that the spec leaves open are the API server's choice: server-side apply
/// keeps fields that are not sent, and clears those that are no longer sent.
pub fn service(tenant: &Tenant, assigned: Option<IpAddr>) -> Service {
    let wanted = &tenant.spec.control_plane.service;
    let ours = metadata(tenant, tenant.names.control_plane(), "service");
    let selector = BTreeMap::from([(labels::NAME.to_owned(), tenant.name.clone())]);
    let families = wanted.ip_families.iter();
    let families = families.map(|family| family.as_str().to_owned()).collect();
    let common = ServiceSpec {
        selector: Some(selector),
        ports: Some(ports(tenant)),
        ip_families: Some(families).filter(|families: &Vec<String>| !families.is_empty()),
        ip_family_policy: wanted
            .ip_family_policy
            .map(|policy| policy.as_str().to_owned()),
        ..ServiceSpec::default()
    };
    let spec = match wanted.service_type {
        ServiceType::LoadBalancer => load_balancer(tenant, common),
        ServiceType::NodePort => ServiceSpec {
            type_: Some("NodePort".to_owned()),
            external_ips: external_ips(tenant, assigned),
            ..common
        },
        ServiceType::ClusterIP => ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            external_ips: external_ips(tenant, assigned),
            ..common
        },
    };
    Service {
        metadata: user::metadata(ours, wanted.additional_metadata.as_ref()),
        spec: Some(spec),
        ..Service::default()
    }
}

fn load_balancer(tenant: &Tenant, common: ServiceSpec) -> ServiceSpec {
    let profile = &tenant.spec.network_profile;
    ServiceSpec {
        type_: Some("LoadBalancer".to_owned()),
        allocate_load_balancer_node_ports: Some(allocates_node_ports(tenant)),
        load_balancer_class: profile.load_balancer_class.clone(),
        load_balancer_source_ranges: Some(profile.load_balancer_source_ranges.clone())
            .filter(|ranges| !ranges.is_empty()),
        ..common
    }
}

fn allocates_node_ports(tenant: &Tenant) -> bool {
    tenant
        .spec
        .control_plane
        .service
        .allocate_load_balancer_node_ports
        .unwrap_or(true)
}

fn external_ips(tenant: &Tenant, assigned: Option<IpAddr>) -> Option<Vec<String>> {
    if tenant.spec.network_profile.allow_address_as_external_ip != Some(true) {
        return None;
    }
    tenant
        .network
        .address
        .or(assigned)
        .map(|address| vec![address.to_string()])
}

/// Ports of the Service: the API server's, konnectivity's while the addon is on, then the user's.
fn ports(tenant: &Tenant) -> Vec<ServicePort> {
    let konnectivity = tenant
        .spec
        .addons
        .konnectivity
        .as_ref()
        .map(|k| k.server.port);
    let mut ports = vec![managed(
        tenant,
        "kube-apiserver",
        tenant.network.port.into(),
    )];
    ports.extend(konnectivity.map(|port| managed(tenant, "konnectivity-server", port)));
    ports.extend(
        tenant
            .spec
            .control_plane
            .service
            .additional_ports
            .iter()
            .map(additional),
    );
    if released(tenant) {
        for port in &mut ports {
            port.node_port = Some(0);
        }
    }
    ports
}

/// True if node ports that were allocated before must be released, which only an explicit 0 does.
fn released(tenant: &Tenant) -> bool {
    tenant.spec.control_plane.service.service_type == ServiceType::LoadBalancer
        && !allocates_node_ports(tenant)
}

fn managed(tenant: &Tenant, name: &str, port: i32) -> ServicePort {
    let node_port = tenant.spec.control_plane.service.service_type == ServiceType::NodePort;
    ServicePort {
        name: Some(name.to_owned()),
        protocol: Some("TCP".to_owned()),
        port,
        target_port: Some(IntOrString::Int(port)),
        node_port: node_port.then_some(port),
        ..ServicePort::default()
    }
}

fn additional(port: &AdditionalPort) -> ServicePort {
    ServicePort {
        name: Some(port.name.clone()),
        protocol: Some(port.protocol.as_str().to_owned()),
        app_protocol: port.app_protocol.clone(),
        port: port.port,
        target_port: Some(port.target_port.clone()),
        ..ServicePort::default()
    }
}

#[cfg(test)]
mod tests;
