//! What happens when something about a tenant may have changed?
//!
//! One pass: observe, plan, apply, report. Nothing is decided here; the decisions are
//! `kamaji_core::plan`'s.

use std::{collections::hash_map::DefaultHasher, hash::Hasher, sync::Arc, time::Duration};

use kamaji_api::{labels, tenant::TenantControlPlane};
use kamaji_core::{
    object::Object,
    plan::{self, Plan, Step},
    snapshot::Snapshot,
    tenant::Tenant,
};

use crate::{
    context::{Context, Key},
    observe,
    report::{self, Failure},
    shell::{clock, queue::Outcome},
};

/// One reconcile of the tenant `key`.
pub async fn reconcile(context: Arc<Context>, key: Key) -> Outcome {
    let Some(object) = context.tenants.get(&key) else {
        context.forget(&key);
        return Outcome::Done { wake: None };
    };
    if labels::is_paused(&object.metadata) {
        return Outcome::Done { wake: None };
    }
    if object.metadata.deletion_timestamp.is_some() {
        return crate::deletion::reconcile(&context, &key, &object).await;
    }
    let seen = fingerprint(&context, &key, &object);
    if let Some(wake) = context.memo.unchanged(&key, seen) {
        return Outcome::Done { wake };
    }
    let snapshot = match observe::snapshot(&context, &key, &object).await {
        Ok(snapshot) => snapshot,
        Err(failure) => return Outcome::retry(&failure),
    };
    match plan::plan(&snapshot) {
        Ok(plan) => pass(&context, &key, &snapshot, plan).await,
        Err(unreadable) => {
            // Nothing can be done until the text changes, and that wakes us.
            let failure = Failure::unreadable(&unreadable);
            report::failed(&context, &snapshot.object, &failure).await;
            context.memo.settle(&key, fingerprint(&context, &key, &object), None);
            Outcome::Done { wake: None }
        }
    }
}

async fn pass(context: &Context, key: &Key, snapshot: &Snapshot, plan: Plan) -> Outcome {
    if let Err(failure) = apply(context, key, snapshot, &plan).await {
        report::failed(context, &snapshot.object, &failure).await;
        if failure.adopt {
            context.memo.adopt(key);
            return Outcome::Wait(Duration::ZERO);
        }
        return Outcome::retry(&failure);
    }
    let wake = plan.wake.map(|at| clock::until(at).min(context.settings.resync));
    match report::planned(context, &snapshot.object, &plan).await {
        Ok(object) => {
            context.memo.settle(key, fingerprint(context, key, &object), wake);
            context.inside_if_due(key, &object);
            Outcome::Done { wake: wake.or(Some(context.settings.resync)) }
        }
        Err(failure) => Outcome::retry(&failure),
    }
}

/// Makes it so, in the order of the plan.
async fn apply(
    context: &Context,
    key: &Key,
    snapshot: &Snapshot,
    plan: &Plan,
) -> Result<(), Failure> {
    if let Some(finalizers) = &plan.finalizers {
        context.writer.set_finalizers(&snapshot.object, finalizers).await?;
    }
    for step in &plan.steps {
        match step {
            Step::Write(object) => write(context, snapshot, object).await?,
            Step::Bind(store, binding) => {
                context.databases.ensure(key, store, binding).await?;
            }
        }
    }
    for object in &plan.prunes {
        let uid = context.index.entry(object).map(|entry| entry.uid.to_string());
        context.writer.delete(object, uid.as_deref()).await?;
    }
    Ok(())
}

async fn write(context: &Context, snapshot: &Snapshot, object: &Object) -> Result<(), Failure> {
    if context.index.as_planned(object) || observe::holds(context, snapshot, object).await? {
        return Ok(());
    }
    let live = context.writer.write(object).await?;
    context.index.remember(&object.key, &object.hash, &live);
    Ok(())
}

/// Everything that a plan may look at, in eight bytes.
fn fingerprint(context: &Context, key: &Key, object: &TenantControlPlane) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = &object.metadata;
    for part in [
        serde_json::to_vec(&(&meta.uid, &meta.generation, &meta.annotations, &meta.finalizers)),
        serde_json::to_vec(&object.status),
    ] {
        hasher.write(&part.unwrap_or_default());
    }
    for child in context.index.children(key) {
        if let Some(entry) = context.index.entry(&child) {
            hasher.write_u64(entry.digest());
        }
    }
    for store in observe::store_names(context, object) {
        hasher.write_u64(context.stores.digest(&store));
    }
    hasher.write_u64(context.inside.digest(key));
    hasher.finish()
}
