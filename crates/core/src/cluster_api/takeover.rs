//! Whose are the fields of a TenantControlPlane that upstream made?
//!
//! It wrote by updates, and whoever wrote a field so goes on owning it: what is no longer applied would stay
//! for ever. So those fields that a person can take out of a control plane become ours before the first
//! apply. The rest, above all what webhooks filled in (where the data is), stays with upstream.

use serde_json::{Value, json};

use crate::managed_fields;

/// Field managers of upstream's provider: the names of its binary, as Docker and ko build it.
const REFERENCE: [&str; 2] = ["manager", "cluster-api-control-plane-provider-kamaji"];

/// What a control plane may have asked for and no longer ask for.
const FIELDS: [&[&str]; 12] = [
    &["f:metadata", "f:annotations"],
    &["f:metadata", "f:labels"],
    &["f:metadata", "f:ownerReferences"],
    &["f:spec", "f:addons"],
    &["f:spec", "f:controlPlane"],
    &["f:spec", "f:dataStoreOverrides"],
    &["f:spec", "f:kubernetes", "f:admissionControllers"],
    &["f:spec", "f:kubernetes", "f:kubelet"],
    &["f:spec", "f:networkProfile", "f:address"],
    &["f:spec", "f:networkProfile", "f:advertiseAddress"],
    &["f:spec", "f:networkProfile", "f:certSANs"],
    &["f:spec", "f:networkProfile", "f:loadBalancerSourceRanges"],
];

/// The next `metadata.managedFields` of an object, in which `manager` has applied what upstream wrote;
/// `None` if upstream wrote nothing of it.
pub fn managed_fields(object: &Value, manager: &str) -> Option<Value> {
    managed_fields::taken_over(object, manager, |entry| {
        let mut taken = json!({});
        let theirs = REFERENCE.iter().any(|name| entry["manager"] == *name);
        if theirs && entry["operation"] == "Update" {
            for path in FIELDS {
                if let Some(fields) = managed_fields::take(&mut entry["fieldsV1"], path) {
                    managed_fields::put(&mut taken, path, fields);
                }
            }
        }
        taken
    })
}

#[cfg(test)]
#[path = "takeover_tests.rs"]
mod tests;
