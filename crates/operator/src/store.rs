//! What happens when something about a DataStore may have changed?

use std::{
    collections::{BTreeSet, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::Condition};
use kamaji_api::{condition, datastore::DataStore, labels};
use kamaji_core::store::{self, Secrets};
use kube::{Api, api::ApiResource};
use tokio::{sync::Mutex, task::AbortHandle};

use crate::{
    context::Context,
    shell::{apply::WriteError, clock, events::Happening, queue::Outcome, watch},
};

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
                            watching.store_queue.wake(name);
                        }
                    }
                };
                let (namespace, name) = secret.clone();
                let resource = ApiResource::erase::<Secret>(&());
                let api = Api::namespaced_with(watching.client.clone(), &namespace, &resource);
                watch::one(api, name, wake).await;
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
    let Some(object) = context.data_stores.get(&name) else {
        if let Ok(store) = context.stores.get(&name) {
            context.metrics.forget_store(&name, store.driver.as_str());
            context.metrics.expiries.forget(&name);
        }
        if context.stores.remove(&name) {
            wake_users(&context, &name);
        }
        return Outcome::Done { wake: None };
    };
    if labels::is_paused(&object.metadata) {
        return Outcome::Done { wake: None };
    }
    match pass(&context, &name, &object).await {
        Ok(()) => Outcome::Done {
            wake: Some(wake(&context, &name)),
        },
        Err(error) => {
            tracing::warn!(store = %name, %error, "cannot be reconciled, trying again");
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
        let what = Happening {
            warning: true,
            reason: condition::CERTIFICATE_EXPIRING.to_owned(),
            note,
        };
        tracing::warn!(reason = %what.reason, "{}", what.note);
        context.events.tell(object, what).await;
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
    resolved
        .as_ref()
        .err()
        .map(ToString::to_string)
        .hash(&mut hasher);
    let usable = resolved.clone().map_err(|error| error.to_string());
    if context.stores.set(name, hasher.finish(), usable) {
        wake_users(context, name);
    }
    Ok(resolved)
}

/// A DataStore with its references resolved, or why not.
pub type Found = Result<store::Store, store::StoreError>;

async fn pass(context: &Context, name: &str, object: &DataStore) -> Result<(), StoreFailure> {
    let resolved = look(context, name, object).await.map_err(Box::new)?;
    let used_by = used_by(context, name);
    let plan = store::status::plan(object, &used_by, &resolved, clock::now());
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
        live = context.writer.set_finalizers(object, finalizers).await?;
        if live.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
    }
    if object.status.as_ref() != Some(&plan.status) {
        context.writer.patch_status(&live, &plan.status).await?;
        tell_expiry(context, object, &plan.status.conditions).await;
        if let Err(why) = &resolved
            && object.status.as_ref().is_none_or(|status| status.ready)
        {
            let what = Happening {
                warning: true,
                reason: why.reason().to_owned(),
                note: why.to_string(),
            };
            tracing::warn!(store = %name, reason = %what.reason, "{}", what.note);
            context.events.tell(object, what).await;
        }
    }
    Ok(())
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

/// Tenants that have data in it, or are about to.
fn used_by(context: &Context, name: &str) -> BTreeSet<String> {
    context
        .tenants
        .all()
        .into_iter()
        .filter(|(_, tenant)| {
            let status = tenant.status.as_ref().and_then(|s| s.storage.as_ref());
            let recorded = status.and_then(|s| s.data_store_name.as_deref()) == Some(name);
            let finalized = tenant
                .metadata
                .finalizers
                .iter()
                .flatten()
                .any(|f| f == labels::FINALIZER);
            let overrides = &tenant.spec.data_store_overrides;
            let overridden = finalized
                && overrides
                    .iter()
                    .any(|o| o.data_store.as_deref() == Some(name));
            recorded || overridden
        })
        .map(|(key, _)| key.to_string())
        .collect()
}

fn wake_users(context: &Context, name: &str) {
    for (key, tenant) in context.tenants.all() {
        let names = crate::observe::store_names(context, &tenant);
        if names.iter().any(|used| used == name) {
            context.tenant_queue.wake(key);
        }
    }
}
