//! What happens when something about a tenant may have changed?
//!
//! One pass: observe, plan, apply, report. Nothing is decided here; the decisions are
//! `kamaji_core::plan`'s.

use std::{collections::hash_map::DefaultHasher, hash::Hasher, sync::Arc, time::Duration};

use kamaji_api::{labels, tenant::TenantControlPlane};
use kamaji_core::{
    adoption::Child,
    binding::Binding,
    object::{Kind, Object},
    plan::{self, Plan, Step},
    snapshot::Snapshot,
    store::Store,
};

use crate::{
    certificates,
    context::Context,
    observe, orphan,
    report::{self, Failure},
    store, tenant_cluster,
};
use kamaji_shell::{
    ObjectKey, clock, heavy,
    index::{Answer, Entry},
    queue::Outcome,
};

/// One reconcile of the tenant `key`.
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
        // Its next version wakes us.
        report::failed(&context, &key, &object, &Failure::unknown(&why)).await;
        return Outcome::Done {
            requeue_after: Some(context.settings.resync),
        };
    }
    let facts = facts(&context, &key);
    let around = around(&context, &key, &object);
    let seen = fingerprint(&context, &key, &object, (facts, around));
    if let Some(wake) = context.memo.unchanged(&key, seen, context.settings.resync) {
        return Outcome::Done {
            requeue_after: Some(wake),
        };
    }
    let snapshot = match Box::pin(observe::snapshot(&context, &key, &object)).await {
        Ok(snapshot) => snapshot,
        Err(failure) => {
            report::failed(&context, &key, &object, &failure).await;
            return Outcome::Retry;
        }
    };
    if let Err(error) = orphan::release_predecessor(&context, &key, &snapshot).await {
        report::failed(&context, &key, &object, &error.into()).await;
        return Outcome::Retry;
    }
    match heavy::run(|| plan::plan(&snapshot)).await {
        Ok(plan) => Box::pin(pass(&context, &key, (snapshot, facts, around), plan)).await,
        Err(unreadable) => {
            // Nothing can be done until the text changes, and that wakes us.
            let failure = Failure::unreadable(&unreadable);
            report::failed(&context, &key, &object, &failure).await;
            let requeue_after = Some(context.settings.resync);
            context.memo.settle(&key, seen, requeue_after);
            Outcome::Done { requeue_after }
        }
    }
}

/// What was written may say something by itself that the plan waited for, an address for example:
/// then it goes on at once, with what it knows already.
const ROUNDS: usize = 3;

async fn pass(
    context: &Context,
    key: &ObjectKey,
    (mut snapshot, mut facts, around): (Snapshot, u64, u64),
    mut plan: Plan,
) -> Outcome {
    let mut result = Ok(());
    let mut settled = false;
    for _ in 0..ROUNDS {
        result = apply(context, key, &mut snapshot, &plan).await;
        let said = self::facts(context, key);
        settled = said == facts;
        if result.is_err() || settled {
            break;
        }
        facts = said;
        observe::children(context, key, &mut snapshot);
        match heavy::run(|| plan::plan(&snapshot)).await {
            Ok(next) => plan = next,
            // It could be read a moment ago.
            Err(_) => break,
        }
    }
    if let Err(failure) = result {
        report::refused(context, key, (&snapshot.object, &plan), &failure).await;
        if let Some(occupied) = &failure.occupied {
            context.memo.occupy(key, occupied);
            return Outcome::Requeue(Duration::ZERO);
        }
        return Outcome::Retry;
    }
    let deadline = snapshot.now + context.settings.core.expiration_deadline;
    let (x509, kubeconfigs) = certificates::census(&snapshot.secrets, snapshot.now, deadline);
    let named = (key.namespace.as_str(), key.name.as_str());
    context.metrics.certificates(named, x509, kubeconfigs);
    context
        .metrics
        .expiries
        .set(&key.to_string(), &plan.expiries);
    let resync = clock::jitter(
        context.settings.resync.mul_f64(0.9),
        context.settings.resync,
    );
    let wake = plan
        .requeue_at
        .map_or(resync, |at| clock::until(at).min(resync));
    match report::planned(context, key, &snapshot.object, &plan).await {
        Ok(object) => {
            let seen = fingerprint(context, key, &object, (facts, around));
            // Whatever changed while we worked was not planned for: it must not count as seen.
            let overtaken = !same_desired_state(&snapshot.object, &object)
                || self::around(context, key, &object) != around
                || plan
                    .objects()
                    .any(|planned| !context.index.as_planned(planned));
            if !settled || overtaken {
                return Outcome::Requeue(Duration::ZERO);
            }
            context.memo.settle(key, seen, Some(wake));
            tenant_cluster::schedule(context, key, &object);
            enqueue_stores(context, &object);
            Outcome::Done {
                requeue_after: Some(wake),
            }
        }
        Err(failure) => {
            tracing::debug!(tenant = %key, "{}", failure.message);
            Outcome::Retry
        }
    }
}

