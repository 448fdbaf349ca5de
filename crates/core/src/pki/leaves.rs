//! Which leaf certificates does a control plane have? (management-cluster specification 5.7 to 5.11)

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::{
    certificate::Usage,
    key::KeyAlgorithm,
    leaf::{LeafRequest, is_dns_name},
};
use crate::tenant::first_address;

/// Validity of leaves that kubeadm would make: one year.
const YEAR: Duration = Duration::from_hours(8_760);
/// Validity of the certificates for datastores and konnectivity: ten years.
const TEN_YEARS: Duration = Duration::from_hours(87_600);

/// What the API server is called.
#[derive(Clone, Debug)]
pub struct ApiServerNames {
    /// Name of the tenant.
    pub tenant: String,
    /// Its namespace.
    pub namespace: String,
    /// Domain of its cluster.
    pub cluster_domain: String,
    /// Its service ranges; the first address of the first is `default/kubernetes`.
    pub service_cidrs: Vec<IpNet>,
    /// Its assigned address.
    pub assigned: IpAddr,
    /// Its advertised address.
    pub advertised: IpAddr,
    /// Further addresses of its Service.
    pub service_addresses: Vec<IpAddr>,
    /// Host that users and workers dial.
    pub control_plane_host: String,
    /// What the user adds.
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

/// The API server's certificate.
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
        // What kubeadm calls a node whose name it is not told; upstream has it, too.
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

/// The API server's certificate for kubelets.
pub fn kubelet_client(algorithm: KeyAlgorithm) -> LeafRequest {
    leaf("kube-apiserver-kubelet-client", &[Usage::Client], algorithm)
}

/// The aggregation layer's client certificate.
pub fn front_proxy_client(algorithm: KeyAlgorithm) -> LeafRequest {
    leaf("front-proxy-client", &[Usage::Client], algorithm)
}

/// A user's client certificate.
pub fn user(name: &str, group: Option<&str>, algorithm: KeyAlgorithm) -> LeafRequest {
    LeafRequest {
        organizations: group.into_iter().map(str::to_owned).collect(),
        ..leaf(name, &[Usage::Client], algorithm)
    }
}

/// A tenant's client certificate for etcd; its common name is the user there.
pub fn datastore_client(user: &str, algorithm: KeyAlgorithm) -> LeafRequest {
    ten_years(user, algorithm)
}

/// The konnectivity server's certificate.
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
#[path = "leaves_tests.rs"]
mod tests;
