//! The serving certificate of the operator's own webhooks, and the trust of API servers in it.
//!
//! All replicas share one Secret: `ca.crt` (the bundle, signer first), `ca.key`, `tls.crt` and `tls.key`. The CA
//! rotates by the phases of [`super::rotation`]: a new authority is announced beside the old one, the leaf moves
//! to it a day later, and the old one is dropped another day after that.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use json_patch::Patch;
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::Timestamp,
};
use serde_json::{Value, json};

use super::{
    authority,
    certificate::{Certificate, Usage},
    key::{Key, KeyAlgorithm},
    leaf::LeafRequest,
    renew::{Reason, Subject, Verdict, evaluate},
    rotation::{Rotation, RotationPolicy, Stored},
    trust::TrustBundle,
};
use crate::{
    object::{Intent, Object, Version},
    rng::Seed,
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(365 * 24);

/// A CA that ends within 400 days, more than a leaf's year, is followed by a new one; API servers and replicas
/// have a day to learn of a change.
const POLICY: RotationPolicy = RotationPolicy {
    lead: Duration::from_hours(400 * 24),
    spread: DAY,
};

const CA: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const LEAF: &str = "tls.crt";
const LEAF_KEY: &str = "tls.key";

/// The Service through which API servers reach the webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookService {
    /// Namespace of the Service: the operator's own.
    pub namespace: String,
    /// Name of the Service.
    pub name: String,
}

impl WebhookService {
    /// Returns the name of the Secret with the certificate: `kamaji-webhook-server-cert` for
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

/// Certificate and key that the webhooks serve with, and the CAs that clients trust, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    /// The serving certificate, with its chain.
    pub certificate: Vec<u8>,
    /// The private key of the certificate.
    pub key: Vec<u8>,
    /// The bundle of CAs; empty if they are not known, as with a mounted certificate without `ca.crt`.
    pub authorities: Vec<u8>,
}

impl std::fmt::Debug for Material {
    /// Leaves the private key out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Material").finish_non_exhaustive()
    }
}

/// The time of a plan, and how long before its end the leaf is renewed.
#[derive(Clone, Copy, Debug)]
pub struct RenewalTime {
    /// Time at which the plan is made.
    pub now: Timestamp,
    /// A leaf that ends within this is renewed.
    pub threshold: Duration,
}

/// The next step for the Secret of the webhooks.
#[derive(Clone, Debug)]
pub enum CertificatePlan {
    /// The Secret is used as it is.
    Keep {
        /// Content of the Secret, to serve with.
        material: Material,
        /// Time at which the Secret is planned again; `None` if the operator does not manage it.
        due: Option<Timestamp>,
    },
    /// The Secret is written, then read and planned again.
    Write {
        /// The desired Secret, created or updated at the version that was read.
        object: Box<Object>,
        /// Reason for the log: every change, joined by semicolons.
        reason: String,
    },
    /// The Secret is not the operator's own and cannot be served with; the text says why and what to do.
    Unusable(String),
}

/// Plans the Secret of the webhooks from the live one, or from its absence.
///
/// A Secret with a leaf but without the key of its CA was put there by another controller, cert-manager for
/// example: the operator serves with it and never writes it.
pub fn plan_certificate(
    live: Option<&Secret>,
    service: &WebhookService,
    time: RenewalTime,
    seed: &Seed,
) -> CertificatePlan {
    let data = live
        .and_then(|secret| secret.data.clone())
        .unwrap_or_default();
    if data.contains_key(LEAF) && !data.contains_key(CA_KEY) {
        return foreign(&data, service, time.now);
    }
    let content = Content::desired(&data, service, time, seed);
    if content.changes.is_empty() {
        CertificatePlan::Keep {
            material: material(&data),
            due: Some(content.due),
        }
    } else {
        CertificatePlan::Write {
            object: Box::new(content.object(live, service)),
            reason: content.changes.join("; "),
        }
    }
}

type Data = BTreeMap<String, ByteString>;

fn bytes<'a>(data: &'a Data, key: &str) -> &'a [u8] {
    data.get(key)
        .map(|bytes| bytes.0.as_slice())
        .unwrap_or_default()
}

fn material(data: &Data) -> Material {
    Material {
        certificate: bytes(data, LEAF).to_vec(),
        key: bytes(data, LEAF_KEY).to_vec(),
        authorities: bytes(data, CA).to_vec(),
    }
}

