//! One pass over a DataStore about which something may have changed, and its check every few minutes.

use std::{
    collections::{BTreeSet, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::Condition};
use kamaji_api::{
    condition,
    datastore::{DataStore, DataStoreStatus},
    labels,
    tenant::TenantControlPlane,
};
use kamaji_core::{
    snapshot::StoreWait,
    store::{
        self, Secrets,
        status::{Facts, Health},
    },
};
use kamaji_datastore::{self as datastore, AccessControl};
use kube::{Api, api::ApiResource};
use tokio::{sync::Mutex, task::AbortHandle};

use crate::context::Context;
use kamaji_shell::{apply::WriteError, clock, events::EventRecord, queue::Outcome, watch};

/// Pause before a check that failed is repeated and believed.
const AGAIN: Duration = Duration::from_secs(2);
/// A DataStore that is not well is asked at least this often.
const ILL: Duration = Duration::from_secs(30);

/// Tenants come and go in numbers: who uses a DataStore is written down at most this often.
pub const SETTLE: Duration = Duration::from_secs(2);

/// Watches of the Secrets that DataStores name.
#[derive(Default)]
pub struct SecretWatches {
    running: Mutex<HashMap<(String, String), AbortHandle>>,
}

impl SecretWatches {
    /// Watches exactly the Secrets that some DataStore names.
    async fn follow(&self, context: &Arc<Context>) {
        let mut wanted: HashMap<(String, String), BTreeSet<String>> = HashMap::new();
        for (name, object) in context.data_stores.all() {
            for reference in store::references(&object) {
                wanted.entry(reference).or_default().insert(name.clone());
            }
        }
        let mut running = self.running.lock().await;
        running.retain(|reference, task| {
            let keep = wanted.contains_key(reference);
            if !keep {
                task.abort();
            }
            keep
        });
        for reference in wanted.into_keys() {
            if running.contains_key(&reference) {
                continue;
            }
            let (watching, secret) = (context.clone(), reference.clone());
            let task = tokio::spawn(async move {
                let wake = || {
                    for (name, object) in watching.data_stores.all() {
                        if store::references(&object).contains(&secret) {
                            watching.store_queue.enqueue(name);
                        }
                    }
                };
                let (namespace, name) = secret.clone();
                let resource = ApiResource::erase::<Secret>(&());
                let api = Api::namespaced_with(watching.watching.clone(), &namespace, &resource);
                watch::object(api, name, wake).await;
            });
            running.insert(reference, task.abort_handle());
        }
    }
}

/// One pass over the DataStore `name`.
pub async fn reconcile(
    context: Arc<Context>,
    watches: Arc<SecretWatches>,
    name: String,
) -> Outcome {
    watches.follow(&context).await;
    if let Some(why) = context.data_stores.unreadable(&name) {
        unreadable(&context, &name, &why);
        return Outcome::Done {
            requeue_after: None,
        };
    }
    let Some(object) = context.data_stores.get(&name) else {
        if let Ok(store) = context.stores.get(&name) {
            context.metrics.forget_store(&name, store.driver.as_str());
            context.metrics.expiries.forget(&name);
        }
        if context.stores.remove(&name) {
            enqueue_users(&context, &name);
        }
        return Outcome::Done {
            requeue_after: None,
        };
    };
    if labels::is_paused(&object.metadata) {
        return Outcome::Done {
            requeue_after: None,
        };
    }
    match pass(&context, &name, &object).await {
        Ok(()) => Outcome::Done {
            requeue_after: Some(wake(&context, &name)),
        },
        Err(error) => {
            tracing::warn!(store = %name, %error, "cannot be reconciled, trying again");
            unobserved(&context, &name, &error.to_string());
            Outcome::Retry
        }
    }
}

/// When a DataStore is to be looked at again although nothing has changed: at the latest when one of its
/// certificates should be told to end soon.
fn wake(context: &Context, name: &str) -> Duration {
    let expiries = context
        .stores
        .get(name)
        .map(|store| store::expiry::expiries(&store));
    let now = clock::now();
    let notices = expiries.iter().flatten().map(|expiry| expiry.notice);
    let next = notices.filter(|notice| *notice > now).min();
    let resync = context.settings.resync;
    next.map_or(resync, |at| clock::until(at).min(resync))
}

/// Tells of a certificate that ends soon, once.
async fn tell_expiry(context: &Context, object: &DataStore, next: &[Condition]) {
    let reason = |all: &[Condition]| {
        let valid = condition::find(all, condition::DATA_STORE_VALID)?;
        (valid.reason == condition::CERTIFICATE_EXPIRING).then(|| valid.message.clone())
    };
    let old = object
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    if let (None, Some(note)) = (reason(old), reason(next)) {
        let what = EventRecord {
            warning: true,
            reason: condition::CERTIFICATE_EXPIRING.to_owned(),
            note,
        };
        tracing::warn!(reason = %what.reason, "{}", what.note);
        context.events.publish(object, what).await;
    }
}

/// A DataStore that this build cannot read is not ready, whatever it said before.
pub fn unreadable(context: &Context, name: &str, why: &str) {
    not_ready(
        context,
        name,
        format!(
            "this operator cannot read the DataStore {name}: {why}; correct that field, or run the release that the definitions came with"
        ),
    );
}

/// A DataStore of which nothing is known yet is not ready, which is not to say that it is missing.
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

/// Resolves the references of `name` and tells the tenants; nothing is written.
pub async fn look(context: &Context, name: &str, object: &DataStore) -> Result<Found, kube::Error> {
    let secrets = secrets(context, object).await?;
    let now = clock::now();
    let resolved = store::resolve(object, &secrets, now);
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

/// A DataStore with its references resolved, or why not.
pub type Found = Result<store::Store, store::StoreError>;

async fn pass(context: &Context, name: &str, object: &DataStore) -> Result<(), StoreFailure> {
    let resolved = look(context, name, object).await.map_err(Box::new)?;
    let used_by = used_by(context, name);
    let health = context.stores.health(name);
    let facts = Facts {
        used_by: &used_by,
        resolved: &resolved,
        health: &health,
    };
    let plan = store::status::plan(object, facts, clock::now());
    context
        .metrics
        .store(name, object.spec.driver.as_str(), resolved.is_ok());
    if let Ok(store) = &resolved {
        context
            .metrics
            .expiries
            .set(name, &store::expiry::expiries(store));
    }
    let mut live = object.clone();
    if let Some(finalizers) = &plan.finalizers {
        let leaves = object.metadata.deletion_timestamp.is_some();
        if leaves && !context.stores.let_go(name) {
            // A tenant came just now: its finalizer wakes us.
            return Ok(());
        }
        live = context.writer.set_finalizers(object, finalizers).await?;
        if leaves {
            context
                .metrics
                .forget_store(name, object.spec.driver.as_str());
            context.metrics.expiries.forget(name);
            enqueue_users(context, name);
            return Ok(());
        }
    }
    if object.status.as_ref() != Some(&plan.status) {
        context.writer.patch_status(&live, &plan.status).await?;
        tell_expiry(context, object, &plan.status.conditions).await;
        for what in news(object, &plan.status) {
            tracing::warn!(store = %name, reason = %what.reason, "{}", what.note);
            context.events.publish(object, what).await;
        }
    }
    Ok(())
}

/// Conditions that have just become False, but for the one of a deletion that waits.
fn news(object: &DataStore, next: &DataStoreStatus) -> Vec<EventRecord> {
    let old = object.status.as_ref().map(|status| &status.conditions);
    let was = |type_: &str| old.and_then(|old| condition::find(old, type_));
    next.conditions
        .iter()
        .filter(|now| now.status == "False" && now.type_ != condition::DATA_STORE_ALLOWED_DELETION)
        .filter(|now| was(&now.type_).is_none_or(|was| was.reason != now.reason))
        .map(|now| EventRecord {
            warning: true,
            reason: now.reason.clone(),
            note: now.message.clone(),
        })
        .collect()
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
    for (namespace, name) in store::references(object) {
        let api: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
        context.metrics.counters.request("get", "secrets");
        if let Some(secret) = api.get_opt(&name).await? {
            secrets.insert((namespace, name), secret);
        }
    }
    Ok(secrets)
}

/// Tenants that have data in it, or are about to: whose status says so, and who name it and have our
/// finalizer.
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
        storage.data_store_name.as_deref() == Some(name)
            || overrides.into_iter().any(|item| item.data_store == name)
    });
    let mut finalizers = tenant.metadata.finalizers.iter().flatten();
    let finalized = finalizers.any(|f| f == labels::FINALIZER);
    let names = || crate::observe::store_names(context, tenant);
    recorded || finalized && names().iter().any(|used| used == name)
}

