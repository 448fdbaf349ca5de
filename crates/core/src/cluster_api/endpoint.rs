//! Control plane endpoint: the address at which the tenant is reached, and the one that the Cluster's
//! `spec.controlPlaneEndpoint` asks for.
//!
//! Cluster API writes that field once, from the control plane or the infrastructure cluster, unless a user has
//! written it before; workers join through it. A user's host goes into the certificate and is published. It is
//! recorded in an annotation, since later it cannot be distinguished from a copy of a former address of the
//! control plane.

use std::net::IpAddr;

use kamaji_api::{
    cluster::Cluster,
    condition::Reason,
    control_plane::{ApiEndpoint, KamajiControlPlane, KamajiControlPlaneStatus},
    tenant::TenantControlPlane,
};

use crate::{
    dns,
    endpoint::{self, HostPort, Hosts},
};

/// Annotation with the host that a user has given the Cluster.
pub(super) const ENDPOINT_HOST: &str = "kamaji.clastix.io/cluster-endpoint-host";

/// Address that is published, and a warning if the Cluster has another one.
#[derive(Debug, PartialEq)]
pub(super) struct Published {
    /// Address for Cluster API, kubeconfigs and the infrastructure cluster.
    pub(super) endpoint: ApiEndpoint,
    /// Address of the tenant according to its own status.
    pub(super) reached: ApiEndpoint,
    /// Reason and message if the Cluster's endpoint is another one.
    pub(super) warning: Option<(Reason, String)>,
}

/// Address to publish; `None` until the tenant has one.
pub(super) fn published(
    control_plane: &KamajiControlPlane,
    cluster: &Cluster,
    tenant: &TenantControlPlane,
) -> Option<Published> {
    let reached = reached(control_plane, tenant)?;
    let published = |endpoint: ApiEndpoint, warning| Published {
        endpoint,
        reached: reached.clone(),
        warning,
    };
    let Some(asked) = asked(cluster).filter(|asked| !is_same(asked, &reached)) else {
        return Some(published(reached.clone(), None));
    };
    let (cluster_has, is) = (text(&asked), text(&reached));
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    if asked.port != reached.port {
        let message = format!(
            "the Cluster {name} has spec.controlPlaneEndpoint {cluster_has}, and the API server is reached at {is}: workers join by the Cluster's, so make the ports agree (spec.clusterNetwork.apiServerPort of a new Cluster), or correct the Cluster's"
        );
        return Some(published(
            reached.clone(),
            Some((Reason::EndpointMismatch, message)),
        ));
    }
    if host_of_user(control_plane, cluster).is_some() {
        return Some(published(asked, None));
    }
    let message = format!(
        "the Cluster {name} has spec.controlPlaneEndpoint {cluster_has}, and the API server is reached at {is} now: new workers join by the Cluster's, which Cluster API does not change; give the control plane its former address again (spec.network.serviceAddress), set the Cluster's to {is}, or, if {cluster_has} leads to the API server, add its host to spec.network.certSANs of the control plane"
    );
    let present = control_plane.spec.control_plane_endpoint.clone();
    let unchanged = present.unwrap_or_else(|| reached.clone());
    Some(published(
        unchanged,
        Some((Reason::EndpointOutdated, message)),
    ))
}

/// Address of the tenant: the host of the ingress or gateway, else the advertised address, else the assigned one.
fn reached(control_plane: &KamajiControlPlane, tenant: &TenantControlPlane) -> Option<ApiEndpoint> {
    let status = tenant.status.as_ref()?;
    let assigned = status.control_plane_endpoint.as_deref()?;
    let port = u16::try_from(tenant.spec.network_profile.port).unwrap_or(6443);
    let assigned = HostPort::parse(assigned, port);
    let network = &control_plane.spec.fields.network;
    let hosts = Hosts {
        ingress: network.ingress.as_ref().map(|i| i.hostname.as_str()),
        gateway: network.gateway.as_ref().map(|g| g.hostname.as_str()),
    };
    let advertised = match &network.advertise_address {
        Some(address) if !address.is_empty() => HostPort {
            host: address.clone(),
            port: assigned.port,
        },
        _ => assigned,
    };
    let reached = endpoint::published(hosts, advertised);
    (!reached.host.is_empty()).then(|| ApiEndpoint {
        host: Some(reached.host),
        port: Some(i32::from(reached.port)),
    })
}

/// Host in the Cluster's endpoint, if a user has set it and a certificate can name it.
///
/// Once a Cluster is initialised the host counts only if the certificate names it already: a copy that Cluster API made
/// must neither replace pods nor lead clients to a former address.
pub(super) fn host_of_user(
    control_plane: &KamajiControlPlane,
    cluster: &Cluster,
) -> Option<String> {
    let asked = asked(cluster)?;
    let host = asked.host.clone().filter(|host| can_be_certified(host))?;
    let fields = &control_plane.spec.fields.network;
    let named = |name: &String| is_same_host(name, &host);
    if recorded(control_plane).is_some_and(named) || fields.cert_sans.iter().any(named) {
        return Some(host);
    }
    let usable = control_plane
        .status
        .as_ref()
        .is_some_and(KamajiControlPlaneStatus::is_initialized);
    let copied = control_plane.spec.control_plane_endpoint.as_ref() == Some(&asked);
    let given = [&fields.service_address, &fields.advertise_address];
    let given = given.into_iter().flatten().any(named);
    (!usable && !copied && !given).then_some(host)
}

/// Recorded host of a user, which stays in the certificate.
pub(super) fn recorded(control_plane: &KamajiControlPlane) -> Option<&String> {
    let annotations = control_plane.metadata.annotations.as_ref()?;
    let host = annotations.get(ENDPOINT_HOST);
    host.filter(|host| can_be_certified(host))
}

/// Endpoint of the Cluster, if it has both host and port.
fn asked(cluster: &Cluster) -> Option<ApiEndpoint> {
    let asked = cluster.spec.control_plane_endpoint.as_ref()?;
    let host = asked.host.as_ref().filter(|host| !host.is_empty())?;
    let port = asked.port.filter(|port| *port > 0)?;
    Some(ApiEndpoint {
        host: Some(
            host.trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
        ),
        port: Some(port),
    })
}

/// True for IP addresses and DNS names.
fn can_be_certified(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || dns::is_name(host)
}

/// Compares hosts: IP addresses by value, names without regard to case.
pub(super) fn is_same_host(one: &str, other: &str) -> bool {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    one.eq_ignore_ascii_case(other) || (address(one).is_some() && address(one) == address(other))
}

fn is_same(one: &ApiEndpoint, other: &ApiEndpoint) -> bool {
    let host = |endpoint: &ApiEndpoint| endpoint.host.clone().unwrap_or_default();
    one.port == other.port && is_same_host(&host(one), &host(other))
}

/// Text of an endpoint, `host:port`, with brackets around IPv6 addresses.
pub(super) fn text(endpoint: &ApiEndpoint) -> String {
    let port = endpoint.port.and_then(|port| u16::try_from(port).ok());
    HostPort {
        host: endpoint.host.clone().unwrap_or_default(),
        port: port.unwrap_or_default(),
    }
    .to_string()
}

#[cfg(test)]
mod tests;
