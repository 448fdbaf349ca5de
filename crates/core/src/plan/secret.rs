//! Plans the Secrets of a tenant: labels, checksum annotation, rotation stamp and type.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::{
    cluster::{CLUSTER_NAME, SECRET_TYPE},
    labels,
};

use super::{
    builder::{Checksums, PlanBuilder},
    issuer,
};
use crate::{binding::Data, checksum, object::Object, render};

/// Value of the lifecycle label, by which watchers find what a Secret holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifecycle {
    /// No label: authorities, key pairs and connection data.
    None,
    /// `x509`: a leaf certificate.
    X509,
    /// `kubeconfig`: a kubeconfig with a client certificate.
    Kubeconfig,
}

/// A desired Secret.
pub(super) struct PlannedSecret {
    /// Name of the Secret.
    pub name: String,
    /// Value of the component label.
    pub component: &'static str,
    /// Value of the lifecycle label.
    pub lifecycle: Lifecycle,
    /// Content by key.
    pub data: Data,
    /// Value of the checksum annotation; `None` for the checksum of the data.
    pub checksum: Option<String>,
    /// True if the data answers a rotation request of this reconcile.
    pub rotated: bool,
}

impl PlannedSecret {
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

/// Plans a Secret. One that is paused keeps its live data.
pub(super) fn plan_secret(mut planned: PlannedSecret, builder: &mut PlanBuilder) {
    if let Some(data) = builder.paused_data(&planned.name) {
        planned.data = data;
    }
    let sum = checksum::map(&planned.data);
    let annotated = planned.checksum.clone().unwrap_or_else(|| sum.clone());
    let mut annotations = BTreeMap::from([(labels::CHECKSUM.to_owned(), annotated.clone())]);
    if let Some(stamp) = rotate_stamp(&planned, builder) {
        annotations.insert(labels::ROTATE.to_owned(), stamp);
    }
    if planned.component == "sa-certificate"
        && let Some(issuer) = issuer::to_record(builder)
    {
        annotations.insert(labels::ISSUER.to_owned(), issuer);
    }
    let mut metadata = render::metadata(builder.tenant, planned.name.clone(), planned.component);
    metadata.annotations = Some(annotations);
    let own = metadata.labels.get_or_insert_default();
    if let Some(text) = lifecycle_label(planned.lifecycle) {
        own.insert(labels::LIFECYCLE.to_owned(), text.to_owned());
    }
    if planned.component == "ca"
        && let Some(cluster) = cluster_name(builder)
    {
        own.insert(CLUSTER_NAME.to_owned(), cluster.to_owned());
    }
    if planned.component == "datastore-config" {
        metadata.finalizers = Some(vec![labels::DATASTORE_SECRET_FINALIZER.to_owned()]);
    }
    let type_ = secret_type(&planned, builder);
    let data = planned.data.into_iter();
    let secret = Secret {
        metadata,
        type_: Some(type_),
        data: Some(data.map(|(key, bytes)| (key, ByteString(bytes))).collect()),
        ..Secret::default()
    };
    if builder.write(Object::of(&secret)) {
        let checksums = Checksums {
            annotated,
            data: sum,
        };
        builder.checksums.insert(planned.name, checksums);
    }
}

/// Type of a Secret: that of the live one, whoever made it, since the type is immutable.
fn secret_type(planned: &PlannedSecret, builder: &PlanBuilder) -> String {
    let live = builder.snapshot.secrets.get(&planned.name);
    if let Some(type_) = live.and_then(|secret| secret.type_.clone()) {
        return type_;
    }
    match planned.component {
        "konnectivity-certificate" => "kubernetes.io/tls",
        // Cluster API looks for the CA of a Cluster under the name CLUSTER-ca.
        "ca" if cluster_name(builder) == Some(&builder.tenant.name) => SECRET_TYPE,
        _ => "Opaque",
    }
    .to_owned()
}

/// Name of the Cluster API Cluster whose control plane the tenant is, from the tenant's label. If both have
/// the same name, the tenant's CA is the Secret that Cluster API looks for.
fn cluster_name<'a>(builder: &PlanBuilder<'a>) -> Option<&'a str> {
    let labels = builder.snapshot.object.metadata.labels.as_ref()?;
    labels.get(CLUSTER_NAME).map(String::as_str)
}

/// Time of the last rotation on request: now, or the stamp of the live Secret.
fn rotate_stamp(planned: &PlannedSecret, builder: &PlanBuilder) -> Option<String> {
    if planned.rotated {
        return Some(rfc3339(builder.snapshot.now));
    }
    builder
        .annotation(&planned.name, labels::ROTATE)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
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

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
