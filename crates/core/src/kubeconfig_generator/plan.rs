//! Plans the Secret with the kubeconfig of one generator for one tenant.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::Timestamp,
};
use kamaji_api::{kubeconfig::KubeconfigGenerator, labels, tenant::TenantControlPlane};

use super::{
    Settings, VALUE,
    identity::{self, Identity, IdentityError},
    ownership::{self, Foreign, NameError},
    server::{self, ServerError},
};
use crate::{
    names::Names,
    object::{self, Intent, Object, Version},
    pki::{
        certificate::Certificate,
        kubeconfig::{self, Access, Kubeconfig},
        leaf::LeafRequest,
        leaves, renew,
        tenant_authority::{TenantAuthority, TenantAuthorityError},
    },
    rng::Seed,
    secret_role::SecretRole,
    tenant,
};

/// Most bytes of a rotation's stamp that is written again.
const LONGEST_STAMP: usize = 64;

/// Observation of a generator and a tenant that it selects.
#[derive(Clone, Debug)]
pub struct Snapshot<'a> {
    /// KubeconfigGenerator that selects the tenant.
    pub generator: &'a KubeconfigGenerator,
    /// TenantControlPlane that the kubeconfig is for.
    pub tenant: &'a TenantControlPlane,
    /// Live Secret under the name of the tenant's CA.
    pub authority: Option<Secret>,
    /// Live Secret under the name of the tenant's administrators' kubeconfigs.
    pub admin: Option<Secret>,
    /// Live Secret under the name of the generated one.
    pub output: Option<Secret>,
    /// Settings of the process.
    pub settings: Settings,
    /// Time of the observation.
    pub now: Timestamp,
    /// Randomness for whatever must be issued.
    pub seed: Seed,
}

/// Result for one tenant, as the generator's status counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The tenant has a kubeconfig, or gets it by the plan's write.
    Available,
    /// The tenant has none, or one that is not renewed, for this reason.
    Missing(String),
}

/// Desired Secret of one tenant.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Secret to write; `None` if the live one is as it should be, or must not be written.
    pub write: Option<Object>,
    /// Result once the write has succeeded.
    pub state: State,
    /// Time of the next renewal; `None` if only a change leads to another plan.
    pub due: Option<Timestamp>,
}

/// Reason for which no Secret is planned. The text names object, cause and next action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Foreign(#[from] Foreign),
    #[error("the Secret {0} is paused and has no kubeconfig; remove the annotation {paused}", paused = labels::PAUSED)]
    Paused(String),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("the Secret {0} of the control plane is not there yet; it is waited for")]
    Absent(String),
    #[error(
        "the Secret {0} is not of this TenantControlPlane: no owner reference has its uid; nothing of it is used"
    )]
    NotOfTenant(String),
    #[error("the Secret {name} of the control plane cannot be used: {source}")]
    Server { name: String, source: ServerError },
    #[error(
        "the CA in the Secret {name} of the control plane cannot sign: {source}; repair it there"
    )]
    Authority {
        name: String,
        source: TenantAuthorityError,
    },
    #[error("the {0} has no name or uid; this is a mistake of the API server")]
    Anonymous(&'static str),
}

/// Plans the Secret of one generator for one tenant that it selects.
pub fn plan(snapshot: &Snapshot) -> Plan {
    match desired(snapshot) {
        Ok(plan) => plan,
        Err(refusal) => Plan {
            write: None,
            state: State::Missing(refusal.to_string()),
            due: None,
        },
    }
}

/// Names and uids of both parties.
struct Parties<'a> {
    generator: (&'a str, &'a str),
    tenant: (&'a str, &'a str),
    /// Name of the Secret.
    secret: String,
}

impl<'a> Parties<'a> {
    fn of(snapshot: &Snapshot<'a>) -> Result<Self, Refusal> {
        let generator = identified(&snapshot.generator.metadata, "KubeconfigGenerator")?;
        let tenant = identified(&snapshot.tenant.metadata, "TenantControlPlane")?;
        Ok(Self {
            secret: ownership::secret_name(tenant.0, generator.0)?,
            generator,
            tenant,
        })
    }
}

