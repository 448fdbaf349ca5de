//! Observation of one tenant: gathers the snapshot that its plan is made from.

mod stores;

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use kamaji_api::{foreign::Gateway, labels, tenant::TenantControlPlane};
use kamaji_core::{
    adoption::{Child, Verdict},
    data_store::usage::Usage,
    names::Names,
    object::{CONTENT_HASH, Kind, Object, ObjectRef, Version, holds as content_holds},
    plan::rollout,
    rng::Seed,
    secret_role::SecretRole,
    snapshot::Snapshot,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams},
};

use crate::{context::Context, failure::Failure, usage_records::Share};
use kamaji_shell::{
    ObjectKey, bounded, clock,
    index::{Answer, Facts},
    live::{Live, fingerprint},
};
pub use stores::{further_stores, holding_names, override_stores, store, store_names};

/// One observation of one tenant.
pub async fn snapshot(
    context: &Context,
    key: &ObjectKey,
    object: &Arc<TenantControlPlane>,
) -> Result<Snapshot, Failure> {
    let mut snapshot = Snapshot {
        object: object.as_ref().clone(),
        store: store(context, object),
        overrides: override_stores(context, object),
        further: further_stores(context, object),
        // The webhooks' CA matters in the tenant cluster alone: see `Context::tenant_cluster_settings`.
        settings: context.settings.core.clone(),
        cluster: context.cluster.get().cloned().unwrap_or_default(),
        store_fault: store_names(context, object)
            .iter()
            .find_map(|name| context.stores.fault(name)),
        usage: usage(context, key, object),
        secrets: BTreeMap::new(),
        service: None,
        deployment: None,
        pods: Vec::new(),
        ingress: None,
        routes: BTreeMap::new(),
        gateways: Vec::new(),
        gateway_api: context.gateway_api(),
        children: BTreeMap::new(),
        tenant_cluster: context
            .tenant_cluster
            .get(key)
            .map(|completed| completed.report),
        now: clock::now(),
        seed: Seed::new(clock::seed()),
    };
    children(context, key, &mut snapshot);
    secrets(context, key, &mut snapshot).await?;
    occupied(context, key, &mut snapshot).await?;
    gateways(context, &mut snapshot).await?;
    pods(context, key, &mut snapshot).await;
    Ok(snapshot)
}

/// Reads the pods of a rollout that is late, and of no other. They give the reason; without them only the
/// delay is reported.
async fn pods(context: &Context, key: &ObjectKey, snapshot: &mut Snapshot) {
    if !snapshot.deployment.as_ref().is_some_and(rollout::is_late) {
        return;
    }
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &key.namespace);
    let selector = format!("{}={}", labels::NAME, key.name);
    let some = ListParams::default().labels(&selector).limit(rollout::PODS);
    context.metrics.counters.request("list", "pods");
    match api.list(&some).await {
        Ok(list) => snapshot.pods = list.items,
        Err(error) => tracing::warn!(tenant = %key, %error, "its pods cannot be read"),
    }
}

/// Updates the children of the snapshot from the index, without a request. Content of foreign objects is
/// ignored.
pub fn children(context: &Context, key: &ObjectKey, snapshot: &mut Snapshot) {
    let uid = snapshot.object.metadata.uid.clone().unwrap_or_default();
    snapshot.children.clear();
    (snapshot.service, snapshot.deployment, snapshot.ingress) = (None, None, None);
    snapshot.routes.clear();
    for (child, found) in context.tenant_cache.names_to_read(key) {
        snapshot.children.extend(found.map(|found| (child, found)));
    }
    for (child, entry) in context.index.children(key) {
        let verdict = entry.child.verdict(&child, (&key.name, &uid));
        match entry.facts {
            _ if verdict == Verdict::Foreign => {}
            Facts::None => {}
            Facts::Deployment(view) => snapshot.deployment = Some(*view),
            Facts::Service(service) => snapshot.service = Some(*service),
            Facts::Ingress(status) => snapshot.ingress = Some(*status),
            Facts::Route(route) => {
                snapshot.routes.insert(child.name.clone(), *route);
            }
        }
        snapshot.children.insert(child, entry.child);
    }
}

/// All Secrets of a tenant in bytes, as far as they are listed: ours are a tenth of it.
const SECRETS: usize = 1 << 20;
/// Secrets that are read at the same time, where they are read one by one.
const AT_ONCE: usize = 8;

