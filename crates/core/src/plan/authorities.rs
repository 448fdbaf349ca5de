//! Plans the CA, the front-proxy CA and the service-account keys of a tenant. They are issued once, loaded from
//! then on, and replaced only on the request of a user.

use std::time::Duration;

use kamaji_api::{
    condition::{ConditionType, Reason},
    labels::{REPLACE_AUTHORITY, ROTATE},
};

use super::{
    builder::{PlanBuilder, Renewals},
    replacement::{self, Replacements, Trusted},
    secret::{DesiredSecret, plan_secret},
    types::Wait,
};
use crate::{
    binding::Data,
    pki::{
        authority,
        expiry::{Expiry, Purpose},
        service_account,
        tenant_authority::{TenantAuthority, TenantAuthorityError},
    },
    secret_role::{SecretRole, TLS_PAIR},
    tenant::Tenant,
};

/// The two authorities of a tenant: each a CA that signs, with the CAs that are trusted in its place.
pub(super) struct Authorities {
    pub ca: TenantAuthority,
    pub front_proxy: TenantAuthority,
}

impl Authorities {
    /// True if others are trusted beside the CA that signs, and the planned Secret has its certificate apart: a Secret
    /// that a user has paused may not have it.
    pub(super) fn signer_is_apart(&self, builder: &PlanBuilder) -> bool {
        let secret = builder.secrets.get(&SecretRole::Ca);
        let file = secret.and_then(|secret| secret.data.get(TLS_PAIR.0));
        let signer = self.ca.signer().certificate_pem();
        self.ca.trusts_others() && file.is_some_and(|pem| pem == signer)
    }
}

/// Plans the authorities and the service-account keys. `None` if any of them is lost or damaged: then
/// nothing that depends on them is planned, and a user must restore or replace them.
pub(super) fn plan_authorities(builder: &mut PlanBuilder) -> Option<Authorities> {
    let mut requests = ReplacementRequests::parse(builder);
    let ca = plan_authority(Trusted::Ca, &mut requests, builder);
    let front_proxy = plan_authority(Trusted::FrontProxy, &mut requests, builder);
    let service_account = plan_service_account(&mut requests, builder);
    requests.finish(builder);
    service_account?;
    Some(Authorities {
        ca: ca?,
        front_proxy: front_proxy?,
    })
}

/// Delay until a lost authority is observed again.
const LOST_RECHECK: Duration = Duration::from_mins(1);

/// Common names of the issued authorities.
const CA_NAME: &str = "kubernetes";
const FRONT_PROXY_NAME: &str = "front-proxy-ca";

/// Origin of an authority in this plan.
enum Origin {
    /// The live Secret holds the authority.
    Live(Data),
    /// The tenant never had this authority.
    New,
    /// A user requested another one: by the annotation of its Secret, or to replace one that was lost.
    Renewed,
}

impl Origin {
    /// Origin of `trusted`; `None` if it was lost and no user has requested its replacement.
    fn of(
        trusted: Trusted,
        requests: &mut ReplacementRequests,
        builder: &mut PlanBuilder,
    ) -> Option<Self> {
        let role = trusted.role();
        let live = builder.live_data(role);
        let data = live.filter(|data| !data.values().all(|bytes| is_blank(bytes)));
        if builder.rotation_requested(role) {
            builder.renewal_requested = true;
            if builder.renewals == Renewals::Allowed {
                return Some(Self::Renewed);
            }
        }
        if let Some(data) = data {
            return Some(Self::Live(data));
        }
        let Some(id) = lost(role, builder) else {
            return Some(Self::New);
        };
        if requests.granted(trusted, &id) {
            builder.renewal_requested = true;
            if builder.renewals == Renewals::Allowed {
                return Some(Self::Renewed);
            }
        }
        requests.lost.insert(trusted, id);
        None
    }
}

/// Identifier of the loss of an authority that is absent: the checksum that the status has recorded, or the
/// uid of the Secret that has been emptied. `None` if it never existed.
fn lost(role: SecretRole, builder: &PlanBuilder) -> Option<String> {
    let recorded = role.recorded(&builder.tenant.status);
    let recorded = recorded.and_then(|status| status.checksum.clone());
    let emptied = || {
        let secret = builder.live_secret(role)?;
        secret.metadata.uid.clone().or(Some("unknown".to_owned()))
    };
    recorded.filter(|text| !text.is_empty()).or_else(emptied)
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_whitespace)
}