/// The tenant `key` is gone: whoever counted it counts anew.
pub fn enqueue_former_stores(context: &Context, key: &str) {
    for (name, store) in context.data_stores.all() {
        let status = store.status.as_ref();
        if status.is_some_and(|status| status.used_by.iter().any(|user| user == key)) {
            context.store_queue.enqueue_after(name, SETTLE);
        }
    }
}

/// Asks the DataStore `name` whether it answers and tells its users apart.
pub async fn check(context: Arc<Context>, name: String) -> Outcome {
    let Ok(store) = context.stores.get(&name) else {
        return Outcome::Done {
            requeue_after: None,
        };
    };
    let mut health = ask(&context, &store).await;
    // One lost answer is no news.
    if matches!(health, Health::Failed(_)) && context.stores.health(&name) == Health::Sound {
        tokio::time::sleep(AGAIN).await;
        health = ask(&context, &store).await;
    }
    let period = context.settings.data_store_check;
    let fine = matches!(health, Health::Sound | Health::Open { .. });
    if context.stores.checked(&name, health) {
        context.store_queue.enqueue(name.clone());
        enqueue_users(&context, &name);
    }
    let next = if fine { period } else { period.min(ILL) };
    Outcome::Done {
        requeue_after: Some(clock::jitter(next.mul_f64(0.75), next)),
    }
}

async fn ask(context: &Context, store: &store::Store) -> Health {
    match context.databases.check(store).await {
        Ok(AccessControl::On) => Health::Sound,
        Ok(AccessControl::Off { exposure, remedy }) => Health::Open { exposure, remedy },
        Err(error) => match error.driver() {
            Some(off @ datastore::Error::AccessControlOff { .. }) => {
                Health::AccessControlOff(off.to_string())
            }
            Some(other) => Health::Failed(other.to_string()),
            None => Health::Failed(error.to_string()),
        },
    }
}

fn enqueue_users(context: &Context, name: &str) {
    for (key, tenant) in context.tenants.all() {
        let names = crate::observe::store_names(context, &tenant);
        if names.iter().any(|used| used == name) {
            context.tenant_queue.enqueue(key);
        }
    }
}
