//! Plan of a `DataStore`: its next status and finalizers.

use std::collections::BTreeSet;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kamaji_api::{
    condition::{self, Reason},
    datastore::{DataStore, DataStoreStatus},
    labels,
};

use super::{ResolvedDataStore, StoreError};
use crate::snapshot::StoreFault;

/// Result of the last check of a datastore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// No check has finished yet.
    #[default]
    Unknown,
    /// The datastore answers and enforces access control.
    Sound,
    /// The datastore answers without access control, which an administrator accepts.
    Open {
        /// Consequence, in the driver's words.
        exposure: &'static str,
        /// Instruction of the driver on how to enable access control.
        remedy: &'static str,
    },
    /// The datastore has no access control, and no administrator accepts that; reason and remedy.
    AccessControlOff(String),
    /// The check failed; reason and remedy.
    Failed(String),
}

impl Health {
    /// Wait for the conditions of the tenants in the DataStore `name`; `None` if the check passed or has not
    /// finished.
    pub fn fault(&self, name: &str) -> Option<StoreFault> {
        let (reason, why) = match self {
            Self::Unknown | Self::Sound | Self::Open { .. } => return None,
            Self::AccessControlOff(why) => (Reason::AccessControlOff, why),
            Self::Failed(why) => (Reason::DataStoreFailed, why),
        };
        Some(StoreFault {
            reason,
            message: format!("the DataStore {name} did not pass its last check: {why}"),
        })
    }
}

/// Facts about a `DataStore` beside the object itself.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The tenants that use it, as `namespace/name`.
    pub used_by: &'a BTreeSet<String>,
    /// The DataStore with its references resolved, or its flaw.
    pub resolved: &'a Result<ResolvedDataStore, StoreError>,
    /// Result of the last check.
    pub health: &'a Health,
}

/// Desired status and finalizers of a `DataStore`.
#[derive(Clone, Debug)]
pub struct StorePlan {
    /// Finalizers to set; `None` if they are as desired already.
    pub finalizers: Option<Vec<String>>,
    /// Complete status that the DataStore shall have.
    pub status: DataStoreStatus,
}

/// Plans status and finalizers of `store`. The status is the present one if nothing has changed.
pub fn plan(store: &DataStore, facts: Facts, now: Timestamp) -> StorePlan {
    let Facts {
        used_by,
        resolved,
        health,
    } = facts;
    let generation = store.metadata.generation.unwrap_or_default();
    let mut status = store.status.clone().unwrap_or_default();
    let condition = |type_: &str, holds: bool, reason: Reason, message: String| Condition {
        type_: type_.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: reason.as_str().to_owned(),
        message,
        observed_generation: Some(generation),
        last_transition_time: Time(now),
    };
    let valid = match resolved {
        Ok(store) => {
            let (reason, message) = match super::expiry::warning(store, now) {
                Some(warning) => (Reason::CertificateExpiring, warning),
                None => (Reason::DataStoreIsValid, String::new()),
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
    let [available, access] = checked(health);
    for (type_, found) in [
        (condition::DATA_STORE_AVAILABLE, available),
        (condition::ACCESS_CONTROL, access),
    ] {
        // Without a new finding the former condition stays.
        if let Some((holds, reason, message)) = found {
            let next = condition(type_, holds, reason, message);
            condition::set(&mut status.conditions, next);
        }
    }
    status.used_by = used_by.iter().cloned().collect();
    status.observed_generation = Some(generation);
    let deleting = store.metadata.deletion_timestamp.is_some();
    if deleting {
        let free = used_by.is_empty();
        let (reason, message) = if free {
            (Reason::DataStoreUnused, String::new())
        } else {
            (Reason::DataStoreStillUsed, still_used(used_by))
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

type Finding = Option<(bool, Reason, String)>;

/// Findings of the last check for the conditions of availability and of access control; `None` leaves a
/// condition as it is.
fn checked(health: &Health) -> [Finding; 2] {
    let answers = || Some((true, Reason::Answers, String::new()));
    match health {
        Health::Unknown => [None, None],
        Health::Sound => [answers(), Some((true, Reason::Enforced, String::new()))],
        Health::Open { exposure, remedy } => [
            answers(),
            Some((
                false,
                Reason::Accepted,
                format!(
                    "access control is off, so that {exposure}; the annotation {} accepts that: {remedy} and remove the annotation to end it",
                    labels::WITHOUT_ACCESS_CONTROL
                ),
            )),
        ],
        Health::AccessControlOff(why) => [answers(), Some((false, Reason::Off, why.clone()))],
        Health::Failed(why) => [Some((false, Reason::CheckFailed, why.clone())), None],
    }
}

fn still_used(used_by: &BTreeSet<String>) -> String {
    let first: Vec<_> = used_by.iter().take(5).map(String::as_str).collect();
    let more = used_by.len().saturating_sub(first.len());
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(
        "it still holds the data of {}{rest}: delete those TenantControlPlanes or move them first",
        first.join(", ")
    )
}

/// The operator's finalizer stays while the `DataStore` is not deleted, or is in use.
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
