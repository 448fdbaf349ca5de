//! Reporting: one status patch per reconcile if the status differs, and an event for each transition.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kamaji_api::{
    condition::{self, ConditionType, Reason},
    tenant::{TenantControlPlane, TenantControlPlaneStatus},
};
use kamaji_core::{
    plan::{Plan, Step, interrupted},
    transitions::{Event, transitions},
};

use crate::{context::Context, failure::Failure};
use kamaji_shell::{ObjectKey, clock};

/// Publishes the planned status. Returns the object as it is then.
pub async fn planned(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    plan: &Plan,
) -> Result<TenantControlPlane, Failure> {
    publish(context, key, object, &plan.status).await
}

/// Publishes a failure of a reconcile that has no plan. A status that cannot be patched is logged; the
/// next reconcile tries again.
pub async fn failed(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    failure: &Failure,
) {
    let mut status = object.status.clone().unwrap_or_default();
    condition::remove_renamed(&mut status.conditions);
    let target = Target { key, object };
    Box::pin(publish_failure(context, target, status, failure)).await;
}

/// Publishes a failure of a reconcile whose plan was applied in part, with the observations of the plan.
pub async fn interrupted(context: &Context, target: Target<'_>, plan: &Plan, failure: &Failure) {
    let Target { key, object } = target;
    let old = object.status.clone().unwrap_or_default();
    let mut bindings = plan.steps.iter().filter_map(|step| match step {
        Step::Bind(store, binding) => Some((store, binding)),
        Step::Write(_) => None,
    });
    let bound = bindings.all(|(store, binding)| context.databases.is_ensured(key, store, binding));
    let status = interrupted::status(&old, plan, bound);
    Box::pin(publish_failure(context, target, status, failure)).await;
}

/// The tenant whose status is patched.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Namespace and name of the tenant.
    pub key: &'a ObjectKey,
    /// The tenant as last read or written.
    pub object: &'a TenantControlPlane,
}

async fn publish_failure(
    context: &Context,
    Target { key, object }: Target<'_>,
    mut status: TenantControlPlaneStatus,
    failure: &Failure,
) {
    let in_a_row = if failure.silent {
        context.tenant_cache.count_silent_failure(key)
    } else {
        0
    };
    let Some(failure) = to_publish(failure, in_a_row) else {
        tracing::debug!(tenant = %key, reason = %failure.reason, "{}", failure.message);
        return;
    };
    for type_ in [failure.condition, ConditionType::Ready] {
        let condition = Condition {
            type_: type_.as_str().to_owned(),
            status: "False".to_owned(),
            reason: failure.reason.as_str().to_owned(),
            message: failure.message.clone(),
            observed_generation: object.metadata.generation,
            last_transition_time: Time(clock::now()),
        };
        condition::set(&mut status.conditions, condition);
    }
    condition::set_activity(&mut status.conditions, &Time(clock::now()));
    let published = if context.tenants.unreadable(key).is_some() {
        conditions_only(context, key, object, &status.conditions).await
    } else {
        publish(context, key, object, &status).await.map(drop)
    };
    if let Err(error) = published {
        tracing::warn!(tenant = %key, reason = %failure.reason, "{} (and {})", failure.message, error.message);
    }
}

/// Silent failures in a row that are not published.
const SILENT: u32 = 3;

/// The failure to publish; `None` for a silent one while there were at most [`SILENT`] in a row.
fn to_publish(failure: &Failure, in_a_row: u32) -> Option<Failure> {
    if !failure.silent {
        return Some(failure.clone());
    }
    // A replica that does not lead publishes nothing.
    if failure.reason == Reason::NotLeading || in_a_row <= SILENT {
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

/// Publishes the conditions alone, of an object that cannot be parsed as a whole.
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
    for event in transitions(&old, conditions) {
        log(key, &event);
        context.events.publish(object, event.into()).await;
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
    for event in transitions(&old, &status.conditions) {
        log(key, &event);
        context.events.publish(object, event.into()).await;
    }
    context.measure(key, &live);
    context
        .tenants
        .replace(key.clone(), std::sync::Arc::new(live.clone()));
    Ok(live)
}

fn log(key: &ObjectKey, what: &Event) {
    if what.warning {
        tracing::warn!(tenant = %key, reason = %what.reason, "{}", what.note);
    } else {
        tracing::info!(tenant = %key, reason = %what.reason, "{}", what.note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kamaji_shell::apply::WriteError;

    #[test]
    fn conflicts_are_published_from_the_fourth_in_a_row_with_their_object() {
        let conflict = WriteError::Conflict {
            object: "Secret ns/t-ca".to_owned(),
            message: "the object has been modified".to_owned(),
        };
        let failure = Failure::from(conflict);
        for in_a_row in 1..=3 {
            assert!(to_publish(&failure, in_a_row).is_none());
        }
        let published = to_publish(&failure, 4).unwrap();
        assert!(
            published.message.contains("Secret ns/t-ca"),
            "{}",
            published.message
        );
        let again = to_publish(&failure, 5).unwrap();
        assert_eq!(published.message, again.message, "it is one write");
        let standby = Failure::from(WriteError::NotLeading("it".to_owned()));
        assert!(to_publish(&standby, 100).is_none());
        assert!(to_publish(&Failure::object_unreadable("x"), 0).is_some());
    }
}
