//! Plans the Secrets of a tenant: labels, checksum annotation, rotation stamp and type.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::{
    cluster::{CLUSTER_NAME, SECRET_TYPE},
    labels,
};

use super::{
    builder::{PlanBuilder, WrittenSecret},
    issuer,
};
use crate::{binding::Data, checksum, object::Object, render, secret_role::SecretRole};

/// Desired state of one Secret.
pub(super) struct DesiredSecret {
    /// Role of the Secret: name, labels and type follow from it.
    pub role: SecretRole,
    /// Content of the Secret, by key.
    pub data: Data,
    /// Value of the checksum annotation; `None` for the checksum of the data.
    pub checksum: Option<String>,
    /// True if the data answers a rotation request of this reconcile.
    pub rotated: bool,
}

impl DesiredSecret {
    pub(super) fn new(role: SecretRole, data: Data) -> Self {
        Self {
            role,
            data,
            checksum: None,
            rotated: false,
        }
    }
}

/// Plans a Secret. One that is paused keeps its live data.
pub(super) fn plan_secret(desired: DesiredSecret, builder: &mut PlanBuilder) {
    let role = desired.role;
    let stamp = rotate_stamp(&desired, builder);
    let data = builder.paused_data(role).unwrap_or(desired.data);
    let checksum = checksum::map(&data);
    let annotated = desired.checksum.unwrap_or_else(|| checksum.clone());
    let mut annotations = BTreeMap::from([(labels::CHECKSUM.to_owned(), annotated.clone())]);
    if let Some(stamp) = stamp {
        annotations.insert(labels::ROTATE.to_owned(), stamp);
    }
    if role == SecretRole::ServiceAccount
        && let Some(issuer) = issuer::to_record(builder)
    {
        annotations.insert(labels::ISSUER.to_owned(), issuer);
    }
    let name = builder.tenant.names.secret(role);
    let mut metadata = render::metadata(builder.tenant, name, role.component());
    metadata.annotations = Some(annotations);
    let labels_of_secret = metadata.labels.get_or_insert_default();
    if let Some(text) = role.lifecycle() {
        labels_of_secret.insert(labels::LIFECYCLE.to_owned(), text.to_owned());
    }
    if role == SecretRole::Ca
        && let Some(cluster) = cluster_name(builder)
    {
        labels_of_secret.insert(CLUSTER_NAME.to_owned(), cluster.to_owned());
    }
    metadata.finalizers = role.finalizer().map(|finalizer| vec![finalizer.to_owned()]);
    let bytes = data.iter();
    let bytes = bytes.map(|(key, bytes)| (key.clone(), ByteString(bytes.clone())));
    let secret = Secret {
        metadata,
        type_: Some(secret_type(role, builder)),
        data: Some(bytes.collect()),
        ..Secret::default()
    };
    if builder.write(Object::of(&secret)) {
        let written = WrittenSecret {
            annotated,
            checksum,
            data,
        };
        builder.secrets.insert(role, written);
    }
}

/// Type of a Secret: that of the live one if it exists, since the type is immutable.
fn secret_type(role: SecretRole, builder: &PlanBuilder) -> String {
    let live = builder.live_secret(role);
    if let Some(type_) = live.and_then(|secret| secret.type_.clone()) {
        return type_;
    }
    // Cluster API reads the CA of a Cluster from the Secret CLUSTER-ca.
    let of_cluster = cluster_name(builder) == Some(&builder.tenant.name);
    if role == SecretRole::Ca && of_cluster {
        SECRET_TYPE.to_owned()
    } else {
        role.secret_type().to_owned()
    }
}

/// Name of the Cluster API Cluster whose control plane the tenant is, from the tenant's label. If both have
/// the same name, Cluster API reads the tenant's CA Secret.
fn cluster_name<'a>(builder: &PlanBuilder<'a>) -> Option<&'a str> {
    let labels = builder.snapshot.object.metadata.labels.as_ref()?;
    labels.get(CLUSTER_NAME).map(String::as_str)
}

/// Time of the last rotation on request: now, or the stamp of the live Secret.
fn rotate_stamp(desired: &DesiredSecret, builder: &PlanBuilder) -> Option<String> {
    if desired.rotated {
        return Some(rfc3339(builder.snapshot.now));
    }
    let stamp = builder.annotation(desired.role, labels::ROTATE);
    stamp.filter(|text| !text.is_empty()).map(str::to_owned)
}

fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
