//! The tenant controller: observes one TenantControlPlane, plans, applies the plan and reports.
//!
//! Decisions are made in `kamaji_core::plan`; this module carries them out.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use kamaji_api::{labels, tenant::TenantControlPlane};
use kamaji_core::{
    adoption::Child,
    binding::Binding,
    data_store::ResolvedDataStore,
    object::{Kind, Object, ObjectRef},
    plan::{self, Plan, Step},
    snapshot::Snapshot,
};

use crate::{
    context::Context,
    expiry_metrics::{self, Measured},
    failure::Failure,
    fingerprint::{self, Contents, Fingerprint},
    handover, migrations, observe, orphan,
    report::{self, Target},
    store, tenant_cluster, usage,
};
use kamaji_shell::{ObjectKey, clock, heavy, index::Answer, queue::Outcome};

/// One reconcile between its stages.
struct Reconcile {
    /// The observation of the tenant, updated by its writes.
    snapshot: Snapshot,
    /// Marks of the tenant as it was observed, with the facts that the last plan was made from.
    before: Before,
    /// The plan that was made last.
    plan: Plan,
}

/// Marks of a tenant from before its snapshot was gathered.
struct Before {
    fingerprint: Fingerprint,
    contents: Contents,
}

/// Reconciles the tenant `key`:
///
/// 1. Dereference: a tenant that is gone is forgotten; one that is paused is left alone; one that is
///    being deleted goes to [`crate::deletion`].
/// 2. Observe: compare the fingerprint with that of the last complete reconcile, of this process or of the former one
///    ([`crate::handover`]), and return if it is the same; else gather the snapshot.
/// 3. Plan: compute the desired state from the snapshot (`kamaji_core::plan`). A Service that does not exist is
///    created before.
/// 4. Apply: write what differs. If other controllers responded to the writes at once, plan and apply
///    again, at most [`ROUNDS`] times.
/// 5. Report: patch the status, publish events, and schedule the next reconcile.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Outcome {
    let Some(object) = context.tenants.get(&key) else {
        context.forget(&key);
        store::enqueue_former_stores(&context, &key.to_string());
        return orphan::reconcile(&context, &key).await;
    };
    if labels::is_paused(&object.metadata) {
        return Outcome::Done {
            requeue_after: None,
        };
    }
    let unreadable = context.tenants.unreadable(&key);
    if object.metadata.deletion_timestamp.is_some() {
        return Box::pin(crate::deletion::reconcile(&context, &key, &object)).await;
    }
    if let Some(why) = unreadable {
        // Its next version enqueues it.
        report::failed(&context, &key, &object, &Failure::object_unreadable(&why)).await;
        return Outcome::Done {
            requeue_after: Some(context.settings.resync),
        };
    }
    let fingerprint = Fingerprint::of(
        &context.index,
        &key,
        &object,
        observe::environment(&context, &key, &object),
    );
    if let Some(left) = unchanged(&context, &key, &object, fingerprint) {
        return Outcome::Done {
            requeue_after: Some(left),
        };
    }
    migrations::schedule_lift(&context, &key, &object);
    let before = Before {
        fingerprint,
        contents: fingerprint::contents(&context.index, &key),
    };
    let snapshot = match Box::pin(observe(&context, &key, &object)).await {
        Ok(snapshot) => snapshot,
        Err(failure) => {
            report::failed(&context, &key, &object, &failure).await;
            return Outcome::Retry;
        }
    };
    Box::pin(plan_and_apply(&context, &key, snapshot, before)).await
}

/// Time until the next reconcile of a tenant that this process or the former one left as it is now; `None` if it
/// must be planned.
fn unchanged(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    fingerprint: Fingerprint,
) -> Option<Duration> {
    let resync = context.settings.resync;
    let known = context.tenant_cache.unchanged(key, fingerprint, resync);
    if known.is_some() {
        return known;
    }
    let left = handover::accept(context, key, object, fingerprint)?;
    tenant_cluster::schedule(context, key, object);
    enqueue_stores(context, object);
    for store in observe::store_names(context, object) {
        usage::follow_inherited(context, key, &store);
    }
    Some(left)
}

/// Plans from `snapshot`, and applies the plan; a spec that is not valid is reported.
async fn plan_and_apply(
    context: &Context,
    key: &ObjectKey,
    mut snapshot: Snapshot,
    mut before: Before,
) -> Outcome {
    if create_service(context, key, &mut snapshot).await {
        before.fingerprint.children.facts = fingerprint::facts(&context.index, key);
        observe::children(context, key, &mut snapshot);
    }
    match heavy::run(|| plan::plan(&snapshot)).await {
        Ok(plan) => {
            let reconcile = Reconcile {
                snapshot,
                before,
                plan,
            };
            Box::pin(apply_plan(context, key, reconcile)).await
        }
        Err(error) => {
            // Only another spec helps, and that enqueues the tenant.
            let failure = Failure::spec_invalid(&error);
            report::failed(context, key, &snapshot.object, &failure).await;
            let requeue_after = Some(context.settings.resync);
            context
                .tenant_cache
                .complete(key, before.fingerprint, requeue_after);
            Outcome::Done { requeue_after }
        }
    }
}

