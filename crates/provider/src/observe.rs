//! What does a look at a control plane see?

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
};
use kube::{Api, Client};

use crate::{
    context::Context,
    dependencies::Dependency,
    infrastructure,
    remote_clusters::{self, Connection},
    watches,
};

/// All that one look sees.
pub struct Look {
    /// What plans are made from.
    pub snapshot: Snapshot,
    /// Where the infrastructure cluster is.
    pub infrastructure: Option<Address>,
    /// Where the tenant is.
    pub tenant: Address,
    /// The way there, if it is in another cluster.
    pub connection: Option<Arc<Connection>>,
    /// True if nothing tells when what could not be read can be.
    pub again: bool,
}

/// Looks at everything that a plan may look at, and says so: whatever changes from now on brings the
/// next look.
pub async fn look(
    context: &Arc<Context>,
    key: &ObjectKey,
    object: &KamajiControlPlane,
) -> Result<Look, WriteError> {
    let beside = context.tenants.get(key);
    let place = placement::place(object, beside.as_deref());
    let mut topics = match &place.kubeconfig {
        Some(kubeconfig) => BTreeSet::from(remote_clusters::topics(&place, kubeconfig)),
        None => BTreeSet::from([Dependency::Tenant(key.clone())]),
    };
    let cluster = cluster_api::cluster_of(object).map(str::to_owned);
    if let Some(name) = &cluster {
        topics.insert(Dependency::Cluster(ObjectKey::new(&key.namespace, name)));
    }
    // Declared before anything is read: what changes in between is not missed.
    context.interests.declare(key, topics.clone());
    let owner = owner(context, key, cluster.clone());
    let there = there(context, key, &place).await;
    let published: BTreeSet<String> = cluster
        .iter()
        .flat_map(|cluster| cluster_api::published_names(cluster))
        .collect();
    let sources = there.tenant.as_ref().map(cluster_api::source_names);
    let sources: BTreeSet<String> = sources.into_iter().flatten().collect();
    let here = if place.kubeconfig.is_some() {
        published.clone()
    } else {
        &published | &sources
    };
    let secret = |name: &String| Dependency::Secret(ObjectKey::new(&key.namespace, name));
    topics.extend(here.iter().map(secret));
    if let Owner::Cluster(cluster) = &owner {
        topics.extend(infrastructure::topics(cluster));
    }
    context.interests.declare(key, topics);
    let found = kept_secrets(context, &key.namespace, &here).await?;
    let sources = match &there.connection {
        Some(way) => {
            let all = secrets(context, (&way.client, &place.namespace), &sources);
            let what = format!("the Secrets of {} in the other cluster", place.namespace);
            remote_clusters::in_time(what, all).await?
        }
        None => found.clone(),
    };
    let infrastructure = match &owner {
        Owner::Cluster(cluster) if !context.settings.core.skip_infrastructure => {
            infrastructure::read(context, cluster).await
        }
        _ => infrastructure::Reading::default(),
    };
    let tenant = remote_clusters::address(&place);
    Ok(Look {
        snapshot: Snapshot {
            control_plane: object.clone(),
            owner,
            tenant: there.tenant,
            infrastructure: infrastructure.found,
            remote: there.remote,
            place,
            sources,
            secrets: found,
            probe: Probe::Untried,
            settings: context.settings.core.clone(),
            now: clock::now(),
        },
        infrastructure: infrastructure.address,
        tenant,
        connection: there.connection,
        again: there.again || infrastructure.again,
    })
}

/// What is found where the tenant is.
struct There {
    tenant: Option<TenantControlPlane>,
    remote: Remote,
    connection: Option<Arc<Connection>>,
    again: bool,
}

async fn there(context: &Arc<Context>, key: &ObjectKey, place: &Place) -> There {
    let unreachable = |why: String, again: bool| There {
        tenant: None,
        remote: Remote::Unreachable(why),
        connection: None,
        again,
    };
    let Some(kubeconfig) = &place.kubeconfig else {
        return There {
            tenant: context.tenants.get(key).map(|tenant| (*tenant).clone()),
            remote: Remote::Local,
            connection: None,
            again: false,
        };
    };
    // Whoever may write control planes must not get at Secrets by them that nobody allowed.
    let gates = &context.settings.core;
    let across = kubeconfig.namespace != key.namespace;
    if !gates.external || (across && !gates.external_across_namespaces) {
        let why = "the feature gates ExternalClusterReference and ExternalClusterReferenceCrossNamespace do not allow to use its kubeconfig";
        return unreachable(why.to_owned(), false);
    }
    match remote_clusters::reach(context, (place, kubeconfig)).await {
        Ok((connection, tenant)) => There {
            tenant,
            remote: Remote::Reachable(connection.cluster.clone()),
            connection: Some(connection),
            again: false,
        },
        Err(problem) => unreachable(problem.why, problem.again),
    }
}

fn owner(context: &Context, key: &ObjectKey, name: Option<String>) -> Owner {
    let Some(name) = name else {
        return Owner::Nobody;
    };
    match context.clusters.get(&ObjectKey::new(&key.namespace, &name)) {
        Some(cluster) => Owner::Cluster(Box::new((*cluster).clone())),
        None => Owner::Missing(name),
    }
}

/// Secrets of this management cluster by name; those that are not there are left out.
async fn kept_secrets(
    context: &Context,
    namespace: &str,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, Secret>, WriteError> {
    let mut found = BTreeMap::new();
    for name in names {
        let topic = Dependency::Secret(ObjectKey::new(namespace, name));
        let ask = secret(context, (&context.client, namespace), name);
        let kept = context.secrets.read((&topic, watches::is_followed), ask);
        found.extend(kept.await?.map(|secret| (name.clone(), secret)));
    }
    Ok(found)
}

/// Secrets of whatever cluster.
async fn secrets(
    context: &Context,
    way: (&Client, &str),
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, Secret>, WriteError> {
    let mut found = BTreeMap::new();
    for name in names {
        let secret = secret(context, way, name).await?;
        found.extend(secret.map(|secret| (name.clone(), secret)));
    }
    Ok(found)
}

async fn secret(
    context: &Context,
    (client, namespace): (&Client, &str),
    name: &str,
) -> Result<Option<Secret>, WriteError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    context.metrics.counters.request("get", "secrets");
    api.get_opt(name).await.map_err(|error| WriteError::Api {
        object: format!("Secret {namespace}/{name}"),
        problem: crate::probe::chain(&error),
    })
}
