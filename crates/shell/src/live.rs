//! [`Live`]: an object as the API server returned it, and the [`fingerprint`] by which two versions are compared.

use std::hash::{DefaultHasher, Hash, Hasher};

use kamaji_core::object::Version;
use kube::api::DynamicObject;
use serde_json::Value;

/// An object as the API server returned it from a read or a write.
#[derive(Clone, Debug)]
pub struct Live {
    /// Uid and resource version.
    pub version: Version,
    /// Fingerprint of `body`, see [`fingerprint`].
    pub fingerprint: u64,
    /// The whole object as JSON, with `apiVersion`, `kind`, `managedFields` and status.
    pub body: Value,
}

impl Live {
    /// Converts a response of the API server.
    pub fn of(object: &DynamicObject) -> Self {
        let body = serde_json::to_value(object).unwrap_or_default();
        Self {
            version: Version::of(&object.metadata),
            fingerprint: fingerprint(&body),
            body,
        }
    }
}

/// Parts of the metadata that belong to the content.
const METADATA: [&str; 5] = [
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "deletionTimestamp",
];

/// Hash of the content of an object: labels, annotations, owners, finalizers, deletion timestamp, and every
/// field beside metadata and status. Changes of status, `managedFields` and resource version leave it as it is.
///
/// A Secret is hashed by uid and resource version instead, because the watch of Secrets delivers metadata
/// without data: see [`crate::watch::children`]. Every change of a Secret changes its fingerprint, and a
/// server-side apply that changes nothing keeps the resource version and with it the fingerprint.
pub fn fingerprint(body: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = &body["metadata"];
    if is_hashed_by_version(body) {
        for key in ["uid", "resourceVersion"] {
            metadata[key].as_str().hash(&mut hasher);
        }
        return hasher.finish();
    }
    for key in METADATA {
        let mut part = metadata[key].clone();
        if let Some(map) = part.as_object_mut() {
            // The controller of Deployments counts rollouts in this annotation.
            map.remove("deployment.kubernetes.io/revision");
        }
        part.to_string().hash(&mut hasher);
    }
    for (key, value) in body.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "metadata" | "status" | "apiVersion" | "kind") {
            (key, value.to_string()).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// True for a whole Secret, and for the metadata that the API server sends in its place.
fn is_hashed_by_version(body: &Value) -> bool {
    matches!(
        body["kind"].as_str(),
        Some("Secret" | "PartialObjectMetadata")
    )
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
