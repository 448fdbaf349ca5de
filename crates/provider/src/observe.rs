//! What does a look at a control plane see?

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::control_plane::KamajiControlPlane;
use kamaji_core::contract::{
    self, Owner, Probe, Snapshot, infrastructure::Infrastructure, place::Remote,
};
use kamaji_operator::{
    context::Key,
    shell::{
        apply::{Address, WriteError},
        clock,
    },
};
use kube::{Api, Client};

use crate::{context::Context, infrastructure, interest::Topic};

/// All that one look sees.
pub struct Look {
    /// What plans are made from.
    pub snapshot: Snapshot,
    /// Where the infrastructure cluster is.
    pub infrastructure: Option<Address>,
}

/// Looks at everything that a plan may look at, and says so: whatever changes from now on brings the
/// next look.
pub async fn look(
    context: &Arc<Context>,
    key: &Key,
    object: &KamajiControlPlane,
) -> Result<Look, WriteError> {
    let mut topics = BTreeSet::from([Topic::Tenant(key.clone())]);
    let cluster = contract::cluster_of(object).map(str::to_owned);
    if let Some(name) = &cluster {
        topics.insert(Topic::Cluster(Key::new(&key.namespace, name)));
    }
    // Declared before anything is read: what changes in between is not missed.
    context.interests.declare(key, topics.clone());
    let owner = owner(context, key, cluster.clone());
    let tenant = context.tenants.get(key).map(|tenant| (*tenant).clone());
    let published = cluster.as_deref().map(contract::published_names);
    let sources = tenant.as_ref().map(contract::source_names);
    let names: BTreeSet<String> = published
        .into_iter()
        .flatten()
        .chain(sources.into_iter().flatten())
        .collect();
    topics.extend(
        names
            .iter()
            .map(|name| Topic::Secret(Key::new(&key.namespace, name))),
    );
    if let Owner::Cluster(cluster) = &owner {
        topics.extend(infrastructure::topics(cluster));
    }
    context.interests.declare(key, topics);
    let secrets = secrets(context, (&context.client, &key.namespace), &names).await?;
    let (found, address) = match &owner {
        Owner::Cluster(cluster) if !context.settings.core.skip_infrastructure => {
            infrastructure::read(context, cluster).await
        }
        _ => (Infrastructure::None, None),
    };
    let remote = match contract::place::place(object).kubeconfig {
        None => Remote::Local,
        Some(_) => Remote::Unreachable("other clusters cannot be reached yet".to_owned()),
    };
    Ok(Look {
        snapshot: Snapshot {
            control_plane: object.clone(),
            owner,
            tenant,
            infrastructure: found,
            remote,
            sources: secrets.clone(),
            secrets,
            probe: Probe::Untried,
            settings: context.settings.core.clone(),
            now: clock::now(),
        },
        infrastructure: address,
    })
}

fn owner(context: &Context, key: &Key, name: Option<String>) -> Owner {
    let Some(name) = name else {
        return Owner::Nobody;
    };
    match context.clusters.get(&Key::new(&key.namespace, &name)) {
        Some(cluster) => Owner::Cluster(Box::new((*cluster).clone())),
        None => Owner::Missing(name),
    }
}

/// Secrets by name; those that are not there are left out.
async fn secrets(
    context: &Context,
    (client, namespace): (&Client, &str),
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, Secret>, WriteError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut found = BTreeMap::new();
    for name in names {
        context.metrics.counters.request("get", "secrets");
        let secret = api.get_opt(name).await.map_err(|error| WriteError::Api {
            object: format!("Secret {namespace}/{name}"),
            problem: crate::probe::chain(&error),
        })?;
        found.extend(secret.map(|secret| (name.clone(), secret)));
    }
    Ok(found)
}
