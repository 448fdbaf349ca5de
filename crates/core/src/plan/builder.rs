//! Collects steps, waits and checksums while the stages of a plan run.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use kamaji_api::{
    condition::{ConditionType, Reason},
    labels,
};

use super::types::{Step, Wait};
use crate::{
    adoption::{Child, Verdict},
    binding::Data,
    object::{Intent, Kind, Object, ObjectRef},
    pki::{expiry::Expiry, renew},
    render::Renderer,
    secret_role::SecretRole,
    snapshot::Snapshot,
    tenant::Tenant,
};

/// Delay until an object of another owner is observed again: no watch reports on it.
pub(super) const FOREIGN_RECHECK: Duration = Duration::from_mins(1);

/// Policy for replacing authorities on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewals {
    /// Authorities are replaced where a user requested it.
    Allowed,
    /// Authorities stay as they are, since the rest of the plan is incomplete.
    Held,
}

/// A Secret as planned, for later stages and the status.
#[derive(Clone, Debug)]
pub(super) struct WrittenSecret {
    /// Value of the checksum annotation.
    pub annotated: String,
    /// Checksum of the data.
    pub checksum: String,
    /// Content of the Secret, by key.
    pub data: Data,
}

/// The content of a live Secret, from which a stage keeps what is valid and not due.
pub(super) struct LiveContent {
    /// Content by key; empty if the Secret does not exist.
    pub data: Data,
    /// True if a user requested new content.
    pub rotation_requested: bool,
}

impl LiveContent {
    /// Value of `key`; `None` if the Secret does not have it.
    pub(super) fn file(&self, key: &str) -> Option<&[u8]> {
        self.data.get(key).map(Vec::as_slice)
    }
}

/// A plan under construction. Stages read the snapshot and the tenant, and add steps and waits.
pub(super) struct PlanBuilder<'a> {
    /// The parsed tenant, with the version that is in effect.
    pub tenant: &'a Tenant,
    /// Everything that was observed.
    pub snapshot: &'a Snapshot,
    /// Policy for replacing authorities.
    pub renewals: Renewals,
    /// Steps so far, in order.
    pub steps: Vec<Step>,
    /// Waits so far; the first one of a condition determines it.
    pub waits: Vec<Wait>,
    /// Messages for conditions that stay True.
    pub warnings: Vec<Wait>,
    /// Expiry dates of the authorities.
    pub expiries: Vec<Expiry>,
    /// Planned Secrets, without those that another owner holds.
    pub secrets: BTreeMap<SecretRole, WrittenSecret>,
    /// Checksum annotations of planned `ConfigMap`s, by name.
    pub config_maps: BTreeMap<String, String>,
    /// Earliest time at which a reconcile is due.
    pub requeue_at: Option<Timestamp>,
    /// True if the CA is replaced by this plan.
    pub ca_rotating: bool,
    /// Renderer of the pods; `None` if this build does not have it.
    pub renderer: Option<Renderer>,
    /// True if a user requested a new authority.
    pub renewal_requested: bool,
    /// True if the annotation `REPLACE_AUTHORITY` is carried out and can be removed.
    pub answered: bool,
    /// Authorities that exist and cannot be parsed.
    pub damaged: BTreeSet<SecretRole>,
    /// True if a Secret or `ConfigMap` that pods would mount belongs to another owner.
    pub foreign_mount: bool,
    /// True once every stage has completed: only then is anything pruned.
    pub complete: bool,
}

impl<'a> PlanBuilder<'a> {
    pub(super) fn new(tenant: &'a Tenant, snapshot: &'a Snapshot, renewals: Renewals) -> Self {
        Self {
            tenant,
            snapshot,
            renewals,
            steps: Vec::new(),
            waits: Vec::new(),
            warnings: Vec::new(),
            expiries: Vec::new(),
            secrets: BTreeMap::new(),
            config_maps: BTreeMap::new(),
            requeue_at: None,
            ca_rotating: false,
            renderer: None,
            renewal_requested: false,
            answered: false,
            damaged: BTreeSet::new(),
            foreign_mount: false,
            complete: false,
        }
    }

    /// The renderer of the pods, or the newest one if this build does not have it.
    pub(super) fn renderer_or_newest(&self) -> Renderer {
        self.renderer.unwrap_or(Renderer::NEWEST)
    }

    /// Time of the snapshot, as the API types carry it.
    pub(super) fn time(&self) -> Time {
        Time(self.snapshot.now)
    }

    pub(super) fn wait(&mut self, wait: Wait) {
        self.waits.push(wait);
    }

    pub(super) fn warn(&mut self, warning: Wait) {
        self.warnings.push(warning);
    }

    /// Schedules a reconcile at `at` if that lies in the future. Past deadlines are ignored: they come
    /// from leaves that an expiring CA caps, which a reconcile cannot improve.
    pub(super) fn requeue_at(&mut self, at: Timestamp) {
        if at <= self.snapshot.now {
            return;
        }
        self.requeue_at = Some(self.requeue_at.map_or(at, |earliest| earliest.min(at)));
    }

