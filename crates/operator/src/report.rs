//! What is a person told about a pass? One status patch if it differs, events on transitions.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kamaji_api::{
    condition::{self, ConditionType},
    labels,
    tenant::{TenantControlPlane, TenantControlPlaneStatus},
};
use kamaji_core::{
    binding::Binding,
    names::Names,
    object::ObjectRef,
    plan::{Plan, Step},
    snapshot::StoreWait,
    tenant::ParseError,
};
use kamaji_datastore as datastore;

use crate::{context::Context, databases::DatabaseError, orphan::OrphanError};
use kamaji_shell::{ObjectKey, apply::WriteError, clock, events::EventRecord, queue::Abort};

/// Why a pass could not do all that it planned.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The condition that is not true.
    pub condition: ConditionType,
    /// `CamelCase` reason.
    pub reason: &'static str,
    /// Object, cause and next action.
    pub message: String,
    /// What was there already although no watch tells of it: it is read by name from now on.
    pub occupied: Option<ObjectRef>,
    /// True if it is nobody's fault and worth no word, unless it comes again and again.
    pub silent: bool,
}

impl Failure {
    fn new(reason: &'static str, message: impl ToString) -> Self {
        Self {
            condition: ConditionType::Reconciled,
            reason,
            message: message.to_string(),
            occupied: None,
            silent: false,
        }
    }

    /// The tenant's own text.
    pub fn unreadable(error: &ParseError) -> Self {
        Self::new("SpecInvalid", error)
    }

    /// The management cluster does not answer.
    pub fn reading(key: &ObjectKey, what: &str, error: &kube::Error) -> Self {
        Self::new(
            "ReadFailed",
            format!("{what} of {key} cannot be read: {error}; it is tried again by itself"),
        )
    }

    /// A datastore went while the tenant was on its way there.
    pub fn waiting(wait: &StoreWait) -> Self {
        Self {
            condition: ConditionType::DataStoreReady,
            ..Self::new(wait.reason(), wait)
        }
    }

    /// A value that this build does not know, in an object that the API server takes.
    pub fn unknown(why: &str) -> Self {
        Self::new(
            "ObjectUnreadable",
            format!(
                "this operator cannot read the object: {why}. It changes nothing of it and can only delete it; correct that field, or run the release that the definitions came with"
            ),
        )
    }

    /// Two tenants ask for one place in a datastore.
    pub fn shared(store: &str, binding: &Binding, other: &ObjectKey) -> Self {
        Self {
            condition: ConditionType::DataStoreReady,
            ..Self::new(
                "DataStoreShared",
                format!(
                    "schema {} or user {} of the DataStore {store} belongs to the TenantControlPlane {other}: two tenants must not share them; {RECREATE}",
                    binding.schema, binding.user
                ),
            )
        }
    }

    /// A tenant that is refused may hold a certificate from before.
    pub fn beside(self, secrets: &BTreeMap<String, Secret>, key: &ObjectKey) -> Self {
        let refused = matches!(self.reason, "DataStoreShared" | "DataStoreForeign");
        let name = Names::of(&key.name).datastore_certificate();
        if !refused || !secrets.contains_key(&name) {
            return self;
        }
        Self {
            message: format!(
                "{}. The Secret {name} holds a client certificate that was signed before this was refused; it is no longer renewed: delete it, and if another tenant has that user, recreate that user in the datastore under another name",
                self.message
            ),
            ..self
        }
    }

    /// A tenant is being deleted, and its data is there still.
    pub fn not_removed(error: &DatabaseError) -> Self {
        Self {
            condition: ConditionType::DataStoreReady,
            ..Self::new(
                "DataStoreFailed",
                format!(
                    "the deletion waits, since the tenant's data cannot be removed: {error}. It goes on by itself once the datastore is back"
                ),
            )
        }
    }

