//! Which keys and certificates does a control plane have, and which of them are due?
//! (management-cluster specification, sections 5.4 to 5.7 and 5.11)

use kamaji_api::condition::ConditionType;

use super::{
    Draft, Wait,
    secret::{Lifecycle, Planned},
};
use crate::{
    binding::Data,
    endpoint::Endpoint,
    pki::{
        authority::{self, Authority},
        leaf::{LeafRequest, Pair},
        leaves, renew, service_account,
    },
    tenant::Tenant,
};

/// The two authorities of a tenant.
pub(super) struct Authorities {
    pub ca: Authority,
    pub front_proxy: Authority,
}

/// A leaf as it is in the plan.
pub(super) struct Leaf {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    /// True if it was issued in this pass.
    pub fresh: bool,
}

/// Plans the authorities and the service-account keys. `None` if any of them is damaged: then
/// nothing that depends on them is touched, and a person must say what is to be done.
pub(super) fn authorities(tenant: &Tenant, draft: &mut Draft) -> Option<Authorities> {
    let names = &tenant.names;
    let ca = one(tenant, CA.named(names.ca()), draft);
    let front_proxy = one(tenant, FRONT_PROXY.named(names.front_proxy_ca()), draft);
    let service_account = service_account(tenant, draft);
    service_account?;
    Some(Authorities {
        ca: ca?,
        front_proxy: front_proxy?,
    })
}

/// What distinguishes one authority from the other.
struct Kind {
    component: &'static str,
    common_name: &'static str,
    files: (&'static str, &'static str),
}

const CA: Kind = Kind {
    component: "ca",
    common_name: "kubernetes",
    files: ("ca.crt", "ca.key"),
};
const FRONT_PROXY: Kind = Kind {
    component: "front-proxy-ca-certificate",
    common_name: "front-proxy-ca",
    files: ("front-proxy-ca.crt", "front-proxy-ca.key"),
};

impl Kind {
    fn named(&self, name: String) -> (&Self, String) {
        (self, name)
    }
}

fn one(tenant: &Tenant, (kind, name): (&Kind, String), draft: &mut Draft) -> Option<Authority> {
    let rotated = draft.rotation_requested(&name);
    let live = draft.live(&name).filter(|data| !data.is_empty());
    let create_only = live.is_none();
    let authority = match live {
        Some(data) if !rotated => {
            let file = |name: &str| data.get(name).map(Vec::as_slice).unwrap_or_default();
            match Authority::load(file(kind.files.0), file(kind.files.1), draft.snapshot.now) {
                Ok(authority) => authority,
                Err(source) => {
                    draft.wait(damaged(tenant, &name, &source));
                    return None;
                }
            }
        }
        _ => authority::issue(
            kind.common_name,
            draft.snapshot.settings.key_algorithm,
            draft.snapshot.now,
            &mut draft.snapshot.seed.for_purpose(kind.component),
        ),
    };
    draft.ca_rotating |= rotated && kind.component == CA.component;
    let mut data = Data::from([
        (
            kind.files.0.to_owned(),
            authority.certificate_pem().to_vec(),
        ),
        (kind.files.1.to_owned(), authority.key_pem().to_vec()),
    ]);
    if kind.component == CA.component {
        // Cluster API reads the CA under the keys of a TLS Secret.
        data.insert("tls.crt".to_owned(), authority.certificate_pem().to_vec());
        data.insert("tls.key".to_owned(), authority.key_pem().to_vec());
    }
    let planned = Planned {
        rotated,
        create_only,
        ..Planned::new(name, kind.component, data)
    };
    draft.secret(tenant, planned);
    Some(authority)
}

fn service_account(tenant: &Tenant, draft: &mut Draft) -> Option<()> {
    let name = tenant.names.service_account();
    let rotated = draft.rotation_requested(&name);
    let live = draft.live(&name).filter(|data| !data.is_empty());
    let create_only = live.is_none();
    let data = match live {
        Some(data) if !rotated => {
            let file = |name: &str| data.get(name).map(Vec::as_slice).unwrap_or_default();
            if let Err(source) = service_account::load(file("sa.key"), file("sa.pub")) {
                draft.wait(damaged(tenant, &name, &source));
                return None;
            }
            data
        }
        _ => {
            let pair = service_account::generate(
                draft.snapshot.settings.key_algorithm,
                &mut draft.snapshot.seed.for_purpose("sa-certificate"),
            );
            Data::from([
                ("sa.pub".to_owned(), pair.public_pem.into_bytes()),
                ("sa.key".to_owned(), pair.key_pem.into_bytes()),
            ])
        }
    };
    let planned = Planned {
        rotated,
        create_only,
        ..Planned::new(name, "sa-certificate", data)
    };
    draft.secret(tenant, planned);
    Some(())
}

fn damaged(tenant: &Tenant, name: &str, source: &dyn std::fmt::Display) -> Wait {
    Wait::new(
        ConditionType::CertificatesValid,
        "AuthorityDamaged",
        format!(
            "the Secret {}/{name} is damaged: {source}. Nothing was replaced, since everything that trusts it would break: restore the Secret from a backup, or ask for new keys by setting its annotation certs.kamaji.clastix.io/rotate to an empty value",
            tenant.namespace
        ),
    )
}

/// Plans the leaf certificates of the API server and, with konnectivity, of its server.
pub(super) fn leaves(
    tenant: &Tenant,
    authorities: &Authorities,
    endpoint: &Endpoint,
    draft: &mut Draft,
) {
    let algorithm = draft.snapshot.settings.key_algorithm;
    let names = &tenant.names;
    let list = [
        Row {
            component: "api-server-certificate",
            name: names.api_server(),
            files: ("apiserver.crt", "apiserver.key"),
            authority: &authorities.ca,
            request: leaves::api_server(&api_server_names(tenant, endpoint), algorithm),
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
        plan_leaf(tenant, row, draft);
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
            draft,
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

fn plan_leaf(tenant: &Tenant, row: Row, draft: &mut Draft) {
    let live = draft.live(&row.name).unwrap_or_default();
    let requested = draft.rotation_requested(&row.name);
    let leaf = draft.leaf(renew::Subject {
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
    draft.secret(tenant, planned);
}

/// What the API server is called (section 5.7).
pub(super) fn api_server_names(tenant: &Tenant, endpoint: &Endpoint) -> leaves::ApiServerNames {
    leaves::ApiServerNames {
        tenant: tenant.name.clone(),
        namespace: tenant.namespace.clone(),
        cluster_domain: tenant.network.cluster_domain.clone(),
        service_cidrs: tenant.network.service_cidrs.clone(),
        assigned: endpoint.assigned,
        advertised: endpoint.advertised,
        control_plane_host: endpoint.control_plane.host.clone(),
        cert_sans: tenant.network.cert_sans.clone(),
    }
}

impl Draft<'_> {
    /// Keeps a leaf that is as it should be, or issues it, and remembers when it is next due.
    pub(super) fn leaf(&mut self, subject: renew::Subject) -> Leaf {
        let now = self.snapshot.now;
        let threshold = self.snapshot.settings.expiration_deadline;
        if let renew::Verdict::Keep { due } = renew::judge(&subject, now, threshold) {
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
            &mut self.snapshot.seed.for_purpose(subject.purpose),
        );
        self.due(renew::next_deadline(not_after, threshold));
        Leaf {
            certificate: certificate_pem.into_bytes(),
            key: key_pem.into_bytes(),
            fresh: true,
        }
    }
}