fn identified<'a>(meta: &'a ObjectMeta, kind: &'static str) -> Result<(&'a str, &'a str), Refusal> {
    let both = meta.name.as_deref().zip(meta.uid.as_deref());
    both.ok_or(Refusal::Anonymous(kind))
}

fn desired(snapshot: &Snapshot) -> Result<Plan, Refusal> {
    let parties = Parties::of(snapshot)?;
    if let Some(live) = &snapshot.output {
        ownership::check(&live.metadata, snapshot.tenant, parties.generator.0)?;
        if labels::is_paused(&live.metadata) {
            return paused(live, parties.secret);
        }
    }
    let identity = identity::resolve(&snapshot.generator.spec, snapshot.tenant)?;
    let key = &snapshot.generator.spec.control_plane_endpoint_from;
    let admin = of_tenant(
        SecretRole::AdminKubeconfig,
        snapshot.admin.as_ref(),
        snapshot,
    )?;
    let server = server::server(admin, key).map_err(|source| Refusal::Server {
        name: Names::of(parties.tenant.0).secret(SecretRole::AdminKubeconfig),
        source,
    })?;
    let access = Access {
        cluster: parties.tenant.0.to_owned(),
        user: parties.generator.0.to_owned(),
        server,
    };
    let authority = authority(snapshot)?;
    let leaf = leaf(&identity, &authority, snapshot);
    let text = Kubeconfig::new(&access, authority.trust_pem(), &leaf.certificate, &leaf.key);
    let text = text.in_context(parties.generator.0).to_yaml();
    let secret = Object::of(&secret(&parties, text, snapshot));
    Ok(Plan {
        write: to_write(secret, snapshot.output.as_ref()),
        state: State::Available,
        due: Some(leaf.due),
    })
}

/// Keeps a Secret that a person has paused.
fn paused(live: &Secret, name: String) -> Result<Plan, Refusal> {
    if value(live).is_none_or(<[u8]>::is_empty) {
        return Err(Refusal::Paused(name));
    }
    Ok(Plan {
        write: None,
        state: State::Available,
        due: None,
    })
}

/// The Secret of a role, if it is there and belongs to the tenant.
fn of_tenant<'a>(
    role: SecretRole,
    secret: Option<&'a Secret>,
    snapshot: &Snapshot,
) -> Result<&'a Secret, Refusal> {
    let tenant = snapshot.tenant.metadata.name.as_deref().unwrap_or_default();
    let name = || Names::of(tenant).secret(role);
    let secret = secret.ok_or_else(|| Refusal::Absent(name()))?;
    if ownership::is_of_control_plane(secret, snapshot.tenant) {
        Ok(secret)
    } else {
        Err(Refusal::NotOfTenant(name()))
    }
}

/// Loads the tenant's CA.
fn authority(snapshot: &Snapshot) -> Result<TenantAuthority, Refusal> {
    let secret = of_tenant(SecretRole::Ca, snapshot.authority.as_ref(), snapshot)?;
    let (certificates, key) = SecretRole::Ca.key_pair();
    let file = |name: &str| {
        let data = secret.data.as_ref()?;
        data.get(name).map(|bytes| bytes.0.as_slice())
    };
    let (certificates, key) = (file(certificates), file(key));
    let loaded = TenantAuthority::load(
        certificates.unwrap_or_default(),
        key.unwrap_or_default(),
        snapshot.now,
    );
    loaded.map_err(|source| Refusal::Authority {
        name: secret.metadata.name.clone().unwrap_or_default(),
        source,
    })
}

fn value(secret: &Secret) -> Option<&[u8]> {
    let value = secret.data.as_ref()?.get(VALUE)?;
    Some(&value.0)
}

/// True if a person requested a new key and certificate.
fn rotates(snapshot: &Snapshot) -> bool {
    rotate_annotation(snapshot).is_some_and(str::is_empty)
}

fn rotate_annotation<'a>(snapshot: &'a Snapshot) -> Option<&'a str> {
    let annotations = snapshot.output.as_ref()?.metadata.annotations.as_ref()?;
    annotations.get(labels::ROTATE).map(String::as_str)
}

