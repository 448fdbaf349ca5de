//! Merges a user's labels and annotations into those of a tenant's objects.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kamaji_api::{labels, tenant::AdditionalMetadata};

/// Labels by which the operator and Services select objects; a user cannot change them.
const RESERVED: [&str; 3] = [labels::PROJECT, labels::NAME, labels::COMPONENT];

/// Merges labels. The user's win, except for the reserved ones.
pub fn labels(
    mut ours: BTreeMap<String, String>,
    user: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let allowed = user
        .iter()
        .filter(|(key, _)| !RESERVED.contains(&key.as_str()));
    ours.extend(allowed.map(|(key, value)| (key.clone(), value.clone())));
    ours
}

/// Adds the user's labels and annotations to `ours`; the user's win, except for the reserved labels.
pub fn metadata(ours: ObjectMeta, user: Option<&AdditionalMetadata>) -> ObjectMeta {
    let Some(user) = user else { return ours };
    let mut annotations = ours.annotations.unwrap_or_default();
    annotations.extend(user.annotations.clone());
    ObjectMeta {
        labels: Some(labels(ours.labels.unwrap_or_default(), &user.labels)),
        annotations: Some(annotations).filter(|map| !map.is_empty()),
        ..ours
    }
}

#[cfg(test)]
mod tests;
