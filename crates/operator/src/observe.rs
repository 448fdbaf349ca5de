//! What is known about a tenant right now? Gathers the one snapshot that a plan may look at.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::{foreign::Gateway, labels, tenant::TenantControlPlane};
use kamaji_core::{
    binding::overrides,
    entropy::Seed,
    names::Names,
    object::{CONTENT_HASH, Kind, Object, ObjectRef, holds as content_holds},
    snapshot::{Snapshot, StoreWait},
    store::Store,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams},
};

use crate::{
    context::{Context, Key},
    report::Failure,
    shell::{
        apply::Live,
        clock,
        index::{Facts, fingerprint},
    },
};

/// One observation of one tenant.
pub async fn snapshot(
    context: &Context,
    key: &Key,
    object: &Arc<TenantControlPlane>,
) -> Result<Snapshot, Failure> {
    let mut snapshot = Snapshot {
        object: object.as_ref().clone(),
        store: store(context, object),
        overrides: override_stores(context, object),
        // Whom webhooks trust matters inside the tenant alone: see `Context::inside_settings`.
        settings: context.settings.core.clone(),
        cluster: context.cluster.get().cloned().unwrap_or_default(),
        ailing: store_names(context, object)
            .iter()
            .find_map(|name| context.stores.ailment(name)),
        secrets: BTreeMap::new(),
        service: None,
        deployment: None,
        ingress: None,
        routes: BTreeMap::new(),
        gateways: Vec::new(),
        gateway_api: context.gateway_api(),
        children: Vec::new(),
        inside: context.inside.get(key).map(|visit| visit.report),
        now: clock::now(),
        seed: Seed::new(clock::seed()),
    };
    children(context, key, &mut snapshot);
    secrets(context, key, &mut snapshot).await?;
    gateways(context, &mut snapshot).await?;
    Ok(snapshot)
}

/// Brings what children say by themselves up to date; no request is made.
pub fn children(context: &Context, key: &Key, snapshot: &mut Snapshot) {
    snapshot.children.clear();
    for (child, entry) in context.index.children(key) {
        match entry.facts {
            Facts::None => {}
            Facts::Deployment(view) => snapshot.deployment = Some(*view),
            Facts::Service(service) => snapshot.service = Some(*service),
            Facts::Ingress(status) => snapshot.ingress = Some(*status),
            Facts::Route(route) => {
                snapshot.routes.insert(child.name.clone(), *route);
            }
        }
        snapshot.children.push(child);
    }
}

/// Lists the Secrets of a tenant that has any; looks for authorities by name where a person may have
/// put them there before the tenant was made.
async fn secrets(context: &Context, key: &Key, snapshot: &mut Snapshot) -> Result<(), Failure> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &key.namespace);
    if snapshot
        .children
        .iter()
        .any(|child| child.kind == Kind::Secret)
    {
        context.metrics.counters.request("list", "secrets");
        let selector = format!("{}=kamaji,{}={}", labels::PROJECT, labels::NAME, key.name);
        let list = api
            .list(&ListParams::default().labels(&selector))
            .await
            .map_err(|error| Failure::reading(key, "its Secrets", &error))?;
        for secret in list.items {
            if let Some(name) = secret.metadata.name.clone() {
                snapshot.secrets.insert(name, secret);
            }
        }
    }
    let status = snapshot.object.status.as_ref();
    let recorded = status.is_some_and(|status| status.certificates.is_some());
    // One that is recorded and lost may have been restored without labels.
    if recorded || context.memo.adopting(key) {
        let names = Names::of(&key.name);
        for name in [names.ca(), names.front_proxy_ca(), names.service_account()] {
            if snapshot.secrets.contains_key(&name) {
                continue;
            }
            context.metrics.counters.request("get", "secrets");
            let found = api
                .get_opt(&name)
                .await
                .map_err(|error| Failure::reading(key, &format!("the Secret {name}"), &error))?;
            if let Some(secret) = found {
                snapshot.secrets.insert(name, secret);
            }
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

/// Where the data is wins over where it should be: moving it is not built yet.
fn store(context: &Context, object: &TenantControlPlane) -> Result<Store, StoreWait> {
    let names = store_names(context, object);
    let name = names.first().ok_or(StoreWait::Unnamed)?;
    let mut finalizers = object.metadata.finalizers.iter().flatten();
    let leaving = context
        .data_stores
        .get(name)
        .is_some_and(|store| store.metadata.deletion_timestamp.is_some());
    // Whoever has no place there yet would hold it up.
    if leaving && !finalizers.any(|f| f == labels::FINALIZER) {
        return Err(StoreWait::Leaving(name.clone()));
    }
    context.stores.get(name)
}

/// The DataStore of a tenant, and then those of its overrides.
pub fn store_names(context: &Context, object: &TenantControlPlane) -> Vec<String> {
    let recorded = object
        .status
        .as_ref()
        .and_then(|status| status.storage.as_ref())
        .filter(|storage| storage.setup.is_some())
        .and_then(|storage| storage.data_store_name.clone());
    recorded
        .or_else(|| object.spec.data_store.clone())
        .filter(|name| !name.is_empty())
        .or_else(|| context.settings.core.default_data_store.clone())
        .into_iter()
        .chain(
            overrides::effective(object)
                .into_iter()
                .map(|(_, name)| name),
        )
        .filter(|name| !name.is_empty())
        .collect()
}

fn override_stores(
    context: &Context,
    object: &TenantControlPlane,
) -> Result<Vec<(String, Store)>, StoreWait> {
    overrides::effective(object)
        .into_iter()
        .map(|(resource, name)| {
            let store = context.stores.get(&name)?;
            if store.driver != kamaji_api::datastore::Driver::Etcd {
                return Err(StoreWait::OverrideDriver(name));
            }
            Ok((resource, store))
        })
        .collect()
}

/// True if the live object is as planned already; then the index is told, so that the next look
/// needs no request. This is how a restarted operator finds out without writing.
pub async fn holds(
    context: &Context,
    key: &Key,
    (snapshot, object): (&Snapshot, &Object),
) -> Result<bool, Failure> {
    let entry = context.index.entry(&object.key);
    if !entry.is_some_and(|entry| entry.is_stamped(&object.hash)) {
        return Ok(false);
    }
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
        context.index.remember(key, object, &live);
    }
    Ok(same)
}

/// A Secret of a list, as if it had been read alone: items of lists do not say what they are.
fn listed_live(secret: &Secret) -> Live {
    let mut body = serde_json::to_value(secret).unwrap_or_default();
    body["apiVersion"] = "v1".into();
    body["kind"] = "Secret".into();
    Live {
        uid: secret.metadata.uid.clone().unwrap_or_default(),
        fingerprint: fingerprint(&body),
        body,
    }
}

/// The Secret with the administrators' kubeconfigs.
pub fn admin_secret(key: &Key) -> ObjectRef {
    ObjectRef::namespaced(
        Kind::Secret,
        &key.namespace,
        &Names::of(&key.name).admin_kubeconfig(),
    )
}
