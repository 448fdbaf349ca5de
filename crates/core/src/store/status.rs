//! What is a `DataStore`'s next status, and may it be deleted? (tenant-cluster specification 1.2)

use std::collections::BTreeSet;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kamaji_api::{
    condition,
    datastore::{DataStore, DataStoreStatus},
    labels,
};

use super::{Store, StoreError};

/// What should become of a `DataStore`.
#[derive(Clone, Debug)]
pub struct StorePlan {
    /// The finalizers to set, where they differ.
    pub finalizers: Option<Vec<String>>,
    /// The next status.
    pub status: DataStoreStatus,
}

/// Plans the finalizer and status of `store`, which the tenants `used_by` (`namespace/name`) use.
pub fn plan(
    store: &DataStore,
    used_by: &BTreeSet<String>,
    resolved: &Result<Store, StoreError>,
    now: Timestamp,
) -> StorePlan {
    let generation = store.metadata.generation.unwrap_or_default();
    let mut status = store.status.clone().unwrap_or_default();
    let condition = |type_: &str, fine: bool, reason: &str, message: String| Condition {
        type_: type_.to_owned(),
        status: if fine { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: Some(generation),
        last_transition_time: Time(now),
    };
    let valid = match resolved {
        Ok(store) => {
            let (reason, message) = match super::expiry::warning(store, now) {
                Some(warning) => (condition::CERTIFICATE_EXPIRING, warning),
                None => ("DataStoreIsValid", String::new()),
            };
            condition(condition::DATA_STORE_VALID, true, reason, message)
        }
        Err(why) => condition(
            condition::DATA_STORE_VALID,
            false,
            why.reason(),
            why.to_string(),
        ),
    };
    status.ready = resolved.is_ok();
    condition::set(&mut status.conditions, valid);
    status.used_by = used_by.iter().cloned().collect();
    status.observed_generation = Some(generation);
    let deleting = store.metadata.deletion_timestamp.is_some();
    if deleting {
        let free = used_by.is_empty();
        let (reason, message) = if free {
            ("DataStoreUnused", String::new())
        } else {
            ("DataStoreStillUsed", still_used(used_by))
        };
        let allowed = condition(
            condition::DATA_STORE_ALLOWED_DELETION,
            free,
            reason,
            message,
        );
        condition::set(&mut status.conditions, allowed);
    }
    StorePlan {
        finalizers: finalizers(store, deleting && used_by.is_empty()),
        status,
    }
}

fn still_used(used_by: &BTreeSet<String>) -> String {
    let some: Vec<_> = used_by.iter().take(5).map(String::as_str).collect();
    let more = used_by.len().saturating_sub(some.len());
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(
        "it still holds the data of {}{rest}: delete those TenantControlPlanes or move them first",
        some.join(", ")
    )
}

/// Ours is there while the `DataStore` lives or is used.
fn finalizers(store: &DataStore, release: bool) -> Option<Vec<String>> {
    let mut finalizers = store.metadata.finalizers.clone().unwrap_or_default();
    let held = finalizers.iter().any(|f| f == labels::DATASTORE_FINALIZER);
    match (held, release, store.metadata.deletion_timestamp.is_some()) {
        (true, true, _) => finalizers.retain(|f| f != labels::DATASTORE_FINALIZER),
        (false, false, false) => finalizers.push(labels::DATASTORE_FINALIZER.to_owned()),
        _ => return None,
    }
    Some(finalizers)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
