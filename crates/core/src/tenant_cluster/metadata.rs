//! Names and metadata that the objects of a tenant cluster share.

use kamaji_api::labels;
use serde_json::{Map, Value, json};

/// Namespace of most objects.
pub(super) const SYSTEM: &str = "kube-system";
/// Namespace of what anonymous clients may read.
pub(super) const PUBLIC: &str = "kube-public";
/// Group of workers that join with a bootstrap token.
pub(super) const JOINING: &str = "system:bootstrappers:kubeadm:default-node-token";

/// Metadata of an addon's object: name, namespace, the operator's project label and further ones.
pub(super) fn ours(namespace: Option<&str>, name: &str, further: &[(&str, &str)]) -> Value {
    let mut metadata = plain(namespace, name);
    metadata["labels"][labels::PROJECT] = json!("kamaji");
    for (key, value) in further {
        metadata["labels"][*key] = json!(value);
    }
    metadata
}

/// Metadata of an object that kubeadm would have made: no label of the operator.
pub(super) fn plain(namespace: Option<&str>, name: &str) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(name));
    if let Some(namespace) = namespace {
        metadata.insert("namespace".to_owned(), json!(namespace));
    }
    metadata.into()
}