/// Replacements that a user requested by annotation, and losses that remain.
struct ReplacementRequests {
    /// The annotation, parsed into replacements.
    requested: Result<Replacements, replacement::ReplacementError>,
    /// Lost authorities that this plan does not replace.
    lost: Replacements,
}

impl ReplacementRequests {
    fn parse(builder: &PlanBuilder) -> Self {
        let annotations = builder.snapshot.object.metadata.annotations.as_ref();
        let text = annotations
            .and_then(|all| all.get(REPLACE_AUTHORITY))
            .cloned();
        let requested = text
            .as_deref()
            .map_or(Ok(Replacements::new()), replacement::parse);
        Self {
            requested,
            lost: Replacements::new(),
        }
    }

    fn granted(&self, trusted: Trusted, id: &str) -> bool {
        let requested = self.requested.as_ref().ok();
        requested
            .and_then(|requested| requested.get(&trusted))
            .is_some_and(|named| named == id)
    }

    /// Reports what is lost; plans the removal of the annotation once nothing is.
    fn finish(self, builder: &mut PlanBuilder) {
        if !self.lost.is_empty() {
            // A Secret that a user restores may carry no label of the operator: then no watch reports it.
            builder.requeue_at(builder.snapshot.now + LOST_RECHECK);
            return builder.wait(self.wait(builder.tenant));
        }
        match self.requested {
            Ok(requested) => builder.answered = !requested.is_empty(),
            Err(why) => builder.warn(Wait::new(
                ConditionType::CertificatesValid,
                Reason::AnnotationUnreadable,
                format!("{why}: nothing is lost, so remove it"),
            )),
        }
    }

    fn wait(&self, tenant: &Tenant) -> Wait {
        let names = self.lost.keys().map(|trusted| {
            let name = tenant.names.secret(trusted.role());
            format!("{}/{name}", tenant.namespace)
        });
        let names = names.collect::<Vec<_>>().join(", ");
        let instead = match &self.requested {
            Err(why) => format!(" ({why})"),
            Ok(requested)
                if requested
                    .iter()
                    .any(|(trusted, id)| self.lost.get(trusted).is_some_and(|lost| lost != id)) =>
            {
                format!(
                    " (the annotation that is there names another loss: {})",
                    replacement::text(requested)
                )
            }
            Ok(_) => String::new(),
        };
        Wait::new(
            ConditionType::CertificatesValid,
            Reason::AuthorityLost,
            format!(
                "Secrets that the tenant cluster trusts were deleted or emptied: {names}. Nothing was made in their place, since every worker, kubeconfig or token would be refused: restore them from a backup, or annotate the TenantControlPlane with {REPLACE_AUTHORITY}={} to have them made anew{instead}",
                replacement::text(&self.lost)
            ),
        )
    }
}

fn plan_authority(
    trusted: Trusted,
    requests: &mut ReplacementRequests,
    builder: &mut PlanBuilder,
) -> Option<TenantAuthority> {
    let tenant = builder.tenant;
    let role = trusted.role();
    let purpose = match trusted {
        Trusted::FrontProxy => Purpose::FrontProxyCa,
        Trusted::Ca | Trusted::ServiceAccount => Purpose::Ca,
    };
    let origin = Origin::of(trusted, requests, builder)?;
    let rotated = origin.is_rotated();
    let authority = load_or_issue(trusted, origin, builder)?;
    let secret = format!("{}/{}", tenant.namespace, tenant.names.secret(role));
    let end = |of: &TenantAuthority| Expiry::of(purpose, of.signer().certificate());
    // Until a new one is written, the end that counts is that of the live one.
    let live = rotated.then(|| live_authority(role, builder)).flatten();
    match live {
        Some(live) => builder.expiries.push(end(&live)),
        None => builder.authority_expiry(end(&authority), &secret),
    }
    builder.ca_rotating |= rotated && role == SecretRole::Ca;
    let desired = DesiredSecret {
        rotated,
        ..DesiredSecret::new(role, content(role, &authority))
    };
    plan_secret(desired, builder);
    Some(authority)
}

/// The authority that the tenant trusts, if it can be loaded.
fn live_authority(role: SecretRole, builder: &PlanBuilder) -> Option<TenantAuthority> {
    let data = builder.live_data(role)?;
    let (certificates, key) = files(&data, role);
    TenantAuthority::load(certificates, key, builder.snapshot.now).ok()
}

