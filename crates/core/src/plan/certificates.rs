//! Plans the leaf certificates of a control plane: keeps those that are valid, and issues the rest.

use std::net::IpAddr;

use super::{
    authorities::Authorities,
    builder::PlanBuilder,
    secret::{Lifecycle, PlannedSecret, plan_secret},
};
use crate::{
    binding::Data,
    endpoint::{self, Endpoint},
    pki::{
        authority::Authority,
        leaf::{LeafRequest, Pair},
        leaves, renew,
    },
    render::Change,
};

/// A leaf certificate as planned, in PEM.
pub(super) struct Leaf {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    /// True if this plan issued it.
    pub fresh: bool,
}

/// Plans the leaf certificates of the API server and, with konnectivity, of its server.
pub(super) fn plan_leaves(
    authorities: &Authorities,
    endpoint: &Endpoint,
    builder: &mut PlanBuilder,
) {
    let algorithm = builder.snapshot.settings.key_algorithm;
    let names = &builder.tenant.names;
    let list = [
        LeafSecret {
            component: "api-server-certificate",
            name: names.api_server(),
            files: ("apiserver.crt", "apiserver.key"),
            authority: &authorities.ca,
            request: leaves::api_server(&api_server_names(endpoint, builder), algorithm),
        },
        LeafSecret {
            component: "api-server-kubelet-client-certificate",
            name: names.kubelet_client(),
            files: (
                "apiserver-kubelet-client.crt",
                "apiserver-kubelet-client.key",
            ),
            authority: &authorities.ca,
            request: leaves::kubelet_client(algorithm),
        },
        LeafSecret {
            component: "front-proxy-client-certificate",
            name: names.front_proxy_client(),
            files: ("front-proxy-client.crt", "front-proxy-client.key"),
            authority: &authorities.front_proxy,
            request: leaves::front_proxy_client(algorithm),
        },
    ];
    for leaf in list {
        plan_leaf(leaf, builder);
    }
    if builder.tenant.spec.addons.konnectivity.is_some() {
        let leaf = LeafSecret {
            component: "konnectivity-certificate",
            name: names.konnectivity_certificate(),
            files: ("tls.crt", "tls.key"),
            authority: &authorities.ca,
            request: leaves::konnectivity_server(algorithm),
        };
        plan_leaf(leaf, builder);
    }
}

/// A Secret that holds one leaf certificate.
struct LeafSecret<'a> {
    component: &'static str,
    name: String,
    /// Keys of certificate and private key in the Secret.
    files: (&'static str, &'static str),
    authority: &'a Authority,
    request: LeafRequest,
}

fn plan_leaf(secret: LeafSecret, builder: &mut PlanBuilder) {
    if let Some(data) = builder.paused_data(&secret.name) {
        let planned = PlannedSecret::new(secret.name, secret.component, data);
        return plan_secret(planned.lifecycle(Lifecycle::X509), builder);
    }
    let live = builder.live_data(&secret.name).unwrap_or_default();
    let requested = builder.rotation_requested(&secret.name);
    let subject = renew::Subject {
        purpose: secret.component,
        request: &secret.request,
        authority: secret.authority,
        certificate: live.get(secret.files.0).map(Vec::as_slice),
        key: live.get(secret.files.1).map(Vec::as_slice),
        rotate: requested,
    };
    let leaf = keep_or_issue(&subject, builder);
    let data = Data::from([
        (secret.files.0.to_owned(), leaf.certificate),
        (secret.files.1.to_owned(), leaf.key),
    ]);
    let planned = PlannedSecret {
        rotated: requested,
        ..PlannedSecret::new(secret.name, secret.component, data).lifecycle(Lifecycle::X509)
    };
    plan_secret(planned, builder);
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
pub(super) fn keep_or_issue(subject: &renew::Subject, builder: &mut PlanBuilder) -> Leaf {
    let now = builder.snapshot.now;
    let threshold = builder.renewal_threshold();
    if let renew::Verdict::Keep { due } = renew::evaluate(subject, now, threshold) {
        builder.requeue_at(due);
        return Leaf {
            certificate: subject.certificate.unwrap_or_default().to_vec(),
            key: subject.key.unwrap_or_default().to_vec(),
            fresh: false,
        };
    }
    let Pair {
        certificate_pem,
        key_pem,
        not_after,
    } = subject.authority.sign(
        subject.request,
        now,
        &mut builder.snapshot.seed.for_purpose(&subject.stream()),
    );
    builder.requeue_at(renew::next_deadline(not_after, threshold));
    Leaf {
        certificate: certificate_pem.into_bytes(),
        key: key_pem.into_bytes(),
        fresh: true,
    }
}

#[cfg(test)]
#[path = "certificates_tests.rs"]
mod tests;
