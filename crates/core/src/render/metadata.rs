//! Metadata of a tenant's objects in the management cluster.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kamaji_api::labels;

use crate::{checksum, tenant::Tenant};

/// Labels that every object of a tenant carries; `component` names the part of the control plane that the
/// object belongs to.
pub fn labels(tenant: &str, component: &str) -> BTreeMap<String, String> {
    [
        (labels::PROJECT, "kamaji"),
        (labels::NAME, tenant),
        (labels::COMPONENT, component),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// Metadata of an object of `tenant`: name, namespace, labels and owner.
pub fn metadata(tenant: &Tenant, name: String, component: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(tenant.namespace.clone()),
        labels: Some(labels(&tenant.name, component)),
        owner_references: Some(vec![tenant.owner()]),
        ..ObjectMeta::default()
    }
}

/// A `ConfigMap` of `data`, with the checksum of the data in its annotation.
pub fn with_checksum(metadata: ObjectMeta, data: BTreeMap<String, String>) -> ConfigMap {
    let annotation = (labels::CHECKSUM.to_owned(), checksum::map(&data));
    ConfigMap {
        metadata: ObjectMeta {
            annotations: Some(BTreeMap::from([annotation])),
            ..metadata
        },
        data: Some(data),
        ..ConfigMap::default()
    }
}
