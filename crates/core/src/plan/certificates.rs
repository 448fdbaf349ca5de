//! Leaf certificates of a control plane, and which of them are due (management-cluster specification,
//! sections 5.4 to 5.7 and 5.11).

use std::net::IpAddr;

use super::{
    PlanBuilder,
    authorities::Authorities,
    secret::{Lifecycle, Planned},
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
    tenant::Tenant,
};

/// A leaf as it is in the plan.
pub(super) struct Leaf {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    /// True if it was issued in this pass.
    pub fresh: bool,
}

/// Plans the leaf certificates of the API server and, with konnectivity, of its server.
pub(super) fn leaves(
    tenant: &Tenant,
    authorities: &Authorities,
    endpoint: &Endpoint,
    builder: &mut PlanBuilder,
) {
    let algorithm = builder.snapshot.settings.key_algorithm;
    let names = &tenant.names;
    let list = [
        Row {
            component: "api-server-certificate",
            name: names.api_server(),
            files: ("apiserver.crt", "apiserver.key"),
            authority: &authorities.ca,
            request: leaves::api_server(&api_server_names(tenant, endpoint, builder), algorithm),
        },
        Row {
            component: "api-server-kubelet-client-certificate",
            name: names.kubelet_client(),
            files: (
                "apiserver-kubelet-client.crt",
                "apiserver-kubelet-client.key",
            ),
            authority: &authorities.ca,
            request: leaves::kubelet_client(algorithm),
        },
        Row {
            component: "front-proxy-client-certificate",
            name: names.front_proxy_client(),
            files: ("front-proxy-client.crt", "front-proxy-client.key"),
            authority: &authorities.front_proxy,
            request: leaves::front_proxy_client(algorithm),
        },
    ];
    for row in list {
        plan_leaf(tenant, row, builder);
    }
    if tenant.spec.addons.konnectivity.is_some() {
        plan_leaf(
            tenant,
            Row {
                component: "konnectivity-certificate",
                name: names.konnectivity_certificate(),
                files: ("tls.crt", "tls.key"),
                authority: &authorities.ca,
                request: leaves::konnectivity_server(algorithm),
            },
            builder,
        );
    }
}

struct Row<'a> {
    component: &'static str,
    name: String,
    files: (&'static str, &'static str),
    authority: &'a Authority,
    request: LeafRequest,
}

fn plan_leaf(tenant: &Tenant, row: Row, builder: &mut PlanBuilder) {
    if let Some(data) = builder.paused_data(&row.name) {
        let planned = Planned::new(row.name, row.component, data).lifecycle(Lifecycle::X509);
        return builder.secret(tenant, planned);
    }
    let live = builder.live(&row.name).unwrap_or_default();
    let requested = builder.rotation_requested(&row.name);
    let leaf = builder.leaf(renew::Subject {
        purpose: row.component,
        request: &row.request,
        authority: row.authority,
        certificate: live.get(row.files.0).map(Vec::as_slice),
        key: live.get(row.files.1).map(Vec::as_slice),
        rotate: requested,
    });
    let data = Data::from([
        (row.files.0.to_owned(), leaf.certificate),
        (row.files.1.to_owned(), leaf.key),
    ]);
    let planned = Planned {
        rotated: requested,
        ..Planned::new(row.name, row.component, data).lifecycle(Lifecycle::X509)
    };
    builder.secret(tenant, planned);
}

/// What the API server is called (section 5.7).
pub(super) fn api_server_names(
    tenant: &Tenant,
    endpoint: &Endpoint,
    builder: &PlanBuilder,
) -> leaves::ApiServerNames {
    leaves::ApiServerNames {
        tenant: tenant.name.clone(),
        namespace: tenant.namespace.clone(),
        cluster_domain: tenant.network.cluster_domain.clone(),
        service_cidrs: tenant.network.service_cidrs.clone(),
        assigned: endpoint.assigned,
        advertised: endpoint.advertised,
        service_addresses: builder.service_addresses(),
        control_plane_host: endpoint.published.host.clone(),
        cert_sans: tenant.network.cert_sans.clone(),
    }
}

impl PlanBuilder<'_> {
    /// Addresses of the live Service that the API server's certificate names; none by the first renderer,
    /// whose pods another certificate would roll.
    fn service_addresses(&self) -> Vec<IpAddr> {
        let service = self.snapshot.service.as_ref();
        let service = service.filter(|_| self.renderer_or_newest().has(Change::ServiceSans));
        service.map(endpoint::addresses).unwrap_or_default()
    }

    /// Keeps a leaf that is as it should be, or issues it, and remembers when it is next due.
    pub(super) fn leaf(&mut self, subject: renew::Subject) -> Leaf {
        let now = self.snapshot.now;
        let threshold = self.threshold();
        if let renew::Verdict::Keep { due } = renew::evaluate(&subject, now, threshold) {
            self.due(due);
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
            &mut self.snapshot.seed.for_purpose(&subject.stream()),
        );
        self.due(renew::next_deadline(not_after, threshold));
        Leaf {
            certificate: certificate_pem.into_bytes(),
            key: key_pem.into_bytes(),
            fresh: true,
        }
    }
}
