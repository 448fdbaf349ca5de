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

use super::{
    ResolvedDataStore, StoreError,
    probe::{self, Probe},
};
use crate::snapshot::StoreFault;

/// Most tenants that a status names: with the longest names they take 650 kB, and an object of Kubernetes has 1.5 MB.
pub const MOST_USERS: usize = 5_000;

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
    /// The last answer to a probe; `None` if there was none since the operator started.
    pub probe: Option<&'a Probe>,
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
        probe,
    } = facts;
    let generation = store.metadata.generation.unwrap_or_default();
    let mut status = store.status.clone().unwrap_or_default();
    let deleting = store.metadata.deletion_timestamp.is_some();
    let [available, access] = checked(health);
    for (type_, found) in [
        (condition::DATA_STORE_VALID, Some(validity(resolved, now))),
        (condition::DATA_STORE_AVAILABLE, available),
        (condition::ACCESS_CONTROL, access),
        (
            condition::DATA_STORE_ALLOWED_DELETION,
            deleting.then(|| deletable(used_by)),
        ),
    ] {
        // Without a new finding the former condition stays.
        let Some(finding) = found else { continue };
        let next = Condition {
            type_: type_.to_owned(),
            status: if finding.holds { "True" } else { "False" }.to_owned(),
            reason: finding.reason.as_str().to_owned(),
            message: finding.message,
            observed_generation: Some(generation),
            last_transition_time: Time(now),
        };
        condition::set(&mut status.conditions, next);
    }
    if let Some(probe) = probe {
        status.probe = Some(probe::published(status.probe.as_ref(), probe));
    }
    status.ready = resolved.is_ok();
    status.used_by = used_by.iter().take(MOST_USERS).cloned().collect();
    status.users = i64::try_from(used_by.len()).ok();
    status.observed_generation = Some(generation);
    StorePlan {
        finalizers: finalizers(store, deleting && used_by.is_empty()),
        status,
    }
}

/// Content of one condition: status, reason and message.
struct Finding {
    holds: bool,
    reason: Reason,
    message: String,
}

impl Finding {
    /// True, with nothing to add.
    fn holds(reason: Reason) -> Self {
        Self {
            holds: true,
            reason,
            message: String::new(),
        }
    }

    fn fails(reason: Reason, message: String) -> Self {
        Self {
            holds: false,
            reason,
            message,
        }
    }
}

/// Finding on the references of the DataStore, and on the end of its certificates.
fn validity(resolved: &Result<ResolvedDataStore, StoreError>, now: Timestamp) -> Finding {
    match resolved {
        Ok(store) => match super::expiry::warning(store, now) {
            Some(message) => Finding {
                message,
                ..Finding::holds(Reason::CertificateExpiring)
            },
            None => Finding::holds(Reason::DataStoreIsValid),
        },
        Err(why) => Finding::fails(why.reason(), why.to_string()),
    }
}

/// Finding on the deletion of the DataStore: allowed once no tenant uses it.
fn deletable(used_by: &BTreeSet<String>) -> Finding {
    if used_by.is_empty() {
        Finding::holds(Reason::DataStoreUnused)
    } else {
        Finding::fails(Reason::DataStoreStillUsed, still_used(used_by))
    }
}

/// Findings of the last check for the conditions of availability and of access control; `None` leaves a
/// condition as it is.
fn checked(health: &Health) -> [Option<Finding>; 2] {
    let answers = || Some(Finding::holds(Reason::Answers));
    match health {
        Health::Unknown => [None, None],
        Health::Sound => [answers(), Some(Finding::holds(Reason::Enforced))],
        Health::Open { exposure, remedy } => [
            answers(),
            Some(Finding::fails(
                Reason::Accepted,
                format!(
                    "access control is off, so that {exposure}; the annotation {} accepts that: {remedy} and remove the annotation to end it",
                    labels::WITHOUT_ACCESS_CONTROL
                ),
            )),
        ],
        Health::AccessControlOff(why) => {
            [answers(), Some(Finding::fails(Reason::Off, why.clone()))]
        }
        Health::Failed(why) => [Some(Finding::fails(Reason::CheckFailed, why.clone())), None],
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
mod tests;