fn foreign(data: &Data, service: &WebhookService, now: Timestamp) -> CertificatePlan {
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
            return CertificatePlan::Keep {
                material,
                due: None,
            };
        }
    };
    CertificatePlan::Unusable(format!(
        "Secret {}/{}: {problem}: renew it, or delete it to let the operator make its own",
        service.namespace,
        service.secret_name()
    ))
}

/// The desired content of the Secret.
struct Content {
    rotation: Rotation,
    leaf: Leaf,
    /// Changes against the live Secret; empty if there is nothing to write.
    changes: Vec<String>,
    /// Time of the next change, if this content is written.
    due: Timestamp,
}

impl Content {
    fn desired(data: &Data, service: &WebhookService, time: RenewalTime, seed: &Seed) -> Self {
        let now = time.now;
        let mut changes = Vec::new();
        let stored = Stored::read(
            TrustBundle::parse(bytes(data, CA)),
            bytes(data, CA_KEY),
            now,
        );
        let (mut rotation, reason) = stored.ensure_signer(POLICY, now, || {
            let mut entropy = seed.for_purpose("webhook-authority");
            authority::issue(
                "kamaji-webhook-ca",
                KeyAlgorithm::EcdsaP256,
                now,
                &mut entropy,
            )
        });
        changes.extend(reason);
        let mut leaf = Leaf {
            certificate: bytes(data, LEAF).to_vec(),
            key: bytes(data, LEAF_KEY).to_vec(),
        };
        let leaf_due = match leaf.evaluate(&rotation, service, time) {
            Verdict::Keep { due } => due,
            Verdict::Renew(_) if leaf.may_wait(&rotation, service, now) => rotation.leaves_move(),
            Verdict::Renew(reason) => {
                let mut entropy = seed.for_purpose("webhook-leaf");
                let pair = rotation
                    .signer()
                    .sign(&service.request(), now, &mut entropy);
                leaf.certificate = pair.certificate_pem.into_bytes();
                leaf.key = pair.key_pem.into_bytes();
                changes.push(format!("the certificate is issued: {reason}"));
                pair.not_after - time.threshold
            }
        };
        let parsed = Certificate::from_pem(&leaf.certificate).ok();
        let leaves: Vec<&Certificate> = parsed.iter().collect();
        if rotation.retire(&leaves, now) {
            changes.push("a former authority is no longer needed".to_owned());
        }
        let due = leaf_due.min(rotation.due(&leaves));
        Self {
            rotation,
            leaf,
            changes,
            due,
        }
    }

    fn object(&self, live: Option<&Secret>, service: &WebhookService) -> Object {
        let data = [
            (CA, self.rotation.bundle().to_pem()),
            (CA_KEY, self.rotation.signer().key_pem().to_vec()),
            (LEAF, self.leaf.certificate.clone()),
            (LEAF_KEY, self.leaf.key.clone()),
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

/// The serving certificate and its key, as PEM; empty if the Secret has none.
struct Leaf {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Leaf {
    fn evaluate(
        &self,
        rotation: &Rotation,
        service: &WebhookService,
        time: RenewalTime,
    ) -> Verdict {
        if self.certificate.is_empty() {
            return Verdict::Renew(Reason::Missing);
        }
        let subject = Subject {
            purpose: "webhook-leaf",
            request: &service.request(),
            authority: rotation.signer(),
            certificate: Some(&self.certificate),
            key: Some(&self.key),
            rotate: false,
        };
        evaluate(&subject, time.now, time.threshold)
    }

    /// True for a leaf of a former authority that clients accept for another hour at least, while the new
    /// authority is announced.
    fn may_wait(&self, rotation: &Rotation, service: &WebhookService, now: Timestamp) -> bool {
        let (Ok(leaf), Ok(key)) = (
            Certificate::from_pem(&self.certificate),
            Key::from_pem(&self.key),
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
            && rotation.may_keep(&leaf, now)
    }
}

/// Returns the patch that puts `bundle` into each webhook of a webhook configuration (of either kind) that calls
/// `service`; `None` if nothing has to change.
pub fn inject(configuration: &Value, service: &WebhookService, bundle: &[u8]) -> Option<Patch> {
    let bundle = STANDARD.encode(bundle);
    let mut operations = Vec::new();
    for (index, webhook) in configuration["webhooks"].as_array()?.iter().enumerate() {
        let client = &webhook["clientConfig"];
        let calls_service = client["service"]["name"] == *service.name
            && client["service"]["namespace"] == *service.namespace;
        if calls_service && client["caBundle"] != *bundle {
            // Guards against another webhook at this index by now.
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
mod tests;
