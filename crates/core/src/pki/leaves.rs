//! Requests for the leaf certificates of a control plane: API server, its clients, users, datastore, konnectivity.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::{
    certificate::Usage,
    key::KeyAlgorithm,
    leaf::{LeafRequest, is_dns_name},
};
use crate::tenant::first_address;

/// Lifetime of the leaves that kubeadm issues, too: one year.
const YEAR: Duration = Duration::from_hours(8_760);
/// Lifetime of the certificates for datastores and konnectivity: ten years, as upstream's.
const TEN_YEARS: Duration = Duration::from_hours(87_600);

/// Names and addresses under which clients reach a tenant's API server.
#[derive(Clone, Debug)]
pub struct ApiServerNames {
    /// Name of the tenant and of its Service.
    pub tenant: String,
    /// Namespace of the tenant.
    pub namespace: String,
    /// DNS domain of the tenant cluster.
    pub cluster_domain: String,
    /// Service ranges of the tenant cluster; the first address of the first is `default/kubernetes`.
    pub service_cidrs: Vec<IpNet>,
    /// Address that the tenant's Service was assigned.
    pub assigned: IpAddr,
    /// Address that the API server advertises.
    pub advertised: IpAddr,
    /// Further addresses of the tenant's Service.
    pub service_addresses: Vec<IpAddr>,
    /// Host name or address that users and workers dial.
    pub control_plane_host: String,
    /// Further names and addresses from `spec.networkProfile.certSANs`.
    pub cert_sans: Vec<String>,
}

fn leaf(common_name: &str, usages: &[Usage], algorithm: KeyAlgorithm) -> LeafRequest {
    LeafRequest {
        common_name: common_name.to_owned(),
        organizations: Vec::new(),
        usages: usages.to_vec(),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        validity: YEAR,
        algorithm,
    }
}

/// Returns the request for the API server's serving certificate.
pub fn api_server(names: &ApiServerNames, algorithm: KeyAlgorithm) -> LeafRequest {
    let ApiServerNames {
        tenant,
        namespace,
        cluster_domain,
        ..
    } = names;
    let mut dns: BTreeSet<String> = [
        "kubernetes".to_owned(),
        "kubernetes.default".to_owned(),
        "kubernetes.default.svc".to_owned(),
        format!("kubernetes.default.svc.{cluster_domain}"),
        // The name that kubeadm gives a node by default; upstream has it, too.
        "node".to_owned(),
        "localhost".to_owned(),
        tenant.clone(),
        format!("{tenant}.{namespace}.svc"),
        format!("{tenant}.{namespace}.svc.cluster.local"),
    ]
    .into();
    // An IPv4 address may be written as an IPv6 one; clients ask for the former.
    let ip = |text: &String| text.parse().ok().map(|ip: IpAddr| ip.to_canonical());
    let host = &names.control_plane_host;
    let given = names.cert_sans.iter();
    dns.extend(
        given
            .clone()
            .chain([host])
            .filter(|name| ip(name).is_none() && is_dns_name(name))
            .cloned(),
    );
    let service = names.service_cidrs.first().map(first_address);
    let mut ips: Vec<IpAddr> = service.into_iter().collect();
    ips.push(names.assigned.to_canonical());
    ips.extend(ip(host));
    ips.push(IpAddr::from([127, 0, 0, 1]));
    ips.extend(given.filter_map(ip));
    ips.push(names.advertised.to_canonical());
    ips.extend(names.service_addresses.iter().map(IpAddr::to_canonical));
    let mut seen = BTreeSet::new();
    ips.retain(|ip| seen.insert(*ip));
    LeafRequest {
        dns_names: dns.into_iter().collect(),
        ip_addresses: ips,
        ..leaf("kube-apiserver", &[Usage::Server], algorithm)
    }
}

/// Returns the request for the client certificate with which the API server calls kubelets.
pub fn kubelet_client(algorithm: KeyAlgorithm) -> LeafRequest {
    leaf("kube-apiserver-kubelet-client", &[Usage::Client], algorithm)
}

/// Returns the request for the aggregation layer's client certificate.
pub fn front_proxy_client(algorithm: KeyAlgorithm) -> LeafRequest {
    leaf("front-proxy-client", &[Usage::Client], algorithm)
}

/// Returns the request for the client certificate of a user, who is in at most one group.
pub fn user(name: &str, group: Option<&str>, algorithm: KeyAlgorithm) -> LeafRequest {
    LeafRequest {
        organizations: group.into_iter().map(str::to_owned).collect(),
        ..leaf(name, &[Usage::Client], algorithm)
    }
}

/// Returns the request for a tenant's client certificate in its datastore; the common name is the user there.
pub fn datastore_client(user: &str, algorithm: KeyAlgorithm) -> LeafRequest {
    ten_years(user, algorithm)
}

/// Returns the request for the konnectivity server's certificate.
pub fn konnectivity_server(algorithm: KeyAlgorithm) -> LeafRequest {
    ten_years("system:konnectivity-server", algorithm)
}

fn ten_years(common_name: &str, algorithm: KeyAlgorithm) -> LeafRequest {
    let usages = [Usage::Client, Usage::Server, Usage::CodeSigning];
    LeafRequest {
        organizations: vec!["system:masters".to_owned()],
        validity: TEN_YEARS,
        ..leaf(common_name, &usages, algorithm)
    }
}

#[cfg(test)]
mod tests;
