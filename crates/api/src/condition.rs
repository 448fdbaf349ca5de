//! What can be waited for, and since when?

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// DataStore condition: its references resolve.
pub const DATA_STORE_VALID: &str = "kamaji.clastix.io/DataStoreValidation";
/// DataStore condition: nobody uses it any more.
pub const DATA_STORE_ALLOWED_DELETION: &str = "kamaji.clastix.io/DataStoreAllowedDeletion";
/// DataStore condition: it answered when it was last asked.
pub const DATA_STORE_AVAILABLE: &str = "kamaji.clastix.io/DataStoreAvailable";
/// DataStore condition: it tells tenants apart.
pub const ACCESS_CONTROL: &str = "kamaji.clastix.io/AccessControl";

/// Reason of a DataStore's condition that is true and warns.
pub const CERTIFICATE_EXPIRING: &str = "CertificateExpiring";

/// Conditions of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// All of the others, and the control plane serves.
    Ready,
    /// The datastore can be used and the tenant has its place in it.
    DataStoreReady,
    /// The control plane has an address.
    EndpointAssigned,
    /// Authorities are readable, leaves valid.
    CertificatesValid,
    /// At least one replica is ready.
    ControlPlaneAvailable,
    /// No rollout takes longer than it may.
    RolloutProgressing,
    /// The inside is as planned.
    TenantClusterConfigured,
    /// The version asked for can be reached.
    UpgradeAllowed,
    /// The last pass could do all that it planned.
    Reconciled,
}

impl ConditionType {
    /// Every type.
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

    /// The type as it is written in a status.
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

/// True if the condition of a type is there and True.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// Puts `new` in its place; the list is sorted by type. Its transition time is the old one's unless
/// the status changed: the only code that decides about that. Returns true if status or reason
/// changed.
pub fn set(conditions: &mut Vec<Condition>, mut new: Condition) -> bool {
    new.message.truncate(floor(&new.message));
    let mut transition = true;
    if let Some(old) = find(conditions, &new.type_) {
        transition = old.status != new.status || old.reason != new.reason;
        if old.status == new.status {
            new.last_transition_time = old.last_transition_time.clone();
        }
    }
    conditions.retain(|condition| condition.type_ != new.type_);
    conditions.push(new);
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    transition
}

/// The API server refuses messages of more than 32 KiB.
fn floor(message: &str) -> usize {
    let mut at = message.len().min(32_768);
    while !message.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
