//! Secrets that wait for a TenantControlPlane which may be gone.

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::labels;

/// The uid of the TenantControlPlane that a Secret which is being deleted waits for, if it does.
pub fn waiting_for(secret: &Secret) -> Option<&str> {
    let meta = &secret.metadata;
    meta.deletion_timestamp.as_ref()?;
    let mut finalizers = meta.finalizers.iter().flatten();
    finalizers.find(|f| *f == labels::DATASTORE_SECRET_FINALIZER)?;
    let mut owners = meta.owner_references.iter().flatten();
    let owner = owners.find(|owner| {
        owner.kind == "TenantControlPlane" && owner.api_version.starts_with("kamaji.clastix.io/")
    });
    owner.map(|owner| owner.uid.as_str())
}

/// The finalizers of `secret` that are not the operator's.
pub fn released(secret: &Secret) -> Vec<String> {
    let finalizers = secret.metadata.finalizers.iter().flatten();
    finalizers
        .filter(|f| *f != labels::DATASTORE_SECRET_FINALIZER)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(deleted: bool, finalizers: &[&str], kind: &str) -> Secret {
        let mut object = json!({"metadata": {
            "finalizers": finalizers,
            "ownerReferences": [{"apiVersion": "kamaji.clastix.io/v1alpha1", "kind": kind, "name": "t", "uid": "u"}],
        }});
        if deleted {
            object["metadata"]["deletionTimestamp"] = json!("2026-11-23T12:00:00Z");
        }
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn only_a_deleted_secret_with_our_finalizer_and_owner_waits() {
        let ours = [labels::DATASTORE_SECRET_FINALIZER, "other.example.com/x"];
        let waits = secret(true, &ours, "TenantControlPlane");
        assert_eq!(waiting_for(&waits), Some("u"));
        assert_eq!(released(&waits), ["other.example.com/x"]);
        assert_eq!(
            waiting_for(&secret(false, &ours, "TenantControlPlane")),
            None
        );
        assert_eq!(waiting_for(&secret(true, &ours, "ConfigMap")), None);
        assert_eq!(
            waiting_for(&secret(true, &ours[1..], "TenantControlPlane")),
            None
        );
    }
}