/// Reads the Secrets of a tenant that has any. They are listed with one request, unless more
/// Secrets than a tenant can have carry its labels: then each is read by name.
async fn secrets(
    context: &Context,
    key: &ObjectKey,
    snapshot: &mut Snapshot,
) -> Result<(), Failure> {
    let known = snapshot.children.keys();
    let known = known.filter(|child| child.kind == Kind::Secret);
    let known: Vec<_> = known.map(|child| child.name.clone()).collect();
    if known.is_empty() {
        return Ok(());
    }
    let listed = if context.tenant_cache.is_crowded(key) {
        None
    } else {
        list(context, key).await?
    };
    let found = if let Some(listed) = listed {
        listed
    } else {
        context.tenant_cache.mark_crowded(key);
        let read = known.into_iter().map(|name| secret(context, key, name));
        let read = stream::iter(read).buffer_unordered(AT_ONCE);
        let found: Vec<Option<Secret>> = read.try_collect().await?;
        found.into_iter().flatten().collect()
    };
    let names = Names::of(&key.name);
    for secret in found {
        let name = secret.metadata.name.clone().unwrap_or_default();
        if names.include(Kind::Secret, &name) {
            snapshot.secrets.insert(name, secret);
        }
    }
    Ok(())
}

async fn list(context: &Context, key: &ObjectKey) -> Result<Option<Vec<Secret>>, Failure> {
    context.metrics.counters.request("list", "secrets");
    let selector = format!("{}=kamaji,{}={}", labels::PROJECT, labels::NAME, key.name);
    let params = ListParams::default().labels(&selector);
    let listed = bounded::list(&context.client, &key.namespace, &params, SECRETS).await;
    listed.map_err(|error| Failure::reading(key, "its Secrets", &error))
}

async fn secret(
    context: &Context,
    key: &ObjectKey,
    name: String,
) -> Result<Option<Secret>, Failure> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &key.namespace);
    context.metrics.counters.request("get", "secrets");
    let found = api.get_opt(&name).await;
    found.map_err(|error| Failure::reading(key, &format!("the Secret {name}"), &error))
}

/// Reads by name the objects that no watch reports, since they lack the operator's labels: authorities that a
/// user provided, and foreign objects.
async fn occupied(
    context: &Context,
    key: &ObjectKey,
    snapshot: &mut Snapshot,
) -> Result<(), Failure> {
    let status = snapshot.object.status.as_ref();
    if status.is_some_and(|status| status.certificates.is_some()) {
        // One that is recorded and lost may have been restored without labels.
        for name in Names::of(&key.name).authorities() {
            if !snapshot.secrets.contains_key(&name) {
                let lost = ObjectRef::namespaced(Kind::Secret, &key.namespace, &name);
                context.tenant_cache.read_by_name(key, &lost);
            }
        }
    }
    for object in context.tenant_cache.names_to_read(key).into_keys() {
        if context
            .index
            .entry(&object)
            .is_some_and(|entry| entry.child.marks.labelled)
        {
            context.tenant_cache.stop_reading(key, &object);
        } else if object.kind == Kind::Secret {
            match secret(context, key, object.name.clone()).await? {
                Some(secret) => drop(snapshot.secrets.insert(object.name, secret)),
                None => context.tenant_cache.stop_reading(key, &object),
            }
        } else if let Some(live) = context.writer.read(&object).await? {
            let child = Child::of(&live.body, object.kind, &key.name);
            context
                .tenant_cache
                .record_read(key, &object, child.clone());
            snapshot.children.insert(object, child);
        } else {
            context.tenant_cache.stop_reading(key, &object);
            snapshot.children.remove(&object);
        }
    }
    Ok(())
}

/// Gateways that are read for one tenant: as many as a route may have.
const MOST_GATEWAYS: usize = 32;

