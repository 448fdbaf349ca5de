//! Names in the API server's certificate that a KamajiControlPlane asks for.

use std::{collections::BTreeSet, net::SocketAddr};

use kamaji_api::cluster::Cluster;

use super::{builder::PlanBuilder, endpoint};
use crate::endpoint::HostPort;

/// Subject alternative names of the API server's certificate: the user's, the host of the ingress or gateway, and the
/// host that a user gave the Cluster.
pub(super) fn desired(builder: &PlanBuilder, cluster: &Cluster) -> Result<Vec<String>, String> {
    let control_plane = &builder.snapshot.control_plane;
    let network = &control_plane.spec.fields.network;
    let mut names = Vec::new();
    for name in &network.cert_sans {
        let host = HostPort::parse(name, 443).host;
        let ported = name.parse::<SocketAddr>().is_ok()
            || (name.matches(':').count() == 1 && !name.starts_with('['));
        if ported {
            return Err(format!(
                "spec.network.certSANs has {name}: a certificate names hosts without ports, write {host}"
            ));
        }
        names.push(name.clone());
    }
    let gateway = network.gateway.as_ref().map(|gateway| &gateway.hostname);
    let ingress = network.ingress.as_ref().map(|ingress| &ingress.hostname);
    for name in gateway.into_iter().chain(ingress) {
        names.push(HostPort::parse(name, 443).host);
    }
    let asked = endpoint::host_of_user(control_plane, cluster);
    names.extend(asked.or_else(|| endpoint::recorded(control_plane).cloned()));
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}