/// Creates the Service of a tenant that has none, so that the plan knows its address. True if it was created; a
/// failure is that of the plan, which has the same write.
async fn create_service(context: &Context, key: &ObjectKey, snapshot: &mut Snapshot) -> bool {
    let Some(service) = heavy::run(|| plan::service_to_create(snapshot)).await else {
        return false;
    };
    match write(context, key, snapshot, &service).await {
        Ok(()) => true,
        Err(failure) => {
            tracing::debug!(tenant = %key, "the Service is not created: {}", failure.message);
            false
        }
    }
}

/// Gathers the snapshot, and releases what a former tenant of the name left.
async fn observe(
    context: &Context,
    key: &ObjectKey,
    object: &Arc<TenantControlPlane>,
) -> Result<Snapshot, Failure> {
    let snapshot = Box::pin(observe::snapshot(context, key, object)).await?;
    orphan::release_predecessor(context, key, &snapshot).await?;
    Ok(snapshot)
}

/// Plans per reconcile at most. A write may bring at once what the plan waited for, an address for
/// example; then the next plan is made from what is already known.
const ROUNDS: usize = 3;

async fn apply_plan(context: &Context, key: &ObjectKey, mut reconcile: Reconcile) -> Outcome {
    let applied = apply_rounds(context, key, &mut reconcile).await;
    // Whatever became of the writes: certificates that are not replaced are what the metrics are for.
    measure_expiries(context, key, &reconcile);
    let object = &reconcile.snapshot.object;
    let stable = match applied {
        Ok(stable) => stable,
        Err(failure) => {
            let target = Target { key, object };
            report::interrupted(context, target, &reconcile.plan, &failure).await;
            if let Some(occupied) = &failure.occupied {
                context.tenant_cache.read_by_name(key, occupied);
                return Outcome::Requeue(Duration::ZERO);
            }
            return Outcome::Retry;
        }
    };
    match report::planned(context, key, object, &reconcile.plan).await {
        Ok(object) if stable => complete(context, key, reconcile, &object),
        Ok(_) => Outcome::Requeue(Duration::ZERO),
        Err(failure) => {
            tracing::debug!(tenant = %key, "status patch failed: {}", failure.message);
            Outcome::Retry
        }
    }
}

/// Applies the plan, and the plans that follow from what the writes brought. Returns true once a plan
/// changed no facts.
async fn apply_rounds(
    context: &Context,
    key: &ObjectKey,
    reconcile: &mut Reconcile,
) -> Result<bool, Failure> {
    let Reconcile {
        snapshot,
        before,
        plan,
    } = reconcile;
    let known = &mut before.fingerprint.children.facts;
    for _ in 0..ROUNDS {
        apply(context, key, snapshot, plan).await?;
        let facts = fingerprint::facts(&context.index, key);
        if facts == *known {
            return Ok(true);
        }
        *known = facts;
        observe::children(context, key, snapshot);
        match heavy::run(|| plan::plan(snapshot)).await {
            Ok(next) => *plan = next,
            // The same spec was parsed a moment ago.
            Err(_) => break,
        }
    }
    Ok(false)
}

fn measure_expiries(context: &Context, key: &ObjectKey, reconcile: &Reconcile) {
    let Reconcile { snapshot, plan, .. } = reconcile;
    let deadline = snapshot.now + context.settings.core.expiration_deadline;
    let measured = Measured {
        counts: expiry_metrics::count(&snapshot.secrets, snapshot.now, deadline),
        expiries: plan.expiries.clone(),
    };
    context.measure_expiries(key, measured);
}

/// Ends a reconcile whose status is published: records it, and schedules the next one. Something that
/// changed meanwhile was not planned for, and requeues the tenant at once.
fn complete(
    context: &Context,
    key: &ObjectKey,
    reconcile: Reconcile,
    object: &TenantControlPlane,
) -> Outcome {
    // Before the checks: a change after them then differs from the recorded fingerprint.
    let now = fingerprint::contents(&context.index, key);
    if is_outdated(context, key, &reconcile, object) {
        return Outcome::Requeue(Duration::ZERO);
    }
    let resync = context.settings.resync;
    let resync = clock::jitter(resync.mul_f64(0.9), resync);
    let requeue_at = reconcile.plan.requeue_at;
    let requeue_after = Some(requeue_at.map_or(resync, |at| clock::until(at).min(resync)));
    let Before {
        fingerprint,
        contents,
    } = reconcile.before;
    let contents = fingerprint::contents_after(contents, now, &written(&reconcile.plan));
    let fingerprint = fingerprint.after_writes(object, &contents);
    context
        .tenant_cache
        .complete(key, fingerprint, requeue_after);
    tenant_cluster::schedule(context, key, object);
    enqueue_stores(context, object);
    migrations::schedule(context, key, object);
    Outcome::Done { requeue_after }
}

