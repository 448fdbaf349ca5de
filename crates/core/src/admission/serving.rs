//! Which certificate do the operator's own webhooks serve with, and who is told to trust it?
//!
//! All replicas share one Secret: an authority, its key, and a leaf. Nobody is ever cut off by a
//! change: a new authority is first announced beside the old one, the leaf moves to it a day later,
//! and the old one goes another day after that.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use json_patch::Patch;
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::Timestamp,
};
use serde_json::{Value, json};

use crate::{
    object::{Intent, Object, Version},
    pki::{
        authority::{self, Authority, BACKDATE},
        certificate::{Certificate, Usage},
        key::{Key, KeyAlgorithm},
        leaf::LeafRequest,
        renew::{Reason, Subject, Verdict, evaluate},
    },
    rng::Seed,
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(365 * 24);

/// An authority that ends within this is followed by a new one.
const LEAD: Duration = Duration::from_hours(400 * 24);
/// How long the world may take to hear of a change.
const SPREAD: Duration = DAY;

const CA: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const LEAF: &str = "tls.crt";
const LEAF_KEY: &str = "tls.key";

/// The Service through which the webhooks are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookService {
    /// Its namespace: the operator's.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl WebhookService {
    /// Name of the Secret with its certificate: `kamaji-webhook-server-cert` for
    /// `kamaji-webhook-service`.
    pub fn secret_name(&self) -> String {
        format!(
            "{}-server-cert",
            self.name.strip_suffix("-service").unwrap_or(&self.name)
        )
    }

    fn request(&self) -> LeafRequest {
        let Self { namespace, name } = self;
        let host = format!("{name}.{namespace}.svc");
        LeafRequest {
            common_name: name.clone(),
            organizations: Vec::new(),
            usages: vec![Usage::Server],
            dns_names: vec![host.clone(), format!("{host}.cluster.local"), name.clone()],
            ip_addresses: Vec::new(),
            validity: YEAR,
            algorithm: KeyAlgorithm::EcdsaP256,
        }
    }
}

/// What is served with, and what clients trust, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    /// The certificate, with its chain.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
    /// Authorities; empty if they are not known.
    pub authorities: Vec<u8>,
}

impl std::fmt::Debug for Material {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Material").finish_non_exhaustive()
    }
}

/// When it is, and how much before its end a leaf is renewed.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time of day.
    pub now: Timestamp,
    /// How much before.
    pub threshold: Duration,
}

/// What is to be done with the Secret.
#[derive(Clone, Debug)]
pub enum ServingPlan {
    /// It is as it should be.
    Keep {
        /// What to serve with.
        material: Material,
        /// When it is to be looked at again; `None` if somebody else looks after it.
        due: Option<Timestamp>,
    },
    /// It is to be written, and planned again then.
    Write {
        /// The Secret.
        object: Box<Object>,
        /// Why, for the log.
        reason: String,
    },
    /// It is somebody else's and of no use.
    Unusable(String),
}

/// Decides about the Secret that is there, or is not.
///
/// A Secret without a key of its authority was put there by somebody else, cert-manager for
/// example: it is used, and left alone.
pub fn plan_serving(
    live: Option<&Secret>,
    service: &WebhookService,
    moment: Moment,
    seed: &Seed,
) -> ServingPlan {
    let data = live
        .and_then(|secret| secret.data.clone())
        .unwrap_or_default();
    if data.contains_key(LEAF) && !data.contains_key(CA_KEY) {
        return foreign(&data, service, moment.now);
    }
    let mut state = State::read(&data, moment.now);
    match state.settle(service, moment, seed) {
        Ok(due) => ServingPlan::Keep {
            material: material(&data),
            due: Some(due),
        },
        Err(reason) => ServingPlan::Write {
            object: Box::new(state.object(live, service)),
            reason,
        },
    }
}

type Data = BTreeMap<String, ByteString>;

fn bytes<'a>(data: &'a Data, key: &str) -> &'a [u8] {
    data.get(key)
        .map(|bytes| bytes.0.as_slice())
        .unwrap_or_default()
}

/// What a Secret has to serve with.
fn material(data: &Data) -> Material {
    Material {
        certificate: bytes(data, LEAF).to_vec(),
        key: bytes(data, LEAF_KEY).to_vec(),
        authorities: bytes(data, CA).to_vec(),
    }
}