/// The gateways that the tenant's routes name.
async fn gateways(context: &Context, snapshot: &mut Snapshot) -> Result<(), Failure> {
    let Some(spec) = &snapshot.object.spec.control_plane.gateway else {
        return Ok(());
    };
    if !context.gateway_api() {
        return Ok(());
    }
    let resource = ApiResource {
        group: "gateway.networking.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "gateway.networking.k8s.io/v1".to_owned(),
        kind: "Gateway".to_owned(),
        plural: "gateways".to_owned(),
    };
    let own = snapshot
        .object
        .metadata
        .namespace
        .clone()
        .unwrap_or_default();
    for parent in spec.parent_refs.iter().take(MOST_GATEWAYS) {
        let namespace = parent.namespace.as_deref().unwrap_or(&own);
        let api: Api<DynamicObject> =
            Api::namespaced_with(context.client.clone(), namespace, &resource);
        context.metrics.counters.request("get", "gateways");
        // A gateway that is not there or cannot be read gives no access points, and that is all.
        if let Ok(Some(found)) = api.get_opt(&parent.name).await
            && let Ok(gateway) =
                serde_json::to_value(found).and_then(serde_json::from_value::<Gateway>)
        {
            snapshot.gateways.push(gateway);
        }
    }
    Ok(())
}

/// Size of a tenant's data in its DataStore, and the DataStore's soft limit.
fn usage(context: &Context, key: &ObjectKey, object: &TenantControlPlane) -> Usage {
    let Some(name) = store_names(context, object).into_iter().next() else {
        return Usage::default();
    };
    let store = context.data_stores.get(&name);
    Usage {
        measured: context.usage.due(&Share {
            tenant: key.clone(),
            store: name,
        }),
        soft_limit: store.and_then(|store| store.spec.tenant_soft_limit.clone()),
    }
}

/// True if the live object equals the planned one; then the index records it, so that the next reconcile
/// needs no request. A restarted operator thereby writes nothing that is up to date.
pub async fn holds(
    context: &Context,
    key: &ObjectKey,
    snapshot: &Snapshot,
    object: &Object,
) -> Result<bool, Failure> {
    let entry = context.index.entry(&object.key);
    if !entry.is_some_and(|entry| entry.is_stamped(&object.hash)) {
        return Ok(false);
    }
    let since = context.index.since();
    let listed = (object.key.kind == Kind::Secret)
        .then(|| snapshot.secrets.get(&object.key.name))
        .flatten();
    let live = match listed {
        Some(secret) => Some(listed_live(secret)),
        None => context.writer.read(&object.key).await?,
    };
    let Some(live) = live else { return Ok(false) };
    let same = live.body["metadata"]["annotations"][CONTENT_HASH] == object.hash.as_str()
        && content_holds(&object.body, &live.body);
    if same {
        let answer = Answer { live: &live, since };
        context.index.remember(key, object, answer);
    }
    Ok(same)
}

/// A Secret of a list, as if it had been read alone: items of lists do not say what they are.
fn listed_live(secret: &Secret) -> Live {
    let mut body = serde_json::to_value(secret).unwrap_or_default();
    body["apiVersion"] = "v1".into();
    body["kind"] = "Secret".into();
    Live {
        version: Version::of(&secret.metadata),
        fingerprint: fingerprint(&body),
        body,
    }
}

/// The Service of the tenant with this uid, as far as addresses go.
pub fn service(context: &Context, key: &ObjectKey, uid: &str) -> Option<Service> {
    let name = Names::of(&key.name).control_plane();
    let object = ObjectRef::namespaced(Kind::Service, &key.namespace, &name);
    let entry = context.index.entry(&object)?;
    let verdict = entry.child.verdict(&object, (&key.name, uid));
    match entry.facts {
        Facts::Service(service) if verdict != Verdict::Foreign => Some(*service),
        _ => None,
    }
}

/// The Secret with the administrators' kubeconfigs.
pub fn admin_secret(key: &ObjectKey) -> ObjectRef {
    ObjectRef::namespaced(
        Kind::Secret,
        &key.namespace,
        &Names::of(&key.name).secret(SecretRole::AdminKubeconfig),
    )
}

/// The hash of what a plan reads beside the tenant and its objects.
pub fn environment(context: &Context, key: &ObjectKey, object: &TenantControlPlane) -> u64 {
    let mut hasher = DefaultHasher::new();
    for store in holding_names(context, object) {
        hasher.write_u64(context.stores.digest(&store));
    }
    hasher.write_u64(context.tenant_cluster.digest(key));
    hasher.write_u64(context.usage.digest(key));
    hasher.write_u8(context.gateway_api().into());
    hasher.finish()
}
