//! Secrets that wait for a TenantControlPlane which may be gone.

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kamaji_api::labels;

/// The TenantControlPlane that has the name of a Secret's tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namesake<'a> {
    /// Uid of the object.
    pub uid: &'a str,
    /// True if its status records a schema: the tenant has taken over the Secret of its name, whoever made it.
    pub set_up: bool,
}

impl<'a> Namesake<'a> {
    /// The object with this uid, whose status records this schema; an empty text is none.
    pub fn new(uid: Option<&'a str>, schema: Option<&str>) -> Self {
        Self {
            uid: uid.unwrap_or_default(),
            set_up: schema.is_some_and(|schema| !schema.is_empty()),
        }
    }
}

/// True if an owner is a TenantControlPlane, of any version.
pub fn is_tenant(owner: &OwnerReference) -> bool {
    owner.kind == "TenantControlPlane" && owner.api_version.starts_with("kamaji.clastix.io/")
}

/// True if a Secret is being deleted and has the operator's finalizer for a tenant that is gone: that of its owner
/// reference, or, for one that a backup brought back without any, that of its name.
pub fn is_left(secret: &Secret, live: Option<Namesake<'_>>) -> bool {
    let meta = &secret.metadata;
    let mut finalizers = meta.finalizers.iter().flatten();
    let held = finalizers.any(|f| *f == labels::DATASTORE_SECRET_FINALIZER);
    if meta.deletion_timestamp.is_none() || !held {
        return false;
    }
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    if owners.is_empty() {
        return live.is_none_or(|live| !live.set_up);
    }
    let owner = owners.iter().find(|owner| is_tenant(owner));
    owner.is_some_and(|owner| live.is_none_or(|live| live.uid != owner.uid))
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

    const OURS: [&str; 2] = [labels::DATASTORE_SECRET_FINALIZER, "other.example.com/x"];

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

    fn is_left_by(secret: &Secret, uid: &str, set_up: bool) -> bool {
        is_left(secret, Some(Namesake { uid, set_up }))
    }

    #[test]
    fn only_a_deleted_secret_with_our_finalizer_and_an_owner_that_is_gone_is_left() {
        let left = secret(true, &OURS, "TenantControlPlane");
        assert!(is_left(&left, None) && is_left_by(&left, "v", true));
        assert!(!is_left_by(&left, "u", true));
        assert_eq!(released(&left), ["other.example.com/x"]);
        assert!(!is_left(&secret(false, &OURS, "TenantControlPlane"), None));
        assert!(!is_left(&secret(true, &OURS, "ConfigMap"), None));
        let others = secret(true, &OURS[1..], "TenantControlPlane");
        assert!(!is_left(&others, None));
    }

    #[test]
    fn restored_secret_without_owner_is_left_unless_the_tenant_of_its_name_has_taken_it() {
        let mut left = secret(true, &OURS, "TenantControlPlane");
        left.metadata.owner_references = None;
        assert!(is_left(&left, None) && is_left_by(&left, "v", false));
        assert!(!is_left_by(&left, "v", true));
        left.metadata.deletion_timestamp = None;
        assert!(!is_left(&left, None));
    }
}
