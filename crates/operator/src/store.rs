//! Controller of DataStores: resolves their references, checks the datastores periodically, writes status and
//! finalizer, and enqueues the tenants that use them.

pub mod check;

use std::{
    collections::{BTreeSet, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::Condition};
use kamaji_api::{
    condition::{self, Reason, Severity},
    datastore::{DataStore, DataStoreStatus},
    labels,
    tenant::TenantControlPlane,
};
use kamaji_core::{
    data_store::{
        self, Secrets,
        status::{Facts, MOST_USERS},
    },
    snapshot::StoreWait,
};
use kube::{Api, api::ApiResource};
use tokio::{sync::Mutex, task::AbortHandle};

use crate::context::Context;
use kamaji_shell::{apply::WriteError, clock, events::EventRecord, queue::Outcome, watch};

/// Delay before `status.usedBy` follows a tenant that was created or deleted, so that many of them cost one
/// write.
pub const USERS_DELAY: Duration = Duration::from_secs(2);

/// Watches of the Secrets that DataStores name.
#[derive(Default)]
pub struct SecretWatches {
    running: Mutex<HashMap<(String, String), AbortHandle>>,
}

impl SecretWatches {
    /// Starts and ends watches so that exactly the Secrets that some DataStore names are watched.
    async fn update(&self, context: &Arc<Context>) {
        let mut desired: BTreeSet<(String, String)> = BTreeSet::new();
        for (_, object) in context.data_stores.all() {
            desired.extend(data_store::references(&object));
        }
        let mut running = self.running.lock().await;
        running.retain(|reference, task| {
            let named = desired.contains(reference);
            if !named {
                task.abort();
            }
            named
        });
        for reference in desired {
            if running.contains_key(&reference) {
                continue;
            }
            let (watching, secret) = (context.clone(), reference.clone());
            let task = tokio::spawn(async move {
                let enqueue = || {
                    for (name, object) in watching.data_stores.all() {
                        if data_store::references(&object).contains(&secret) {
                            watching.store_queue.enqueue(name);
                        }
                    }
                };
                let (namespace, name) = secret.clone();
                let resource = ApiResource::erase::<Secret>(&());
                let api = Api::namespaced_with(watching.watching.clone(), &namespace, &resource);
                watch::object(api, name, enqueue).await;
            });
            running.insert(reference, task.abort_handle());
        }
    }
}

/// Reconciles the DataStore `name`: resolves it, plans its status and finalizer, and applies both.
pub async fn reconcile(
    context: Arc<Context>,
    watches: Arc<SecretWatches>,
    name: String,
) -> Outcome {
    watches.update(&context).await;
    if let Some(why) = context.data_stores.unreadable(&name) {
        unreadable(&context, &name, &why);
        return Outcome::Done {
            requeue_after: None,
        };
    }
    let Some(object) = context.data_stores.get(&name) else {
        forget(&context, &name).await;
        return Outcome::Done {
            requeue_after: None,
        };
    };
    if labels::is_paused(&object.metadata) {
        return Outcome::Done {
            requeue_after: None,
        };
    }
    match apply_plan(&context, &name, &object).await {
        Ok(()) => Outcome::Done {
            requeue_after: Some(requeue_after(&context, &name)),
        },
        Err(error) => {
            tracing::warn!(store = %name, %error, "reconcile failed");
            unobserved(&context, &name, &error.to_string());
            Outcome::Retry
        }
    }
}

/// Forgets the DataStore `name`, which does not exist any more: its client, its state and its metrics.
async fn forget(context: &Context, name: &str) {
    context.metrics.forget_store(name);
    context.databases.close(name).await;
    if context.stores.remove(name) {
        enqueue_users(context, name);
    }
    context.metrics.probes.forget(name);
    context.metrics.expiries.forget(name);
}

/// Delay until the next reconcile without any event: the resync period, or less if one of the certificates
/// comes near its end before.
fn requeue_after(context: &Context, name: &str) -> Duration {
    let expiries = context
        .stores
        .get(name)
        .map(|store| data_store::expiry::expiries(&store));
    let now = clock::now();
    let notices = expiries.iter().flatten().map(|expiry| expiry.notice);
    let next = notices.filter(|notice| *notice > now).min();
    let resync = context.settings.resync;
    next.map_or(resync, |at| clock::until(at).min(resync))
}

/// Publishes an event when the condition first reports a certificate that ends soon.
async fn publish_expiry(context: &Context, object: &DataStore, next: &[Condition]) {
    let reason = |all: &[Condition]| {
        let valid = condition::find(all, condition::DATA_STORE_VALID)?;
        (valid.reason == Reason::CertificateExpiring).then(|| valid.message.clone())
    };
    let old = object
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    if let (None, Some(note)) = (reason(old), reason(next)) {
        let event = EventRecord {
            warning: true,
            reason: Reason::CertificateExpiring.as_str().to_owned(),
            note,
        };
        tracing::warn!(reason = %event.reason, "{}", event.note);
        context.events.publish(object, event).await;
    }
}

/// Marks a DataStore that this build cannot parse as not ready, whatever its former state.
pub fn unreadable(context: &Context, name: &str, why: &str) {
    not_ready(
        context,
        name,
        format!(
            "this operator cannot read the DataStore {name}: {why}; correct that field, or run the release that the definitions came with"
        ),
    );
}

/// Marks a DataStore that was never resolved as not ready, for the reason `why`: its tenants then wait for it
/// and do not report it as missing.
pub fn unobserved(context: &Context, name: &str, why: &str) {
    if matches!(context.stores.get(name), Err(StoreWait::Missing(_))) {
        not_ready(context, name, format!("{why}; it is tried again by itself"));
    }
}

fn not_ready(context: &Context, name: &str, why: String) {
    let mut hasher = DefaultHasher::new();
    why.hash(&mut hasher);
    if context.stores.set(name, hasher.finish(), Err(why)) {
        enqueue_users(context, name);
    }
}

/// Resolves the references of the DataStore `name`, and enqueues its tenants if the result changed. Reads
/// Secrets and writes nothing.
pub async fn resolve(
    context: &Context,
    name: &str,
    object: &DataStore,
) -> Result<Resolution, kube::Error> {
    let secrets = secrets(context, object).await?;
    let now = clock::now();
    let resolved = data_store::resolve(object, &secrets, now);
    let mut hasher = DefaultHasher::new();
    for (reference, secret) in &secrets {
        reference.hash(&mut hasher);
        serde_json::to_string(&secret.data)
            .unwrap_or_default()
            .hash(&mut hasher);
    }
    serde_json::to_string(&object.spec)
        .unwrap_or_default()
        .hash(&mut hasher);
    match &resolved {
        Ok(store) => (store.without_access_control, &store.adopted_clusters).hash(&mut hasher),
        Err(error) => error.to_string().hash(&mut hasher),
    }
    let usable = resolved.clone().map_err(|error| error.to_string());
    if context.stores.set(name, hasher.finish(), usable) {
        if let Ok(store) = &resolved {
            context.databases.recall(store);
        }
        context.check_queue.enqueue(name.to_owned());
        enqueue_users(context, name);
    }
    Ok(resolved)
}

/// A DataStore with its references resolved, or the flaw that keeps it from being used.
pub type Resolution = Result<data_store::ResolvedDataStore, data_store::StoreError>;

async fn apply_plan(context: &Context, name: &str, object: &DataStore) -> Result<(), StoreFailure> {
    let resolved = resolve(context, name, object).await.map_err(Box::new)?;
    let used_by = used_by(context, name);
    let health = context.stores.health(name);
    let probe = context.stores.probe(name);
    let facts = Facts {
        used_by: &used_by,
        resolved: &resolved,
        health: &health,
        probe: probe.as_ref(),
    };
    let plan = data_store::status::plan(object, facts, clock::now());
    context
        .metrics
        .store(name, object.spec.driver.as_str(), resolved.is_ok());
    if let Ok(store) = &resolved {
        context
            .metrics
            .expiries
            .set(name, &data_store::expiry::expiries(store));
    }
    let mut live = object.clone();
    if let Some(finalizers) = &plan.finalizers {
        let deleted = object.metadata.deletion_timestamp.is_some();
        if deleted && !context.stores.let_go(name) {
            // A tenant has just started to use it; its finalizer enqueues the DataStore again.
            return Ok(());
        }
        live = context.writer.set_finalizers(object, finalizers).await?;
        if deleted {
            context.metrics.forget_store(name);
            context.metrics.probes.forget(name);
            context.metrics.expiries.forget(name);
            enqueue_users(context, name);
            return Ok(());
        }
    }
    if object.status.as_ref() != Some(&plan.status) {
        context.writer.patch_status(&live, &plan.status).await?;
        publish_expiry(context, object, &plan.status.conditions).await;
        for event in new_failures(object, &plan.status) {
            tracing::warn!(store = %name, reason = %event.reason, "{}", event.note);
            context.events.publish(object, event).await;
        }
    }
    Ok(())
}

/// Events for conditions that became False or changed their reason; a deletion that waits for tenants is none.
fn new_failures(object: &DataStore, next: &DataStoreStatus) -> Vec<EventRecord> {
    let old = object.status.as_ref().map(|status| &status.conditions);
    let was = |type_: &str| old.and_then(|old| condition::find(old, type_));
    next.conditions
        .iter()
        .filter(|now| now.status == "False" && severity(now) == Severity::Warning)
        .filter(|now| was(&now.type_).is_none_or(|was| was.reason != now.reason))
        .map(|now| EventRecord {
            warning: true,
            reason: now.reason.clone(),
            note: now.message.clone(),
        })
        .collect()
}

/// The severity of a condition's reason; a warning for one that this build does not know.
fn severity(condition: &Condition) -> Severity {
    Reason::parse(&condition.reason).map_or(Severity::Warning, Reason::severity)
}

#[derive(Debug, thiserror::Error)]
enum StoreFailure {
    #[error("its Secrets cannot be read: {0}")]
    Read(#[from] Box<kube::Error>),
    #[error(transparent)]
    Write(#[from] WriteError),
}

async fn secrets(context: &Context, object: &DataStore) -> Result<Secrets, kube::Error> {
    let mut secrets = Secrets::new();
    for (namespace, name) in data_store::references(object) {
        let api: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
        context.metrics.counters.request("get", "secrets");
        if let Some(secret) = api.get_opt(&name).await? {
            secrets.insert((namespace, name), secret);
        }
    }
    Ok(secrets)
}

/// Tenants that have data in the DataStore, or are about to: those whose status records it, and those that
/// name it and carry the operator's finalizer.
fn used_by(context: &Context, name: &str) -> BTreeSet<String> {
    context
        .tenants
        .all()
        .into_iter()
        .filter(|(_, tenant)| uses(context, tenant, name))
        .map(|(key, _)| key.to_string())
        .collect()
}

fn uses(context: &Context, tenant: &TenantControlPlane, name: &str) -> bool {
    let storage = tenant.status.as_ref().and_then(|s| s.storage.as_ref());
    let recorded = storage.is_some_and(|storage| {
        let overrides = storage.overrides.iter().flatten();
        let migration = storage.migration.as_ref();
        let mut former = storage.former.iter().flatten();
        storage.data_store_name.as_deref() == Some(name)
            || overrides.into_iter().any(|item| item.data_store == name)
            || migration.is_some_and(|record| record.target == name)
            || former.any(|had| had.data_store == name)
    });
    let mut finalizers = tenant.metadata.finalizers.iter().flatten();
    let finalized = finalizers.any(|f| f == labels::FINALIZER);
    let names = || crate::observe::holding_names(context, tenant);
    recorded || finalized && names().iter().any(|used| used == name)
}

/// Enqueues the DataStores whose `status.usedBy` names the tenant `key`, after its deletion.
pub fn enqueue_former_stores(context: &Context, key: &str) {
    for (name, store) in context.data_stores.all() {
        let Some(status) = &store.status else {
            continue;
        };
        let complete = status.used_by.len() < MOST_USERS;
        if !complete || status.used_by.iter().any(|user| user == key) {
            context.store_queue.enqueue_after(name, USERS_DELAY);
        }
    }
}

fn enqueue_users(context: &Context, name: &str) {
    for (key, tenant) in context.tenants.all() {
        let names = crate::observe::holding_names(context, &tenant);
        if names.iter().any(|used| used == name) {
            context.tenant_queue.enqueue(key);
        }
    }
}
