//! Observation of a control plane: everything that its plan depends on, as one snapshot.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::{control_plane::KamajiControlPlane, tenant::TenantControlPlane};
use kamaji_core::cluster_api::{self, Owner, Place, Probe, Remote, Snapshot, placement};
use kamaji_shell::{
    ObjectKey,
    apply::{Address, WriteError},
    clock,
    telemetry::Counters,
};
use kube::{Api, Client};

use crate::{
    context::Context,
    dependencies::Dependency,
    infrastructure,
    remote_clusters::{self, Connection, Target},
    watches,
};

/// A snapshot, and what is needed to apply a plan that is made from it.
pub struct Observation {
    /// Input of the plan.
    pub snapshot: Snapshot,
    /// Address of the infrastructure cluster, once its kind is known.
    pub infrastructure: Option<Address>,
    /// Address of the TenantControlPlane, existing or planned.
    pub tenant: Address,
    /// Connection to the management cluster of the tenant; `None` for the provider's own.
    pub connection: Option<Arc<Connection>>,
    /// True if something could not be read and no watch reports when it can.
    pub retry: bool,
}

/// Observes a control plane. Every object that is read, or is missing, is declared as a dependency before it is
/// read, so that each later change requeues the control plane.
pub async fn snapshot(
    context: &Context,
    key: &ObjectKey,
    object: &KamajiControlPlane,
) -> Result<Observation, WriteError> {
    let local = context.tenants.get(key);
    let place = placement::place(object, local.as_deref());
    let cluster = cluster_api::cluster_of(object);
    let mut dependencies = first_dependencies(key, &place, cluster);
    let index = &context.dependents.index;
    index.declare(key, dependencies.clone());
    let owner = owner(context, key, object);
    let observed = observe_tenant(context, key, &place).await;
    let names = SecretNames::of(&owner, observed.tenant.as_ref(), &place);
    let secret = |name: &String| Dependency::Secret(ObjectKey::new(&key.namespace, name));
    dependencies.extend(names.local.iter().map(secret));
    if let Owner::Cluster(cluster) = &owner {
        dependencies.extend(infrastructure::dependencies(cluster));
    }
    index.declare(key, dependencies);
    let secrets = local_secrets(context, &key.namespace, &names.local).await?;
    let sources = match &observed.connection {
        Some(connection) => remote_secrets(context, connection, &place, &names.sources).await?,
        None => secrets.clone(),
    };
    let infrastructure = read_infrastructure(context, &owner).await;
    Ok(Observation {
        tenant: remote_clusters::address(&place),
        snapshot: Snapshot {
            control_plane: object.clone(),
            owner,
            tenant: observed.tenant,
            infrastructure: infrastructure.found,
            remote: observed.remote,
            place,
            sources,
            secrets,
            probe: Probe::Untried,
            settings: context.settings.core.clone(),
            now: clock::now(),
        },
        infrastructure: infrastructure.address,
        connection: observed.connection,
        retry: observed.retry || infrastructure.retry,
    })
}

/// Reads the infrastructure cluster, if the control plane has one and the settings concern themselves with it.
async fn read_infrastructure(context: &Context, owner: &Owner) -> infrastructure::Reading {
    match owner {
        Owner::Cluster(cluster) if !context.settings.core.skip_infrastructure => {
            context.infrastructures.read(cluster).await
        }
        _ => infrastructure::Reading::default(),
    }
}

/// Dependencies that are known before anything is read: the tenant, or the kubeconfig of its cluster, and the Cluster.
fn first_dependencies(
    key: &ObjectKey,
    place: &Place,
    cluster: Option<&str>,
) -> BTreeSet<Dependency> {
    let mut dependencies = match &place.kubeconfig {
        Some(kubeconfig) => {
            BTreeSet::from(remote_clusters::dependencies(Target { place, kubeconfig }))
        }
        None => BTreeSet::from([Dependency::Tenant(key.clone())]),
    };
    if let Some(name) = cluster {
        dependencies.insert(Dependency::Cluster(ObjectKey::new(&key.namespace, name)));
    }
    dependencies
}

/// The TenantControlPlane and the reachability of its cluster.
struct TenantObservation {
    tenant: Option<TenantControlPlane>,
    remote: Remote,
    connection: Option<Arc<Connection>>,
    retry: bool,
}

impl TenantObservation {
    fn unreachable(why: String, retry: bool) -> Self {
        Self {
            tenant: None,
            remote: Remote::Unreachable(why),
            connection: None,
            retry,
        }
    }
}

