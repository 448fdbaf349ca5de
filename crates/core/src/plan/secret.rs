//! How is a Secret planned: its labels, its checksum, and what becomes of a rotation request?
//! (management-cluster specification, sections 0.5, 5.1 and 12.2)

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::{
    cluster::{CLUSTER_NAME, SECRET_TYPE},
    labels,
};

use super::{PlanBuilder, Step};
use crate::{
    binding::Data,
    checksum,
    object::{Kind, Object},
    render,
    tenant::Tenant,
};

/// What a certificate lifecycle watcher may find in a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifecycle {
    /// Nothing that ends: authorities, key pairs, connection data.
    None,
    /// A certificate.
    X509,
    /// A kubeconfig with a client certificate.
    Kubeconfig,
}

/// A Secret to be.
pub(super) struct Planned {
    /// Its name.
    pub name: String,
    /// The step that makes it, its component label.
    pub component: &'static str,
    /// Its lifecycle label.
    pub lifecycle: Lifecycle,
    /// What it holds.
    pub data: Data,
    /// Its checksum annotation; `None` for the checksum of its data.
    pub checksum: Option<String>,
    /// True if it answers a rotation request in this pass.
    pub rotated: bool,
}

impl Planned {
    pub(super) fn new(name: String, component: &'static str, data: Data) -> Self {
        Self {
            name,
            component,
            lifecycle: Lifecycle::None,
            data,
            checksum: None,
            rotated: false,
        }
    }

    pub(super) fn lifecycle(self, lifecycle: Lifecycle) -> Self {
        Self { lifecycle, ..self }
    }
}

/// What later steps and the status need to know of a planned Secret.
#[derive(Clone, Debug, Default)]
pub(super) struct Settled {
    /// The checksum annotation.
    pub annotated: String,
    /// The checksum of the data: what pod templates carry.
    pub data: String,
}

impl PlanBuilder<'_> {
    /// The live data of a Secret.
    pub(super) fn live(&self, name: &str) -> Option<Data> {
        self.snapshot.secrets.get(name).map(data)
    }

    /// The data of a Secret as it was planned earlier in this pass.
    pub(super) fn planned(&self, name: &str) -> Option<Data> {
        self.steps.iter().find_map(|step| match step {
            Step::Write(object) if object.key.kind == Kind::Secret && object.key.name == name => {
                serde_json::from_value::<Secret>(object.body.clone())
                    .ok()
                    .map(|s| data(&s))
            }
            _ => None,
        })
    }

    /// An annotation of a live Secret.
    pub(super) fn annotation(&self, name: &str, key: &str) -> Option<&str> {
        let annotations = self
            .snapshot
            .secrets
            .get(name)?
            .metadata
            .annotations
            .as_ref()?;
        annotations.get(key).map(String::as_str)
    }

    /// True if a person asked for new material by an empty rotate annotation.
    pub(super) fn rotation_requested(&self, name: &str) -> bool {
        self.annotation(name, labels::ROTATE) == Some("") && !self.paused(name)
    }

    /// True if a person asked to leave the Secret alone.
    pub(super) fn paused(&self, name: &str) -> bool {
        self.annotation(name, labels::PAUSED).is_some()
    }

    /// The live data of a Secret that a person asked to leave alone.
    pub(super) fn paused_data(&self, name: &str) -> Option<Data> {
        if self.paused(name) {
            self.live(name)
        } else {
            None
        }
    }

    /// Plans a Secret; one that is paused keeps the data that it has.
    pub(super) fn secret(&mut self, tenant: &Tenant, mut planned: Planned) {
        if let Some(data) = self.paused_data(&planned.name) {
            planned.data = data;
        }
        let sum = checksum::map(&planned.data);
        let annotated = planned.checksum.clone().unwrap_or_else(|| sum.clone());
        let mut annotations = BTreeMap::from([(labels::CHECKSUM.to_owned(), annotated.clone())]);
        if let Some(stamp) = self.rotate_stamp(&planned) {
            annotations.insert(labels::ROTATE.to_owned(), stamp);
        }
        if planned.component == "sa-certificate"
            && let Some(issuer) = self.issuer_to_record(tenant)
        {
            annotations.insert(labels::ISSUER.to_owned(), issuer);
        }
        let mut metadata = render::metadata(tenant, planned.name.clone(), planned.component);
        metadata.annotations = Some(annotations);
        if let Some(text) = lifecycle_label(planned.lifecycle) {
            metadata
                .labels
                .get_or_insert_default()
                .insert(labels::LIFECYCLE.to_owned(), text.to_owned());
        }
        if planned.component == "ca"
            && let Some(cluster) = self.cluster_name()
        {
            let labels = metadata.labels.get_or_insert_default();
            labels.insert(CLUSTER_NAME.to_owned(), cluster.to_owned());
        }
        if planned.component == "datastore-config" {
            metadata.finalizers = Some(vec![labels::DATASTORE_SECRET_FINALIZER.to_owned()]);
        }
        let secret = Secret {
            metadata,
            type_: Some(self.secret_type(tenant, &planned)),
            data: Some(
                planned
                    .data
                    .into_iter()
                    .map(|(key, bytes)| (key, ByteString(bytes)))
                    .collect(),
            ),
            ..Secret::default()
        };
        if self.write(Object::of(&secret)) {
            let settled = Settled {
                annotated,
                data: sum,
            };
            self.settled.insert(planned.name, settled);
        }
    }

    /// The type of a Secret, which cannot be changed: that of the live one, whoever made it.
    fn secret_type(&self, tenant: &Tenant, planned: &Planned) -> String {
        let live = self.snapshot.secrets.get(&planned.name);
        if let Some(type_) = live.and_then(|secret| secret.type_.clone()) {
            return type_;
        }
        match planned.component {
            "konnectivity-certificate" => "kubernetes.io/tls",
            // What Cluster API calls CLUSTER-ca.
            "ca" if self.cluster_name() == Some(&tenant.name) => SECRET_TYPE,
            _ => "Opaque",
        }
        .to_owned()
    }

    /// The Cluster of Cluster API whose control plane the tenant is. Where both have one name, the tenant's
    /// CA is the one that Cluster API looks for, by this label.
    fn cluster_name(&self) -> Option<&str> {
        let labels = self.snapshot.object.metadata.labels.as_ref()?;
        labels.get(CLUSTER_NAME).map(String::as_str)
    }

    /// When the Secret was last rotated on request: now, or what is stamped already.
    fn rotate_stamp(&self, planned: &Planned) -> Option<String> {
        if planned.rotated {
            return Some(rfc3339(self.snapshot.now));
        }
        self.annotation(&planned.name, labels::ROTATE)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }
}

fn lifecycle_label(lifecycle: Lifecycle) -> Option<&'static str> {
    match lifecycle {
        Lifecycle::None => None,
        Lifecycle::X509 => Some("x509"),
        Lifecycle::Kubeconfig => Some("kubeconfig"),
    }
}

fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Bytes of a Secret by key.
pub(super) fn data(secret: &Secret) -> Data {
    secret
        .data
        .iter()
        .flatten()
        .map(|(key, bytes)| (key.clone(), bytes.0.clone()))
        .collect()
}