/// Loads the live authority, or issues one. `None`, with a wait, if the live one cannot sign.
fn load_or_issue(
    trusted: Trusted,
    origin: Origin,
    builder: &mut PlanBuilder,
) -> Option<TenantAuthority> {
    let role = trusted.role();
    let common_name = match trusted {
        Trusted::FrontProxy => FRONT_PROXY_NAME,
        Trusted::Ca | Trusted::ServiceAccount => CA_NAME,
    };
    match origin {
        Origin::Live(data) => {
            let (certificates, key) = files(&data, role);
            match TenantAuthority::load(certificates, key, builder.snapshot.now) {
                Ok(authority) => Some(authority),
                Err(error @ TenantAuthorityError::TooMany(_)) => {
                    // Its text has the next action.
                    damaged(role, &error, builder);
                    None
                }
                Err(error) => {
                    damaged(role, &format!("{error}: {}", restoration()), builder);
                    None
                }
            }
        }
        Origin::New | Origin::Renewed => {
            let issued = authority::issue(
                common_name,
                builder.snapshot.settings.key_algorithm,
                builder.snapshot.now,
                &mut builder.snapshot.seed.for_purpose(role.component()),
            );
            Some(issued.into())
        }
    }
}

/// Content of an authority's Secret: the trusted certificates with the key of the one that signs.
fn content(role: SecretRole, authority: &TenantAuthority) -> Data {
    let signer = authority.signer();
    let (certificates, key) = role.key_pair();
    let mut data = Data::from([
        (certificates.to_owned(), authority.trust_pem().to_vec()),
        (key.to_owned(), signer.key_pem().to_vec()),
    ]);
    if role == SecretRole::Ca {
        let (certificate, key) = TLS_PAIR;
        data.insert(certificate.to_owned(), signer.certificate_pem().to_vec());
        data.insert(key.to_owned(), signer.key_pem().to_vec());
    }
    data
}

/// Certificates and key: under the keys of the role, or under those of a TLS Secret.
fn files(data: &Data, role: SecretRole) -> (&[u8], &[u8]) {
    let pair = |(certificate, key)| {
        let file = |name: &str| data.get(name).map(Vec::as_slice).unwrap_or_default();
        (file(certificate), file(key))
    };
    let own = pair(role.key_pair());
    if is_blank(own.0) && is_blank(own.1) {
        pair(TLS_PAIR)
    } else {
        own
    }
}

impl Origin {
    /// True if the authority is replaced on the request of a user.
    fn is_rotated(&self) -> bool {
        matches!(self, Self::Renewed)
    }
}

fn plan_service_account(
    requests: &mut ReplacementRequests,
    builder: &mut PlanBuilder,
) -> Option<()> {
    let role = SecretRole::ServiceAccount;
    let (public, private) = role.key_pair();
    let origin = Origin::of(Trusted::ServiceAccount, requests, builder)?;
    let rotated = origin.is_rotated();
    let data = match origin {
        Origin::Live(data) => {
            let file = |name: &str| data.get(name).map(Vec::as_slice).unwrap_or_default();
            if let Err(source) = service_account::load(file(private), file(public)) {
                damaged(role, &format!("{source}: {}", restoration()), builder);
                return None;
            }
            data
        }
        Origin::New | Origin::Renewed => {
            let pair = service_account::generate(
                builder.snapshot.settings.key_algorithm,
                &mut builder.snapshot.seed.for_purpose(role.component()),
            );
            Data::from([
                (public.to_owned(), pair.public_pem.into_bytes()),
                (private.to_owned(), pair.key_pem.into_bytes()),
            ])
        }
    };
    let desired = DesiredSecret {
        rotated,
        ..DesiredSecret::new(role, data)
    };
    plan_secret(desired, builder);
    Some(())
}

/// Next actions for an authority that cannot be read, or cannot sign.
fn restoration() -> String {
    format!(
        "restore the Secret from a backup, or ask for new keys by setting its annotation {ROTATE} to an empty value"
    )
}

/// Waits for a user to repair or replace an authority, for a reason that ends with the next action.
fn damaged(role: SecretRole, source: &dyn std::fmt::Display, builder: &mut PlanBuilder) {
    let tenant = builder.tenant;
    builder.damaged.insert(role);
    builder.wait(Wait::new(
        ConditionType::CertificatesValid,
        Reason::AuthorityDamaged,
        format!(
            "the Secret {}/{} cannot be used, and nothing was replaced, since everything that trusts it would break: {source}",
            tenant.namespace,
            tenant.names.secret(role)
        ),
    ));
}