    /// A panic or a time-out.
    pub fn abort(what: &Abort) -> Self {
        match what {
            Abort::TimeOut(limit) => Self::new(
                "ReconcileTimedOut",
                format!(
                    "a look at this object took longer than {limit:?} and was stopped: the API server or the datastore answers slowly; it is tried again by itself, and --controller-reconcile-timeout gives it more time"
                ),
            ),
            Abort::Panic(what) => Self::new(
                "InternalError",
                format!(
                    "the operator failed on this object alone: {what}; please report it, with this object's YAML"
                ),
            ),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self {
            occupied: match &error {
                WriteError::AlreadyExists(object) => Some(object.clone()),
                _ => None,
            },
            silent: matches!(
                error,
                WriteError::AlreadyExists(_)
                    | WriteError::Conflict { .. }
                    | WriteError::Gone(_)
                    | WriteError::NotLeading(_)
            ),
            ..Self::new(error.reason(), error)
        }
    }
}

impl From<OrphanError> for Failure {
    fn from(error: OrphanError) -> Self {
        match error {
            OrphanError::Write(error) => error.into(),
            OrphanError::Read(..) => Self::new("ReadFailed", error),
        }
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        let (reason, message) = match error.driver() {
            Some(datastore::Error::Owned { .. }) => (
                "DataStoreShared",
                format!(
                    "{error}: two tenants must not share them; {RECREATE}. After a restore, see the annotation {} in the documentation",
                    labels::ADOPT_OWNER
                ),
            ),
            Some(datastore::Error::Foreign { .. } | datastore::Error::Refused { .. }) => {
                ("DataStoreForeign", error.to_string())
            }
            Some(datastore::Error::AccessControlOff { .. }) => {
                ("AccessControlOff", error.to_string())
            }
            _ => ("DataStoreFailed", error.to_string()),
        };
        Self {
            condition: ConditionType::DataStoreReady,
            ..Self::new(reason, message)
        }
    }
}

const RECREATE: &str = "nothing was granted; recreate this one with another spec.dataStoreSchema and spec.dataStoreUsername";

/// Publishes the status that was planned.
pub async fn planned(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    plan: &Plan,
) -> Result<TenantControlPlane, Failure> {
    publish(context, key, object, &plan.status).await
}

/// Publishes why a pass could not do all that it planned; what cannot be published is tried again
/// with the pass.
pub async fn failed(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    failure: &Failure,
) {
    let status = object.status.clone().unwrap_or_default();
    Box::pin(tell(context, key, (object, status), failure)).await;
}

/// As [`failed`], of a pass that had a plan: what it saw is told, too, so that no condition tells of
/// what is no more.
pub async fn refused(
    context: &Context,
    key: &ObjectKey,
    (object, plan): (&TenantControlPlane, &Plan),
    failure: &Failure,
) {
    let mut status = object.status.clone().unwrap_or_default();
    let mut binds = plan.steps.iter().filter_map(|step| match step {
        Step::Bind(store, binding) => Some((store, binding)),
        Step::Write(_) => None,
    });
    let bound = binds.all(|(store, binding)| context.databases.is_ensured(key, store, binding));
    let storage = status.storage.as_ref();
    let set_up = storage.is_some_and(|storage| storage.setup.is_some());
    for seen in &plan.status.conditions {
        let type_ = seen.type_.as_str();
        let outcome = type_ == ConditionType::Ready.as_str()
            || type_ == ConditionType::Reconciled.as_str()
            || type_ == ConditionType::CertificatesValid.as_str() && seen.status == "True";
        if outcome {
            continue;
        }
        let mut seen = seen.clone();
        let hoped = type_ == ConditionType::DataStoreReady.as_str() && seen.status == "True";
        if hoped && !bound && !set_up {
            "Unknown".clone_into(&mut seen.status);
            "NotBound".clone_into(&mut seen.reason);
            "the tenant's place in the datastore is not set up yet: what comes before it could not be done"
                .clone_into(&mut seen.message);
        }
        condition::set(&mut status.conditions, seen);
    }
    Box::pin(tell(context, key, (object, status), failure)).await;
}

async fn tell(
    context: &Context,
    key: &ObjectKey,
    (object, mut status): (&TenantControlPlane, TenantControlPlaneStatus),
    failure: &Failure,
) {
    let in_a_row = if failure.silent {
        context.memo.failed_silently(key)
    } else {
        0
    };
    let Some(failure) = worth_a_word(failure, in_a_row) else {
        tracing::debug!(tenant = %key, reason = failure.reason, "{}", failure.message);
        return;
    };
    for type_ in [failure.condition, ConditionType::Ready] {
        let condition = Condition {
            type_: type_.as_str().to_owned(),
            status: "False".to_owned(),
            reason: failure.reason.to_owned(),
            message: failure.message.clone(),
            observed_generation: object.metadata.generation,
            last_transition_time: Time(clock::now()),
        };
        condition::set(&mut status.conditions, condition);
    }
    let published = if context.tenants.unreadable(key).is_some() {
        conditions_only(context, key, object, &status.conditions).await
    } else {
        publish(context, key, object, &status).await.map(drop)
    };
    if let Err(error) = published {
        tracing::warn!(tenant = %key, reason = failure.reason, "{} (and {})", failure.message, error.message);
    }
}

/// Failures in a row that are nobody's fault and not told.
const SILENT: u32 = 3;

/// The failure as it is to be told; `None` if another reconcile is expected to do. So many there were in
/// a row that were nobody's fault.
fn worth_a_word(failure: &Failure, in_a_row: u32) -> Option<Failure> {
    if !failure.silent {
        return Some(failure.clone());
    }
    // A replica that does not lead has nothing to tell.
    if failure.reason == "NotLeading" || in_a_row <= SILENT {
        return None;
    }
    Some(Failure {
        message: format!(
            "{}. This happens again and again: find out who else makes, changes or removes it",
            failure.message
        ),
        ..failure.clone()
    })
}

/// Publishes the conditions of an object that cannot be read as a whole.
async fn conditions_only(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    conditions: &[Condition],
) -> Result<(), Failure> {
    let old = object.status.clone().unwrap_or_default().conditions;
    if old == conditions {
        return Ok(());
    }
    context.writer.patch_conditions(object, conditions).await?;
    for happening in transitions(&old, conditions) {
        log(key, &happening);
        context.events.publish(object, happening).await;
    }
    Ok(())
}

async fn publish(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    status: &TenantControlPlaneStatus,
) -> Result<TenantControlPlane, Failure> {
    if object.status.as_ref() == Some(status) {
        context.measure(key, object);
        return Ok(object.clone());
    }
    let live = context.writer.patch_status(object, status).await?;
    let old = object.status.clone().unwrap_or_default().conditions;
    for happening in transitions(&old, &status.conditions) {
        log(key, &happening);
        context.events.publish(object, happening).await;
    }
    context.measure(key, &live);
    context
        .tenants
        .replace(key.clone(), std::sync::Arc::new(live.clone()));
    Ok(live)
}

fn log(key: &ObjectKey, what: &EventRecord) {
    if what.warning {
        tracing::warn!(tenant = %key, reason = %what.reason, "{}", what.note);
    } else {
        tracing::info!(tenant = %key, reason = %what.reason, "{}", what.note);
    }
}

/// What a person should hear of: conditions that went from one reason to another. What every tenant
/// goes through while it starts is in its conditions and worth no event.
fn transitions(old: &[Condition], new: &[Condition]) -> Vec<EventRecord> {
    let changed = new.iter().filter(|next| {
        let before = condition::find(old, &next.type_);
        before.is_none_or(|was| was.status != next.status || was.reason != next.reason)
    });
    let mut told: Vec<EventRecord> = Vec::new();
    for condition in changed {
        let fine = condition.status == "True";
        let first = condition::find(old, &condition.type_).is_none();
        let starting = matches!(
            condition.reason.as_str(),
            "ServicePending"
                | "DeploymentPending"
                | "NotReconciledYet"
                | "NoReplicaReady"
                | "Sleeping"
        );
        // Ready repeats what another condition says, and what is fine from the start is no news.
        let warned = fine && condition.reason != "AsPlanned" && !condition.message.is_empty();
        let unworthy = fine && first && !warned || starting && first;
        if condition.type_ == "Ready" && !fine || unworthy {
            continue;
        }
        let before = condition::find(old, &condition.type_);
        let was_starting = before.is_some_and(|was| was.status != "True");
        if starting && was_starting {
            continue;
        }
        let note = if condition.message.is_empty() {
            format!("{} is {}", condition.type_, condition.status)
        } else {
            condition.message.clone()
        };
        let reason = if fine && !warned {
            condition.type_.clone()
        } else {
            condition.reason.clone()
        };
        let warning = warned || !fine && condition.reason != "Sleeping";
        told.push(EventRecord {
            warning,
            reason,
            note,
        });
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(type_: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: Time(clock::now()),
        }
    }

    fn reasons(old: &[Condition], new: &[Condition]) -> Vec<String> {
        transitions(old, new)
            .into_iter()
            .map(|told| told.reason)
            .collect()
    }

    #[test]
    fn a_tenant_that_starts_is_no_news_until_it_is_available() {
        let none = reasons(
            &[],
            &[condition(
                "ControlPlaneAvailable",
                "False",
                "DeploymentPending",
            )],
        );
        assert!(none.is_empty());
        let pending = [condition(
            "ControlPlaneAvailable",
            "False",
            "DeploymentPending",
        )];
        let starting = [condition(
            "ControlPlaneAvailable",
            "False",
            "NoReplicaReady",
        )];
        assert!(reasons(&pending, &starting).is_empty());
        let available = [condition("ControlPlaneAvailable", "True", "ReplicasReady")];
        assert_eq!(reasons(&starting, &available), ["ControlPlaneAvailable"]);
        assert_eq!(reasons(&available, &starting), ["NoReplicaReady"]);
    }

    #[test]
    fn a_time_out_is_told_apart_from_a_mistake_of_ours() {
        let slow = Failure::abort(&Abort::TimeOut(std::time::Duration::from_secs(30)));
        assert_eq!(slow.reason, "ReconcileTimedOut");
        assert!(slow.message.contains("30s") && slow.message.contains("tried again"));
        let ours = Failure::abort(&Abort::Panic("no such luck".to_owned()));
        assert_eq!(ours.reason, "InternalError");
        assert!(ours.message.contains("no such luck"));
    }

    #[test]
    fn a_condition_that_is_true_and_warns_is_told_as_a_warning_and_once() {
        let mut warned = condition("CertificatesValid", "True", "AuthorityExpiring");
        warned.message = "the CA ends soon".to_owned();
        let fine = condition("CertificatesValid", "True", "AsPlanned");
        for before in [Vec::new(), vec![fine]] {
            let told = transitions(&before, std::slice::from_ref(&warned));
            assert_eq!(told.len(), 1, "{before:?}");
            assert!(told[0].warning);
            assert_eq!(told[0].reason, "AuthorityExpiring");
        }
        let warned = [warned];
        assert!(transitions(&warned, &warned).is_empty());
    }

    #[test]
    fn a_conflict_is_told_from_the_fourth_in_a_row_with_its_object() {
        let conflict = WriteError::Conflict {
            object: "Secret ns/t-ca".to_owned(),
            message: "the object has been modified".to_owned(),
        };
        let failure = Failure::from(conflict);
        for in_a_row in 1..=3 {
            assert!(worth_a_word(&failure, in_a_row).is_none());
        }
        let told = worth_a_word(&failure, 4).unwrap();
        assert!(told.message.contains("Secret ns/t-ca"), "{}", told.message);
        let again = worth_a_word(&failure, 5).unwrap();
        assert_eq!(told.message, again.message, "it is one write");
        let standby = Failure::from(WriteError::NotLeading("it".to_owned()));
        assert!(worth_a_word(&standby, 100).is_none());
        assert!(worth_a_word(&Failure::unknown("x"), 0).is_some());
    }

    #[test]
    fn what_a_person_must_mend_is_told_at_once_and_once() {
        let damaged = [condition("CertificatesValid", "False", "AuthorityDamaged")];
        assert_eq!(reasons(&[], &damaged), ["AuthorityDamaged"]);
        assert!(reasons(&damaged, &damaged).is_empty());
    }
}
