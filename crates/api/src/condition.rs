//! Conditions of our objects: their types, their reasons, and the rules by which a list of them changes.

mod reason;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

pub use reason::{Reason, Severity};

/// DataStore condition: its references resolve.
pub const DATA_STORE_VALID: &str = "kamaji.clastix.io/DataStoreValidation";
/// DataStore condition: no tenant uses it.
pub const DATA_STORE_ALLOWED_DELETION: &str = "kamaji.clastix.io/DataStoreAllowedDeletion";
/// DataStore condition: the last check got an answer.
pub const DATA_STORE_AVAILABLE: &str = "kamaji.clastix.io/DataStoreAvailable";
/// DataStore condition: the datastore enforces access control between tenants.
pub const ACCESS_CONTROL: &str = "kamaji.clastix.io/AccessControl";

/// TenantControlPlane condition of kstatus: the tenant is not ready yet, and gets there without a person.
/// There only while it is True.
pub const RECONCILING: &str = "Reconciling";
/// TenantControlPlane condition of kstatus: the tenant is not ready until a person acts. There only while it
/// is True.
pub const STALLED: &str = "Stalled";

/// Types that earlier builds of this operator wrote to tenants under names of their own. Nobody updates
/// them any more.
const RENAMED: [&str; 1] = ["InsideReady"];

/// Condition types of a TenantControlPlane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// Every other condition is True.
    Ready,
    /// The datastore can be used and holds the tenant's schema and user.
    DataStoreReady,
    /// The control plane has an address.
    EndpointAssigned,
    /// CAs can be read and leaf certificates are valid.
    CertificatesValid,
    /// At least one replica is ready.
    ControlPlaneAvailable,
    /// No rollout exceeds its progress deadline.
    RolloutProgressing,
    /// The last reconcile of the tenant cluster applied all of its plan.
    TenantClusterConfigured,
    /// The requested version can be reached from the installed one.
    UpgradeAllowed,
    /// The last reconcile applied all of its plan.
    Reconciled,
}

impl ConditionType {
    /// Every type in the order of declaration.
    pub const ALL: [Self; 9] = [
        Self::Ready,
        Self::DataStoreReady,
        Self::EndpointAssigned,
        Self::CertificatesValid,
        Self::ControlPlaneAvailable,
        Self::RolloutProgressing,
        Self::TenantClusterConfigured,
        Self::UpgradeAllowed,
        Self::Reconciled,
    ];

    /// The type as a status carries it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::DataStoreReady => "DataStoreReady",
            Self::EndpointAssigned => "EndpointAssigned",
            Self::CertificatesValid => "CertificatesValid",
            Self::ControlPlaneAvailable => "ControlPlaneAvailable",
            Self::RolloutProgressing => "RolloutProgressing",
            Self::TenantClusterConfigured => "TenantClusterConfigured",
            Self::UpgradeAllowed => "UpgradeAllowed",
            Self::Reconciled => "Reconciled",
        }
    }
}

/// Finds the condition of a type.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// True if the list has a condition of this type whose status is True.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// Replaces the condition of the type of `new`, and sorts the list by type. The transition time of the
/// old condition stays unless the status changed. Returns true if status or reason changed.
pub fn set(conditions: &mut Vec<Condition>, mut new: Condition) -> bool {
    new.message.truncate(longest_message(&new.message));
    let mut transition = true;
    if let Some(old) = find(conditions, &new.type_) {
        transition = old.status != new.status || old.reason != new.reason;
        keep_time(old, &mut new);
    }
    conditions.retain(|condition| condition.type_ != new.type_);
    conditions.push(new);
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    transition
}

/// Sets the condition of kstatus that belongs to the condition `Ready` of a TenantControlPlane, with its reason
/// and message, and removes the other one: [`STALLED`] while a person has to act, [`RECONCILING`] while the
/// tenant gets ready without one, neither for a tenant that is ready or not meant to run. `now` is the time of
/// a condition that was not there.
pub fn set_activity(conditions: &mut Vec<Condition>, now: &Time) {
    let cause = find(conditions, ConditionType::Ready.as_str());
    let next = cause.and_then(|cause| {
        let type_ = activity(cause)?;
        Some(Condition {
            type_: type_.to_owned(),
            status: "True".to_owned(),
            last_transition_time: now.clone(),
            ..cause.clone()
        })
    });
    conditions.retain(|condition| {
        let is_activity = [RECONCILING, STALLED].contains(&condition.type_.as_str());
        !is_activity
            || next
                .as_ref()
                .is_some_and(|next| next.type_ == condition.type_)
    });
    if let Some(next) = next {
        set(conditions, next);
    }
}

/// Type of the condition of kstatus beside a condition `Ready`.
fn activity(ready: &Condition) -> Option<&'static str> {
    if ready.status == "True" {
        return None;
    }
    match Reason::parse(&ready.reason) {
        Some(Reason::Sleeping | Reason::Restoring) => None,
        Some(reason) if reason.needs_person() => Some(STALLED),
        _ => Some(RECONCILING),
    }
}

/// Gives each condition of `new` the transition time of its type in `old`, where both have the same status.
pub fn keep_transition_times(old: &[Condition], new: &mut [Condition]) {
    for condition in new {
        if let Some(old) = find(old, &condition.type_) {
            keep_time(old, condition);
        }
    }
}

/// Removes conditions of types that an earlier build of this operator wrote and this one does not. Types
/// of upstream and of others stay.
pub fn remove_renamed(conditions: &mut Vec<Condition>) {
    conditions.retain(|condition| !RENAMED.contains(&condition.type_.as_str()));
}

fn keep_time(old: &Condition, new: &mut Condition) {
    if old.status == new.status {
        new.last_transition_time = old.last_transition_time.clone();
    }
}

/// Bytes of a message that the API server accepts: at most 32 KiB, cut between characters.
fn longest_message(message: &str) -> usize {
    message.floor_char_boundary(32_768)
}

#[cfg(test)]
mod tests;
