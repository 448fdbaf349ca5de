//! Rules about the ways to reach a control plane: host names of Ingress and Gateway, ports of listeners and Service.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kamaji_api::tenant::{AdditionalPort, ServiceType, TenantControlPlane};

use super::{
    refusal::Refusal,
    types::{Facts, Findings},
};
use crate::{
    dns::{is_host, is_label},
    endpoint::host_port::HostPort,
};

const API_PORT: &str = "spec.networkProfile.port";
const AGENT_PORT: &str = "spec.addons.konnectivity.server.port";
const PORTS: &str = "spec.controlPlane.service.additionalPorts";

/// Ports of containers other than kube-apiserver: all of them share the pod's network.
const LISTENERS: [(i32, &str); 2] = [
    (10257, "kube-controller-manager"),
    (10259, "kube-scheduler"),
];
/// Further ports of konnectivity-server, if the addon is enabled.
const KONNECTIVITY: [(i32, &str); 2] = [
    (8133, "konnectivity-server's admin port"),
    (8134, "konnectivity-server's health port"),
];
/// Default range from which a management cluster allocates node ports.
const NODE_PORTS: std::ops::RangeInclusive<i32> = 30_000..=32_767;

/// Applies every rule about host names and ports.
pub(super) fn examine(object: &TenantControlPlane, facts: &Facts, found: &mut Findings) {
    ingress(object, found);
    gateway(object, facts, found);
    listeners(object, found);
    additional_ports(object, found);
}

fn ingress(object: &TenantControlPlane, found: &mut Findings) {
    const FIELD: &str = "spec.controlPlane.ingress.hostname";
    let Some(ingress) = &object.spec.control_plane.ingress else {
        return;
    };
    let text = ingress.hostname.as_deref().unwrap_or_default();
    if text.is_empty() {
        return found.refuse(Refusal::NoHost { field: FIELD });
    }
    let (host, has_valid_port) = match HostPort::split(text) {
        Some((host, port)) => (host, port.is_some()),
        None => (text, true),
    };
    if !has_valid_port || !is_host(host) {
        found.refuse(Refusal::Host {
            field: FIELD,
            text: text.to_owned(),
            suffix: " or demo.example.com:8443",
        });
    }
}

fn gateway(object: &TenantControlPlane, facts: &Facts, found: &mut Findings) {
    const FIELD: &str = "spec.controlPlane.gateway.hostname";
    let Some(gateway) = &object.spec.control_plane.gateway else {
        return;
    };
    if !facts.tls_routes {
        found.refuse(Refusal::NoTlsRoutes);
    }
    let text = gateway.hostname.as_deref().unwrap_or_default();
    if text.is_empty() {
        found.refuse(Refusal::NoHost { field: FIELD });
    } else if !is_host(text) {
        found.refuse(Refusal::Host {
            field: FIELD,
            text: text.to_owned(),
            suffix: "",
        });
    }
    if gateway.parent_refs.is_empty() {
        found.warn(
            "spec.controlPlane.gateway.parentRefs is empty: no Gateway will serve the route, name one",
        );
    }
}

fn listeners(object: &TenantControlPlane, found: &mut Findings) {
    let api = object.spec.network_profile.port;
    let agents = object
        .spec
        .addons
        .konnectivity
        .as_ref()
        .map(|k| k.server.port);
    let mut taken: Vec<(i32, &str)> = LISTENERS.to_vec();
    if agents.is_some() {
        taken.extend(KONNECTIVITY);
    }
    refuse_taken(API_PORT, api, &taken, found);
    if let Some(port) = agents {
        if !is_port(port) {
            found.refuse(Refusal::Port {
                field: AGENT_PORT.to_owned(),
                port,
            });
        }
        taken.push((api, "kube-apiserver"));
        refuse_taken(AGENT_PORT, port, &taken, found);
    }
    let service_type = object.spec.control_plane.service.service_type;
    let external_ip = object.spec.network_profile.allow_address_as_external_ip;
    if service_type == ServiceType::LoadBalancer && external_ip == Some(true) {
        found.warn(
            "spec.networkProfile.allowAddressAsExternalIP does nothing for a Service of type LoadBalancer, whose address is the load balancer's: remove it, or choose the type ClusterIP or NodePort",
        );
    }
    if service_type == ServiceType::NodePort {
        for (field, port) in [(API_PORT, Some(api)), (AGENT_PORT, agents)] {
            if let Some(port) = port.filter(|port| is_port(*port) && !NODE_PORTS.contains(port)) {
                found.warn(format!(
                    "{field} {port} is the node port too, and outside of 30000-32767: choose one within it, unless the management cluster has another range"
                ));
            }
        }
    }
}

fn refuse_taken(field: &str, port: i32, taken: &[(i32, &str)], found: &mut Findings) {
    if let Some((_, by)) = taken.iter().find(|(other, _)| *other == port) {
        found.refuse(Refusal::PortTaken {
            field: field.to_owned(),
            port: port.to_string(),
            by: (*by).to_owned(),
        });
    }
}

fn is_port(port: i32) -> bool {
    (1..=65535).contains(&port)
}

/// Checks the additional ports: an API server refuses the whole Service for one bad port.
fn additional_ports(object: &TenantControlPlane, found: &mut Findings) {
    let spec = &object.spec;
    let agents = spec.addons.konnectivity.as_ref().map(|k| k.server.port);
    let mut names = BTreeSet::from(["kube-apiserver", "konnectivity-server"]);
    let mut numbers = BTreeMap::from([((spec.network_profile.port, "TCP"), "kube-apiserver")]);
    numbers.extend(agents.map(|port| ((port, "TCP"), "konnectivity-server")));
    for (index, port) in spec
        .control_plane
        .service
        .additional_ports
        .iter()
        .enumerate()
    {
        let field = format!("{PORTS}[{index}]");
        check_port(&field, port, found);
        if !names.insert(&port.name) {
            found.refuse(Refusal::Twice {
                field: format!("{field}.name"),
                text: port.name.clone(),
                instead: "each port of the Service needs a name of its own, and kube-apiserver and konnectivity-server are Kamaji's",
            });
        }
        let number = (port.port, port.protocol.as_str());
        if let Some(by) = numbers.get(&number) {
            found.refuse(Refusal::PortTaken {
                field: format!("{field}.port"),
                port: format!("{}/{}", number.0, number.1),
                by: (*by).to_owned(),
            });
        }
        numbers.entry(number).or_insert(&port.name);
    }
}

fn check_port(field: &str, port: &AdditionalPort, found: &mut Findings) {
    if !is_port(port.port) {
        found.refuse(Refusal::Port {
            field: format!("{field}.port"),
            port: port.port,
        });
    }
    let mut name = |part: &str, text: &str, most: usize| {
        if !is_label(text, most) {
            found.refuse(Refusal::Name {
                field: format!("{field}.{part}"),
                text: text.to_owned(),
                most,
            });
        }
    };
    name("name", &port.name, 63);
    match &port.target_port {
        IntOrString::String(text) => name("targetPort", text, 15),
        IntOrString::Int(number) if !is_port(*number) => {
            found.refuse(Refusal::Port {
                field: format!("{field}.targetPort"),
                port: *number,
            });
        }
        IntOrString::Int(_) => {}
    }
}

#[cfg(test)]
mod tests;
