//! Reconciles a tenant that is being deleted: removes its data from the datastores, and its finalizers last.

use std::{sync::Arc, time::Duration};

use kamaji_api::{
    condition::Reason,
    tenant::{KubernetesSpec, NetworkProfile, TenantControlPlane},
};
use kamaji_core::{plan, snapshot::Snapshot, tenant::Tenant};

use crate::{context::Context, databases::Removal, failure::Failure, observe, report};
use kamaji_shell::{ObjectKey, apply::WriteError, events::EventRecord, queue::Outcome};

/// One pass over a tenant that is being deleted.
pub async fn reconcile(
    context: &Context,
    key: &ObjectKey,
    object: &Arc<TenantControlPlane>,
) -> Outcome {
    // A copy that is under way sees the deletion, and ends.
    if context.migrating.is_running(key) {
        return Outcome::Requeue(Duration::from_millis(500));
    }
    match Box::pin(apply_deletion(context, key, object)).await {
        Ok(()) => Outcome::Done {
            requeue_after: None,
        },
        Err(failure) => {
            report::failed(context, key, object, &failure).await;
            Outcome::Retry
        }
    }
}

async fn apply_deletion(
    context: &Context,
    key: &ObjectKey,
    object: &Arc<TenantControlPlane>,
) -> Result<(), Failure> {
    let live = object.metadata.finalizers.clone().unwrap_or_default();
    let snapshot = Box::pin(observe::snapshot(context, key, object)).await?;
    let tenant = readable(&snapshot)?;
    let todo = plan::deletion(&tenant, &snapshot)?;
    for (store, binding) in &todo.unbind {
        let removed = context.databases.remove(key, store, binding).await;
        let removed = removed.map_err(|error| Failure::not_removed(&error))?;
        if let Removal::Left(why) = removed {
            let note = format!(
                "nothing was removed from the DataStore {}, since it is not this tenant's: {why}",
                store.name
            );
            tracing::warn!(tenant = %key, "{note}");
            let what = EventRecord {
                warning: true,
                reason: Reason::DataStoreLeft.as_str().to_owned(),
                note,
            };
            context.events.publish(object.as_ref(), what).await;
        }
    }
    if let Some(secret) = &todo.release {
        match context.writer.write(secret).await {
            // A Secret that is gone needs no release. One that has changed is read again.
            Ok(_) | Err(WriteError::Invalid { .. } | WriteError::Gone(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if todo.finalizers != live {
        context
            .writer
            .set_finalizers(object.as_ref(), &todo.finalizers)
            .await?;
        tracing::info!(tenant = %key, "its data is removed and it is let go");
    }
    Ok(())
}

/// A tenant whose text became unreadable must be deletable, too: what deletion needs of it is in its
/// status and its uid.
fn readable(snapshot: &Snapshot) -> Result<Tenant, Failure> {
    Tenant::parse(&snapshot.object).or_else(|_| {
        let mut object = snapshot.object.clone();
        object.spec.network_profile = NetworkProfile::default();
        object.spec.kubernetes = KubernetesSpec {
            version: "v0.0.0".to_owned(),
            ..object.spec.kubernetes
        };
        Tenant::parse(&object).map_err(|error| Failure::spec_invalid(&error))
    })
}