fn foreign(data: &Data, service: &WebhookService, now: Timestamp) -> ServingPlan {
    let material = material(data);
    let problem = match (
        Certificate::from_pem(&material.certificate),
        Key::from_pem(&material.key),
    ) {
        (Err(error), _) => error.to_string(),
        (_, Err(error)) => error.to_string(),
        (Ok(certificate), Ok(key)) if !key.matches(&certificate) => {
            "the key belongs to another certificate".to_owned()
        }
        (Ok(certificate), _) if certificate.not_after <= now => {
            format!("the certificate ended at {}", certificate.not_after)
        }
        _ => {
            return ServingPlan::Keep {
                material,
                due: None,
            };
        }
    };
    ServingPlan::Unusable(format!(
        "Secret {}/{}: {problem}: renew it, or delete it to let the operator make its own",
        service.namespace,
        service.secret_name()
    ))
}

/// What the Secret says, while it is brought into order.
struct State {
    /// Who signs; first in the bundle.
    signer: Option<Authority>,
    /// Who signed before.
    former: Vec<(Vec<u8>, Certificate)>,
    leaf: Vec<u8>,
    leaf_key: Vec<u8>,
}

impl State {
    fn read(data: &Data, now: Timestamp) -> Self {
        let mut bundle: Vec<_> = blocks(bytes(data, CA))
            .into_iter()
            .filter_map(|pem| Some((Certificate::from_pem(&pem).ok()?, pem)))
            .map(|(certificate, pem)| (pem, certificate))
            .collect();
        let signer = bundle
            .first()
            .and_then(|(pem, _)| Authority::load(pem, bytes(data, CA_KEY), now).ok());
        if signer.is_some() {
            bundle.remove(0);
        }
        Self {
            signer,
            former: bundle,
            leaf: bytes(data, LEAF).to_vec(),
            leaf_key: bytes(data, LEAF_KEY).to_vec(),
        }
    }

    /// Brings it into order by one step. Nothing to do: when there will be. Else: what was done.
    fn settle(
        &mut self,
        service: &WebhookService,
        moment: Moment,
        seed: &Seed,
    ) -> Result<Timestamp, String> {
        let now = moment.now;
        let mut changes = Vec::new();
        let signer = match self.signer.take() {
            Some(signer) if signer.certificate().not_after > now + LEAD => signer,
            other => {
                changes.push(match &other {
                    Some(old) => format!("the authority ends at {}", old.certificate().not_after),
                    None => "there is no authority".to_owned(),
                });
                self.former.extend(
                    other.map(|old| (old.certificate_pem().to_vec(), old.certificate().clone())),
                );
                let mut entropy = seed.for_purpose("webhook-authority");
                authority::issue(
                    "kamaji-webhook-ca",
                    KeyAlgorithm::EcdsaP256,
                    now,
                    &mut entropy,
                )
            }
        };
        let spread = signer.certificate().not_before + BACKDATE + SPREAD;
        let leaf_due = match self.judge_leaf(&signer, service, moment) {
            Verdict::Keep { due } => due,
            Verdict::Renew(_) if now < spread && self.is_good_for_now(service, now) => spread,
            Verdict::Renew(reason) => {
                let mut entropy = seed.for_purpose("webhook-leaf");
                let pair = signer.sign(&service.request(), now, &mut entropy);
                self.leaf = pair.certificate_pem.into_bytes();
                self.leaf_key = pair.key_pem.into_bytes();
                changes.push(format!("the certificate is issued: {reason}"));
                pair.not_after - moment.threshold
            }
        };
        let forgotten = self.forget(&signer, now);
        changes.extend(forgotten.then(|| "a former authority is no longer needed".to_owned()));
        let mut due = leaf_due.min(signer.certificate().not_after - LEAD);
        if !self.former.is_empty() {
            due = due.min(
                self.moved_at(&signer)
                    .map_or(spread, |moved| moved + SPREAD),
            );
        }
        self.signer = Some(signer);
        if changes.is_empty() {
            Ok(due)
        } else {
            Err(changes.join("; "))
        }
    }

    fn judge_leaf(&self, signer: &Authority, service: &WebhookService, moment: Moment) -> Verdict {
        if self.leaf.is_empty() {
            return Verdict::Renew(Reason::Missing);
        }
        let subject = Subject {
            purpose: "webhook-leaf",
            request: &service.request(),
            authority: signer,
            certificate: Some(&self.leaf),
            key: Some(&self.leaf_key),
            rotate: false,
        };
        evaluate(&subject, moment.now, moment.threshold)
    }