async fn observe_tenant(context: &Context, key: &ObjectKey, place: &Place) -> TenantObservation {
    let Some(kubeconfig) = &place.kubeconfig else {
        return TenantObservation {
            tenant: context.tenants.get(key).map(|tenant| (*tenant).clone()),
            remote: Remote::Local,
            connection: None,
            retry: false,
        };
    };
    // The right to write control planes must not imply the right to use any Secret as a kubeconfig.
    let gates = &context.settings.core;
    let across = kubeconfig.namespace != key.namespace;
    if !gates.external || (across && !gates.external_across_namespaces) {
        let why = "the feature gates ExternalClusterReference and ExternalClusterReferenceCrossNamespace do not allow to use its kubeconfig";
        return TenantObservation::unreachable(why.to_owned(), false);
    }
    let target = Target { place, kubeconfig };
    match context.remote_clusters.reach(target).await {
        Ok((connection, tenant)) => TenantObservation {
            tenant,
            remote: Remote::Reachable(connection.cluster.clone()),
            connection: Some(connection),
            retry: false,
        },
        Err(problem) => TenantObservation::unreachable(problem.why, problem.retry),
    }
}

fn owner(context: &Context, key: &ObjectKey, object: &KamajiControlPlane) -> Owner {
    let name = cluster_api::cluster_of(object);
    let cluster = name.map(|name| ObjectKey::new(&key.namespace, name));
    let cluster = cluster.and_then(|cluster| context.clusters.get(&cluster));
    cluster_api::owner(object, cluster.as_deref())
}

/// Names of the Secrets to read.
struct SecretNames {
    /// Secrets beside the control plane: the published ones, and those of a local tenant.
    local: BTreeSet<String>,
    /// Secrets that the operator made for the tenant, beside the tenant.
    sources: BTreeSet<String>,
}

impl SecretNames {
    fn of(owner: &Owner, tenant: Option<&TenantControlPlane>, place: &Place) -> Self {
        let cluster = match owner {
            Owner::Cluster(cluster) => cluster.metadata.name.as_deref(),
            _ => None,
        };
        let published = cluster.map(cluster_api::published_names);
        let mut local: BTreeSet<String> = published.into_iter().flatten().collect();
        let sources = tenant.map(cluster_api::source_names);
        let sources: BTreeSet<String> = sources.into_iter().flatten().collect();
        if place.kubeconfig.is_none() {
            local.extend(sources.iter().cloned());
        }
        Self { local, sources }
    }
}

/// Reads Secrets of the provider's own management cluster, from the cache where they are in it. Missing Secrets are
/// left out.
async fn local_secrets(
    context: &Context,
    namespace: &str,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, Secret>, WriteError> {
    let (counters, cache) = (&context.management.counters, &context.dependents.secrets);
    let api = Api::namespaced(context.management.client.clone(), namespace);
    let mut found = BTreeMap::new();
    for name in names {
        let dependency = Dependency::Secret(ObjectKey::new(namespace, name));
        let request = read_secret(counters, &api, name);
        let secret = cache.read(&dependency, watches::is_watched, request);
        found.extend(secret.await?.map(|secret| (name.clone(), secret)));
    }
    Ok(found)
}

/// Reads Secrets beside a tenant in another management cluster. Missing Secrets are left out.
async fn remote_secrets(
    context: &Context,
    connection: &Connection,
    place: &Place,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, Secret>, WriteError> {
    let client: Client = connection.client.clone();
    let api = Api::namespaced(client, &place.namespace);
    let all = async {
        let mut found = BTreeMap::new();
        for name in names {
            let secret = read_secret(&context.management.counters, &api, name).await?;
            found.extend(secret.map(|secret| (name.clone(), secret)));
        }
        Ok(found)
    };
    let what = format!("the Secrets of {} in the other cluster", place.namespace);
    remote_clusters::with_timeout(what, all).await
}

async fn read_secret(
    counters: &Counters,
    api: &Api<Secret>,
    name: &str,
) -> Result<Option<Secret>, WriteError> {
    counters.request("get", "secrets");
    let namespace = api.namespace().unwrap_or_default();
    api.get_opt(name).await.map_err(|error| WriteError::Api {
        object: format!("Secret {namespace}/{name}"),
        problem: kamaji_core::error_chain::chain(&error),
    })
}
