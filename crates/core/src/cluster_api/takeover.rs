//! Takeover of field ownership in TenantControlPlanes that upstream made.
//!
//! Upstream wrote by updates, and the manager of an update keeps owning its fields: a field that is no longer applied
//! would stay for ever. So the fields that a person can remove from a control plane become the provider's before its
//! first apply. The rest, above all what webhooks filled in (the datastore binding), stays with upstream.

use serde_json::{Value, json};

use crate::managed_fields;

/// Field managers of upstream's provider: the names of its binary, as Docker and ko build it.
const UPSTREAM: [&str; 2] = ["manager", "cluster-api-control-plane-provider-kamaji"];

/// Fields that a control plane may set and later remove.
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

/// Next `metadata.managedFields` of an object, in which `manager` owns by apply what upstream wrote; `None` if upstream
/// wrote none of these fields.
pub fn managed_fields(object: &Value, manager: &str) -> Option<Value> {
    managed_fields::taken_over(object, manager, |entry| {
        let mut taken = json!({});
        let theirs = UPSTREAM.iter().any(|name| entry["manager"] == *name);
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
mod tests;