/// The objects that a plan writes or deletes.
fn written(plan: &Plan) -> BTreeSet<ObjectRef> {
    let planned = plan.objects().map(|object| &object.key);
    planned.chain(&plan.prunes).cloned().collect()
}

/// True if something changed during the reconcile that the plan did not know.
fn is_outdated(
    context: &Context,
    key: &ObjectKey,
    reconcile: &Reconcile,
    object: &TenantControlPlane,
) -> bool {
    let environment = observe::environment(context, key, object);
    !same_desired_state(&reconcile.snapshot.object, object)
        || environment != reconcile.before.fingerprint.environment
        || reconcile
            .plan
            .objects()
            .any(|planned| !context.index.as_planned(planned))
}

/// True if both versions ask for the same desired state.
fn same_desired_state(planned: &TenantControlPlane, live: &TenantControlPlane) -> bool {
    let (planned, live) = (&planned.metadata, &live.metadata);
    planned.generation == live.generation
        && planned.annotations == live.annotations
        && planned.finalizers == live.finalizers
        && planned.deletion_timestamp == live.deletion_timestamp
}

/// Applies a plan in its order: finalizers, steps, prunes, and the answered annotation.
async fn apply(
    context: &Context,
    key: &ObjectKey,
    snapshot: &mut Snapshot,
    plan: &Plan,
) -> Result<(), Failure> {
    if let Some(finalizers) = &plan.finalizers {
        let names = observe::store_names(context, &snapshot.object);
        let held = context.stores.hold(key, names);
        held.map_err(|wait| Failure::store_unusable(&wait))?;
        snapshot.object = context
            .writer
            .set_finalizers(&snapshot.object, finalizers)
            .await?;
    }
    for step in &plan.steps {
        match step {
            Step::Write(object) => write(context, key, snapshot, object).await?,
            Step::Bind(store, binding) => {
                bind(context, key, store, binding)
                    .await
                    .map_err(|failure| failure.with_certificate_hint(&snapshot.secrets, key))?;
            }
        }
    }
    for object in &plan.prunes {
        let version = snapshot.child(object).map(|child| child.version.clone());
        context.writer.delete(object, version.as_ref()).await?;
    }
    if plan.answered {
        let (writer, object) = (&context.writer, &snapshot.object);
        let annotation = labels::REPLACE_AUTHORITY;
        snapshot.object = writer.remove_annotation(object, annotation).await?;
    }
    Ok(())
}

/// Writes one object unless it is as planned, and updates snapshot and index.
async fn write(
    context: &Context,
    key: &ObjectKey,
    snapshot: &mut Snapshot,
    object: &Object,
) -> Result<(), Failure> {
    if context.index.as_planned(object) || observe::holds(context, key, snapshot, object).await? {
        return Ok(());
    }
    let since = context.index.since();
    let live = context.writer.write(object).await?;
    let answer = Answer { live: &live, since };
    context.index.remember(key, object, answer);
    let child = Child::of(&live.body, object.key.kind, &key.name);
    snapshot.children.insert(object.key.clone(), child);
    if object.key.kind == Kind::Secret
        && let Ok(secret) = serde_json::from_value(live.body)
    {
        snapshot.secrets.insert(object.key.name.clone(), secret);
    }
    Ok(())
}

/// Enqueues the DataStores of a tenant whose status does not list it as a user yet.
fn enqueue_stores(context: &Context, object: &TenantControlPlane) {
    for name in observe::holding_names(context, object) {
        let key = format!(
            "{}/{}",
            object.metadata.namespace.as_deref().unwrap_or_default(),
            object.metadata.name.as_deref().unwrap_or_default()
        );
        let status = context
            .data_stores
            .get(&name)
            .and_then(|store| store.status.clone());
        if !status.is_some_and(|status| status.used_by.contains(&key)) {
            context.store_queue.enqueue_after(name, store::USERS_DELAY);
        }
    }
}

/// Claims the tenant's names in a datastore, and creates its schema, user and grants. Two tenants with one
/// schema would read each other's data: the first keeps it.
async fn bind(
    context: &Context,
    key: &ObjectKey,
    store: &ResolvedDataStore,
    binding: &Binding,
) -> Result<(), Failure> {
    if let Some(other) = context.databases.claim(key, store, binding) {
        return Err(Failure::shared(store, binding, &other));
    }
    if binding.recorded && !context.databases.is_ensured(key, store, binding) {
        migrations::confirm(context, key, store, binding).await?;
    }
    context.databases.ensure(key, store, binding).await?;
    usage::follow(context, key, &store.name);
    Ok(())
}
