//! [`Live`]: an object as the API server returned it, and the [`fingerprint`] by which two versions are compared.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
};

use kamaji_core::object::Version;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::received::{Metadata, Received};

/// An object as the API server returned it from a read or a write.
#[derive(Clone, Debug)]
pub struct Live {
    /// Uid and resource version.
    pub version: Version,
    /// Fingerprint of `body`, see [`fingerprint`].
    pub fingerprint: u64,
    /// The whole object as JSON, with `apiVersion`, `kind`, status and what [`Received`] leaves of `managedFields`.
    pub body: Value,
}

impl Live {
    /// Converts a response of the API server.
    pub fn of(Received(object): Received) -> Self {
        let version = Version::of(&object.metadata);
        let body = into_json(object);
        Self {
            version,
            fingerprint: fingerprint(&body),
            body,
        }
    }

    /// Converts the answer to the creation of `body`: the content is what was sent, the metadata what was answered.
    pub fn created(Received(answer): Metadata, mut body: Value) -> Self {
        let version = Version::of(&answer.metadata);
        body["metadata"] = serde_json::to_value(answer.metadata).unwrap_or_default();
        Self {
            version,
            fingerprint: fingerprint(&body),
            body,
        }
    }
}

/// The whole object as JSON. Its content, most of it, is moved and not copied.
pub(crate) fn into_json(object: DynamicObject) -> Value {
    let mut body = match object.data {
        content @ Value::Object(_) => content,
        _ => json!({}),
    };
    body["metadata"] = serde_json::to_value(object.metadata).unwrap_or_default();
    if let Some(types) = object.types {
        body["apiVersion"] = types.api_version.into();
        body["kind"] = types.kind.into();
    }
    body
}

/// Parts of the metadata that belong to the content.
const METADATA: [&str; 5] = [
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "deletionTimestamp",
];
/// Annotation in which the controller of Deployments counts rollouts.
const REVISION: &str = "deployment.kubernetes.io/revision";

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
        match metadata[key].as_object() {
            Some(map) => {
                let entries = map.iter().filter(|(key, _)| *key != REVISION);
                for (key, value) in entries {
                    key.hash(&mut hasher);
                    hash(value, &mut hasher);
                }
            }
            None => hash(&metadata[key], &mut hasher),
        }
        // The end of this part.
        hasher.write_u8(0xff);
    }
    for (key, value) in body.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "metadata" | "status" | "apiVersion" | "kind") {
            key.hash(&mut hasher);
            hash(value, &mut hasher);
        }
    }
    hasher.finish()
}

/// Hashes the text of a value without a copy of it.
fn hash(value: &Value, hasher: &mut DefaultHasher) {
    // The hasher takes everything.
    let _ = serde_json::to_writer(Text(hasher), value);
    hasher.write_u8(0xff);
}

/// A hasher that is written to.
struct Text<'a>(&'a mut DefaultHasher);

impl io::Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// True for a whole Secret, and for the metadata that the API server sends in its place.
fn is_hashed_by_version(body: &Value) -> bool {
    matches!(
        body["kind"].as_str(),
        Some("Secret" | "PartialObjectMetadata")
    )
}

#[cfg(test)]
mod tests;