    /// True for a leaf that a former authority signed and that clients take for another while.
    fn is_good_for_now(&self, service: &WebhookService, now: Timestamp) -> bool {
        let (Ok(leaf), Ok(key)) = (
            Certificate::from_pem(&self.leaf),
            Key::from_pem(&self.leaf_key),
        ) else {
            return false;
        };
        key.matches(&leaf)
            && leaf.not_after > now + HOUR
            && service
                .request()
                .dns_names
                .iter()
                .all(|name| leaf.dns_names.contains(name))
            && self
                .former
                .iter()
                .any(|(_, former)| leaf.is_signed_by(former))
    }

    /// Drops authorities that nobody needs any more; true if there were any.
    fn forget(&mut self, signer: &Authority, now: Timestamp) -> bool {
        let moved = self
            .moved_at(signer)
            .is_some_and(|moved| moved + SPREAD <= now);
        let before = self.former.len();
        self.former
            .retain(|(_, former)| !moved && former.not_after > now);
        self.former.len() < before
    }

    /// When the leaf has come to the present authority.
    fn moved_at(&self, signer: &Authority) -> Option<Timestamp> {
        let leaf = Certificate::from_pem(&self.leaf).ok()?;
        leaf.is_signed_by(signer.certificate())
            .then_some(leaf.not_before + BACKDATE)
    }

    fn object(&self, live: Option<&Secret>, service: &WebhookService) -> Object {
        let signer = self.signer.as_ref();
        let mut bundle = signer
            .map(|s| s.certificate_pem().to_vec())
            .unwrap_or_default();
        for (pem, _) in &self.former {
            bundle.extend(pem);
        }
        let data = [
            (CA, bundle),
            (
                CA_KEY,
                signer.map(|s| s.key_pem().to_vec()).unwrap_or_default(),
            ),
            (LEAF, self.leaf.clone()),
            (LEAF_KEY, self.leaf_key.clone()),
        ];
        // The type of a Secret cannot change.
        let type_ = live.and_then(|secret| secret.type_.clone());
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(service.secret_name()),
                namespace: Some(service.namespace.clone()),
                labels: Some(BTreeMap::from([(
                    "app.kubernetes.io/name".to_owned(),
                    "kamaji".to_owned(),
                )])),
                ..ObjectMeta::default()
            },
            type_: type_.or_else(|| Some("kubernetes.io/tls".to_owned())),
            data: Some(
                data.map(|(key, bytes)| (key.to_owned(), ByteString(bytes)))
                    .into(),
            ),
            ..Secret::default()
        };
        let object = Object::of(&secret);
        object.with(match live {
            None => Intent::Create,
            Some(live) => Intent::Update(Version::of(&live.metadata)),
        })
    }
}

/// The certificates of a bundle, each as PEM.
fn blocks(pem: &[u8]) -> Vec<Vec<u8>> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = String::from_utf8_lossy(pem);
    let mut parts: Vec<&str> = text.split(END).collect();
    parts.pop();
    parts
        .into_iter()
        .map(|part| format!("{}{END}\n", part.trim_start()).into_bytes())
        .collect()
}

/// What has to change in a webhook configuration (of either kind) so that the API server trusts
/// us: the bundle of each webhook that leads to `service`. `None` if nothing has to.
pub fn inject(configuration: &Value, service: &WebhookService, bundle: &[u8]) -> Option<Patch> {
    let bundle = STANDARD.encode(bundle);
    let mut operations = Vec::new();
    for (index, webhook) in configuration["webhooks"].as_array()?.iter().enumerate() {
        let client = &webhook["clientConfig"];
        let leads_here = client["service"]["name"] == *service.name
            && client["service"]["namespace"] == *service.namespace;
        if leads_here && client["caBundle"] != *bundle {
            // Somebody may have put another webhook in this place meanwhile.
            let path = format!("/webhooks/{index}");
            operations.push(
                json!({"op": "test", "path": format!("{path}/name"), "value": webhook["name"]}),
            );
            operations.push(json!({"op": "add", "path": format!("{path}/clientConfig/caBundle"), "value": bundle}));
        }
    }
    if operations.is_empty() {
        return None;
    }
    serde_json::from_value(Value::Array(operations)).ok()
}

#[cfg(test)]
#[path = "serving_tests.rs"]
mod tests;