/// True if `live` asks for what `planned` asked for.
fn same_desired_state(planned: &TenantControlPlane, live: &TenantControlPlane) -> bool {
    let (planned, live) = (&planned.metadata, &live.metadata);
    planned.generation == live.generation
        && planned.annotations == live.annotations
        && planned.finalizers == live.finalizers
        && planned.deletion_timestamp == live.deletion_timestamp
}

/// Makes it so, in the order of the plan.
async fn apply(
    context: &Context,
    key: &ObjectKey,
    snapshot: &mut Snapshot,
    plan: &Plan,
) -> Result<(), Failure> {
    if let Some(finalizers) = &plan.finalizers {
        let names = observe::store_names(context, &snapshot.object);
        let held = context.stores.hold(key, names);
        held.map_err(|wait| Failure::waiting(&wait))?;
        snapshot.object = context
            .writer
            .set_finalizers(&snapshot.object, finalizers)
            .await?;
    }
    for step in &plan.steps {
        match step {
            Step::Write(object) => write(context, key, (snapshot, object)).await?,
            Step::Bind(store, binding) => {
                bind(context, key, (store, binding))
                    .await
                    .map_err(|failure| failure.beside(&snapshot.secrets, key))?;
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

async fn write(
    context: &Context,
    key: &ObjectKey,
    (snapshot, object): (&mut Snapshot, &Object),
) -> Result<(), Failure> {
    if context.index.as_planned(object) || observe::holds(context, key, (snapshot, object)).await? {
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

/// Who uses a DataStore is written down there, too.
fn enqueue_stores(context: &Context, object: &TenantControlPlane) {
    for name in observe::store_names(context, object) {
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

/// Claims the tenant's names in a datastore and sees to it that it has its place there. Two tenants in
/// one place would read each other's data: whoever was there first keeps it.
async fn bind(
    context: &Context,
    key: &ObjectKey,
    (store, binding): (&Store, &Binding),
) -> Result<(), Failure> {
    if let Some(other) = context.databases.claim(key, store, binding) {
        return Err(Failure::shared(&store.name, binding, &other));
    }
    Ok(context.databases.ensure(key, store, binding).await?)
}

/// What children say by themselves, in eight bytes.
fn facts(context: &Context, key: &ObjectKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    let look = |entry: &Entry| hasher.write_u64(entry.facts_digest());
    context.index.each(key, look);
    hasher.finish()
}

/// What a plan looks at beside the tenant and its children, in eight bytes.
fn around(context: &Context, key: &ObjectKey, object: &TenantControlPlane) -> u64 {
    let mut hasher = DefaultHasher::new();
    for store in observe::store_names(context, object) {
        hasher.write_u64(context.stores.digest(&store));
    }
    hasher.write_u64(context.tenant_cluster.digest(key));
    hasher.write_u8(context.gateway_api().into());
    hasher.finish()
}

/// Everything that a plan may look at, in eight bytes. What children say, and what is around them,
/// is as it was observed: if our own writes changed it, another look is due, and nothing else they
/// change is news.
fn fingerprint(
    context: &Context,
    key: &ObjectKey,
    object: &TenantControlPlane,
    (facts, around): (u64, u64),
) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = &object.metadata;
    for part in [
        serde_json::to_vec(&(
            &meta.uid,
            &meta.generation,
            &meta.annotations,
            &meta.finalizers,
        )),
        serde_json::to_vec(&object.status),
    ] {
        hasher.write(&part.unwrap_or_default());
    }
    hasher.write_u64(facts);
    let look = |entry: &Entry| hasher.write_u64(entry.content_digest());
    context.index.each(key, look);
    hasher.write_u64(around);
    hasher.finish()
}
