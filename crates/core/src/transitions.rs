//! Events about conditions: which changes of a condition are worth an event, and of which type.
//!
//! Two rules: one for the conditions of a TenantControlPlane, one for those of a KamajiControlPlane. Their
//! condition types do not overlap, so the type selects the rule.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kamaji_api::condition::{self, ConditionType, Reason, Severity};

use crate::cluster_api::conditions;

/// One event to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// True for an event of type Warning, false for one of type Normal.
    pub warning: bool,
    /// The reason of the condition, or its type where it turned True.
    pub reason: String,
    /// The message of the condition, or its type and status where it has none.
    pub note: String,
}

/// The events about the way from the conditions `old` to the conditions `new`, in the order of `new`.
/// A condition whose status and reason are the same makes none.
pub fn transitions(old: &[Condition], new: &[Condition]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for condition in new {
        let before = condition::find(old, &condition.type_);
        let same =
            |was: &Condition| was.status == condition.status && was.reason == condition.reason;
        if before.is_some_and(same) {
            continue;
        }
        if is_of_tenant(&condition.type_) {
            events.extend(tenant_event(before, condition));
        } else if let Some(event) = control_plane_event(condition) {
            // Several conditions of a control plane may repeat one message.
            if events.iter().all(|other| other.note != event.note) {
                events.push(event);
            }
        }
    }
    events
}

fn is_of_tenant(type_: &str) -> bool {
    ConditionType::ALL
        .iter()
        .any(|known| known.as_str() == type_)
}

/// The severity of a reason; that of a reason which no build knows lies in the middle.
fn severity(condition: &Condition) -> Severity {
    Reason::parse(&condition.reason).map_or(Severity::Waiting, Reason::severity)
}

/// The event about a changed condition of a TenantControlPlane. What every tenant passes through while it
/// starts is none, and neither is a condition that is True from the start without a message.
fn tenant_event(before: Option<&Condition>, now: &Condition) -> Option<Event> {
    let is_true = now.status == "True";
    let warns = is_true && now.reason != Reason::AsPlanned && !now.message.is_empty();
    // Ready repeats what another condition says.
    if now.type_ == ConditionType::Ready.as_str() && !is_true {
        return None;
    }
    if is_true && before.is_none() && !warns {
        return None;
    }
    let starts = Reason::parse(&now.reason).is_some_and(Reason::is_startup);
    if starts && before.is_none_or(|was| was.status != "True") {
        return None;
    }
    let note = if now.message.is_empty() {
        format!("{} is {}", now.type_, now.status)
    } else {
        now.message.clone()
    };
    let reason = if is_true && !warns {
        &now.type_
    } else {
        &now.reason
    };
    Some(Event {
        warning: warns || !is_true && severity(now) != Severity::Normal,
        reason: reason.clone(),
        note,
    })
}

/// Condition types of a KamajiControlPlane whose turn to True is worth an event.
const MILESTONES: [&str; 2] = [conditions::INITIALIZED, conditions::AVAILABLE];
/// Condition types of a KamajiControlPlane that have something to say while they are True.
const ACTIVITIES: [&str; 2] = [conditions::PAUSED, conditions::DELETING];
/// Condition types of a KamajiControlPlane that repeat a condition of its TenantControlPlane, which warns
/// there.
const REPEATED: [&str; 1] = [conditions::CERTIFICATES];

/// The event about a changed condition of a KamajiControlPlane.
fn control_plane_event(now: &Condition) -> Option<Event> {
    let type_ = now.type_.as_str();
    let note = match now.status.as_str() {
        "True" if MILESTONES.contains(&type_) => format!("{type_} is true"),
        "False" if now.message.is_empty() => return None,
        "False" => now.message.clone(),
        _ if ACTIVITIES.contains(&type_) => now.message.clone(),
        _ => return None,
    };
    Some(Event {
        warning: severity(now) == Severity::Warning && !REPEATED.contains(&type_),
        reason: now.reason.clone(),
        note,
    })
}

#[cfg(test)]
mod tests;