/// Keeps the client certificate of the live kubeconfig, or issues another.
fn leaf(identity: &Identity, authority: &TenantAuthority, snapshot: &Snapshot) -> renew::Leaf {
    let text = snapshot.output.as_ref().and_then(value);
    let have = text.and_then(|text| kubeconfig::credentials(text).ok());
    let certificate = have.as_ref().map(|have| have.certificate.as_slice());
    let request = LeafRequest {
        organizations: in_order_of(certificate, &identity.groups),
        ..leaves::user(&identity.user, None, snapshot.settings.key_algorithm)
    };
    let subject = renew::Subject {
        purpose: "generated kubeconfig",
        request: &request,
        authority: authority.signer(),
        certificate,
        key: have.as_ref().map(|have| have.key.as_slice()),
        rotate: rotates(snapshot),
    };
    let uid = snapshot.tenant.metadata.uid.as_deref().unwrap_or_default();
    let threshold = renew::threshold(snapshot.settings.expiration_deadline, uid);
    renew::keep_or_issue(&subject, snapshot.now, threshold, &snapshot.seed)
}

/// Groups in the order of the live certificate, if it has the same ones: upstream writes them in any order.
fn in_order_of(certificate: Option<&[u8]>, groups: &[String]) -> Vec<String> {
    let live = certificate.and_then(|pem| Certificate::from_pem(pem).ok());
    let live = live.map(|certificate| certificate.organizations);
    let is_same = |live: &Vec<String>| {
        let mut sorted = live.clone();
        sorted.sort_unstable();
        sorted == groups
    };
    live.filter(is_same).unwrap_or_else(|| groups.to_vec())
}

/// Renders the Secret with this kubeconfig, its labels, owner and annotations.
fn secret(parties: &Parties, text: String, snapshot: &Snapshot) -> Secret {
    let (generator, generator_uid) = parties.generator;
    let (tenant, tenant_uid) = parties.tenant;
    let mut annotations =
        BTreeMap::from([(labels::GENERATOR_UID.to_owned(), generator_uid.to_owned())]);
    if let Some(stamp) = rotate_stamp(snapshot) {
        annotations.insert(labels::ROTATE.to_owned(), stamp);
    }
    let all = [
        (labels::MANAGED_BY, generator),
        (labels::MANAGED_FOR, tenant),
        (labels::LIFECYCLE, "kubeconfig"),
    ];
    let all = all.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let live_type = snapshot.output.as_ref().and_then(|live| live.type_.clone());
    Secret {
        metadata: ObjectMeta {
            name: Some(parties.secret.clone()),
            namespace: snapshot.tenant.metadata.namespace.clone(),
            labels: Some(all.into()),
            annotations: Some(annotations),
            owner_references: Some(vec![tenant::owner_reference(tenant, tenant_uid)]),
            ..ObjectMeta::default()
        },
        // The type of a Secret is immutable.
        type_: Some(live_type.unwrap_or_else(|| "Opaque".to_owned())),
        data: Some(BTreeMap::from([(
            VALUE.to_owned(),
            ByteString(text.into_bytes()),
        )])),
        ..Secret::default()
    }
}

/// Time of the last rotation on request: now, or the stamp of the live Secret.
fn rotate_stamp(snapshot: &Snapshot) -> Option<String> {
    if rotates(snapshot) {
        return Some(snapshot.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
    let stamp = rotate_annotation(snapshot);
    stamp
        .filter(|text| text.len() <= LONGEST_STAMP)
        .map(str::to_owned)
}

/// The write of `planned`, to the version of the live Secret that was observed; `None` if it has everything.
fn to_write(planned: Object, live: Option<&Secret>) -> Option<Object> {
    let Some(live) = live else {
        return Some(planned.with(Intent::Create));
    };
    let body = Object::of(live).body;
    let mut wanted = planned.body.clone();
    let stamp = |body: &mut serde_json::Value| {
        if let Some(all) = body["metadata"]["annotations"].as_object_mut() {
            all.remove(object::CONTENT_HASH);
        }
    };
    stamp(&mut wanted);
    if object::holds(&wanted, &body) {
        return None;
    }
    Some(planned.with(Intent::Update(Version::of(&live.metadata))))
}

#[cfg(test)]
mod tests;