    /// Records the expiry of the authority in the Secret `secret`, and warns when it is near.
    pub(super) fn authority_expiry(&mut self, expiry: Expiry, secret: &str) {
        self.expiries.push(expiry);
        self.requeue_at(expiry.notice);
        if expiry.is_near(self.snapshot.now) {
            self.warn(Wait::new(
                ConditionType::CertificatesValid,
                Reason::AuthorityExpiring,
                format!(
                    "the authority in the Secret {secret} ends at {}, and every certificate that it signed with it: before that, have a new one made by setting the Secret's annotation {} to an empty value, and give the new one to workers and kubeconfigs",
                    expiry.ends,
                    labels::ROTATE
                ),
            ));
        }
    }

    /// Remaining lifetime at which a certificate is renewed: between half and all of the operator's
    /// deadline, spread by uid, so that tenants of one age do not all roll at once.
    pub(super) fn renewal_threshold(&self) -> Duration {
        let uid = self.snapshot.object.metadata.uid.as_deref();
        let deadline = self.snapshot.settings.expiration_deadline;
        renew::threshold(deadline, uid.unwrap_or_default())
    }

    /// Plans a write: `Create` if nothing of the name exists, `Update` or `Adopt` if the live object is the
    /// tenant's. Returns false, and adds a wait, if the live object belongs to another owner.
    pub(super) fn write(&mut self, object: Object) -> bool {
        let planned = match self.snapshot.child(&object.key) {
            None => object.with(Intent::Create),
            Some(child) => match self.over_live(&child, object) {
                Ok(planned) => planned,
                Err(refusal) => {
                    self.foreign_mount |=
                        matches!(refusal.key.kind, Kind::Secret | Kind::ConfigMap);
                    self.wait(Wait::new(
                        ConditionType::Reconciled,
                        Reason::ObjectForeign,
                        refusal.message,
                    ));
                    self.requeue_at(self.snapshot.now + FOREIGN_RECHECK);
                    return false;
                }
            },
        };
        self.steps.push(Step::Write(planned));
        true
    }

    /// The write of `object` over the live object `child`.
    fn over_live(&self, child: &Child, object: Object) -> Result<Object, ForeignObject> {
        let meta = &self.snapshot.object.metadata;
        let name = meta.name.as_deref().unwrap_or_default();
        let uid = meta.uid.as_deref().unwrap_or_default();
        let intent = match child.verdict(&object.key, (name, uid)) {
            Verdict::Foreign => {
                let message = child.refusal(&object.key, name);
                let key = object.key;
                return Err(ForeignObject { key, message });
            }
            Verdict::Ours if !child.marks.updated => Intent::Update(child.version.clone()),
            Verdict::Ours | Verdict::Adopted => Intent::Adopt(child.version.clone()),
        };
        let object = object.with(intent);
        if child.controller.is_none() {
            return Ok(object);
        }
        // An object has one controller at most.
        Ok(object.amended(|body| {
            body["metadata"]["ownerReferences"][0]["controller"] = false.into();
        }))
    }

    /// Plans a `ConfigMap` and records the checksum that its annotation carries.
    pub(super) fn write_config_map(&mut self, config: &ConfigMap) {
        let name = config.metadata.name.clone().unwrap_or_default();
        let annotations = config.metadata.annotations.as_ref();
        let annotated = annotations
            .and_then(|annotations| annotations.get(labels::CHECKSUM).cloned())
            .unwrap_or_default();
        if self.write(Object::of(config)) {
            self.config_maps.insert(name, annotated);
        }
    }

    /// The live Secret of a role; `None` if it does not exist.
    pub(super) fn live_secret(&self, role: SecretRole) -> Option<&'a Secret> {
        self.snapshot.secrets.get(&self.tenant.names.secret(role))
    }

    /// Data of the live Secret of a role; `None` if it does not exist.
    pub(super) fn live_data(&self, role: SecretRole) -> Option<Data> {
        self.live_secret(role).map(secret_data)
    }

    /// Live content of the Secret of a role, and whether a user requested another.
    pub(super) fn live_content(&self, role: SecretRole) -> LiveContent {
        LiveContent {
            data: self.live_data(role).unwrap_or_default(),
            rotation_requested: self.rotation_requested(role),
        }
    }

    /// Annotation `key` of the live Secret of a role.
    pub(super) fn annotation(&self, role: SecretRole, key: &str) -> Option<&'a str> {
        let annotations = self.live_secret(role)?.metadata.annotations.as_ref()?;
        annotations.get(key).map(String::as_str)
    }

    /// True if a user requested new content by an empty rotate annotation.
    pub(super) fn rotation_requested(&self, role: SecretRole) -> bool {
        self.annotation(role, labels::ROTATE) == Some("") && !self.is_paused(role)
    }

    /// Live data of a Secret that a user has paused; `None` for any other.
    pub(super) fn paused_data(&self, role: SecretRole) -> Option<Data> {
        if self.is_paused(role) {
            self.live_data(role)
        } else {
            None
        }
    }

    fn is_paused(&self, role: SecretRole) -> bool {
        self.annotation(role, labels::PAUSED).is_some()
    }
}

/// A live object of another owner, and the message that names it.
struct ForeignObject {
    key: ObjectRef,
    message: String,
}

/// Bytes of a Secret by key.
fn secret_data(secret: &Secret) -> Data {
    let data = secret.data.iter().flatten();
    data.map(|(key, bytes)| (key.clone(), bytes.0.clone()))
        .collect()
}
