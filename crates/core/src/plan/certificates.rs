//! Plans the leaf certificates of a control plane: keeps those that are valid, and issues the rest.

use std::net::IpAddr;

use super::{
    authorities::Authorities,
    builder::PlanBuilder,
    secret::{DesiredSecret, plan_secret},
};
use crate::{
    binding::Data,
    endpoint::{self, Endpoint},
    pki::{authority::Authority, leaf::LeafRequest, leaves, renew},
    render::Change,
    secret_role::SecretRole,
};

/// Plans the certificate of the API server, which names the addresses of `endpoint`.
pub(super) fn plan_api_server(
    authorities: &Authorities,
    endpoint: &Endpoint,
    builder: &mut PlanBuilder,
) {
    let algorithm = builder.snapshot.settings.key_algorithm;
    let request = leaves::api_server(&api_server_names(endpoint, builder), algorithm);
    plan_leaf(
        SecretRole::ApiServer,
        authorities.ca.signer(),
        &request,
        builder,
    );
}

/// Plans the leaf certificates that name no address: the API server's as a client of kubelets and of extension API
/// servers, and, with konnectivity, that of its server.
pub(super) fn plan_other_leaves(authorities: &Authorities, builder: &mut PlanBuilder) {
    let algorithm = builder.snapshot.settings.key_algorithm;
    let (ca, front_proxy) = (authorities.ca.signer(), authorities.front_proxy.signer());
    let list = [
        (
            SecretRole::KubeletClient,
            ca,
            leaves::kubelet_client(algorithm),
        ),
        (
            SecretRole::FrontProxyClient,
            front_proxy,
            leaves::front_proxy_client(algorithm),
        ),
        (
            SecretRole::KonnectivityCertificate,
            ca,
            leaves::konnectivity_server(algorithm),
        ),
    ];
    for (role, authority, request) in list {
        if role.is_wanted(&builder.tenant.spec) {
            plan_leaf(role, authority, &request, builder);
        }
    }
}

/// Plans the Secret of one leaf: keeps the live certificate, or issues one by `request`.
fn plan_leaf(
    role: SecretRole,
    authority: &Authority,
    request: &LeafRequest,
    builder: &mut PlanBuilder,
) {
    if let Some(data) = builder.paused_data(role) {
        return plan_secret(DesiredSecret::new(role, data), builder);
    }
    let (certificate, key) = role.key_pair();
    let live = builder.live_content(role);
    let subject = renew::Subject {
        purpose: role.component(),
        request,
        authority,
        certificate: live.file(certificate),
        key: live.file(key),
        rotate: live.rotation_requested,
    };
    let leaf = keep_or_issue(&subject, builder);
    let data = Data::from([
        (certificate.to_owned(), leaf.certificate),
        (key.to_owned(), leaf.key),
    ]);
    let desired = DesiredSecret {
        rotated: live.rotation_requested,
        ..DesiredSecret::new(role, data)
    };
    plan_secret(desired, builder);
}

/// Host names and addresses of the API server's certificate.
fn api_server_names(endpoint: &Endpoint, builder: &PlanBuilder) -> leaves::ApiServerNames {
    let tenant = builder.tenant;
    leaves::ApiServerNames {
        tenant: tenant.name.clone(),
        namespace: tenant.namespace.clone(),
        cluster_domain: tenant.network.cluster_domain.clone(),
        service_cidrs: tenant.network.service_cidrs.clone(),
        assigned: endpoint.assigned,
        advertised: endpoint.advertised,
        service_addresses: service_addresses(builder),
        control_plane_host: endpoint.published.host.clone(),
        cert_sans: tenant.network.cert_sans.clone(),
    }
}

/// Addresses of the live Service. Empty for the first renderer, whose pods another certificate would roll.
fn service_addresses(builder: &PlanBuilder) -> Vec<IpAddr> {
    let service = builder.snapshot.service.as_ref();
    let service = service.filter(|_| builder.renderer_or_newest().has(Change::ServiceSans));
    service.map(endpoint::addresses).unwrap_or_default()
}

/// Keeps the leaf of `subject` if it is valid and not due, or issues another; schedules its renewal.
pub(super) fn keep_or_issue(subject: &renew::Subject, builder: &mut PlanBuilder) -> renew::Leaf {
    let threshold = builder.renewal_threshold();
    let snapshot = builder.snapshot;
    let leaf = renew::keep_or_issue(subject, snapshot.now, threshold, &snapshot.seed);
    builder.requeue_at(leaf.due);
    leaf
}

#[cfg(test)]
mod tests;
