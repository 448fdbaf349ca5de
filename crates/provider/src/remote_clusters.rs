//! How are other management clusters reached and followed? One connection and one watch of
//! TenantControlPlanes' metadata for each kubeconfig and namespace, as long as a control plane refers to
//! them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::{
    ByteString,
    api::core::v1::{Namespace, Secret},
};
use kamaji_api::tenant::TenantControlPlane;
use kamaji_core::cluster_api::{Kubeconfig, Place, placement};
use kamaji_shell::{
    ObjectKey,
    apply::{Address, WriteError, Writer},
};
use kube::{Api, Client, api::ApiResource, runtime::watcher};
use tokio::task::AbortHandle;

use crate::{
    context::Context,
    dependencies::{Dependency, Interests},
    metadata_watch::{self, Change},
    probe,
};

/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Time for an answer.
const ANSWER: Duration = Duration::from_secs(6);

/// Other management clusters that control planes refer to.
#[derive(Default)]
pub struct Externals {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Watches of the Secrets with kubeconfigs.
    secrets: HashMap<ObjectKey, AbortHandle>,
    connections: HashMap<(Kubeconfig, String), Arc<Connection>>,
}

/// A way into a namespace of another management cluster.
pub struct Connection {
    /// Its API server.
    pub client: Client,
    /// The write door to it.
    pub writer: Writer,
    /// What it is known by, where that can be read: the uid of the namespace.
    pub cluster: Option<String>,
    /// The bytes that it was made of.
    kubeconfig: Vec<u8>,
    watch: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Drop for State {
    fn drop(&mut self) {
        for task in self.secrets.values() {
            task.abort();
        }
    }
}

/// Why another cluster cannot be reached, and whether time alone may mend it.
pub struct Unreachable {
    /// What is wrong, and what to do.
    pub why: String,
    /// True if nothing tells when it is right again.
    pub again: bool,
}

/// The Secret with a kubeconfig.
pub fn secret(kubeconfig: &Kubeconfig) -> ObjectKey {
    ObjectKey::new(&kubeconfig.namespace, &kubeconfig.name)
}

/// What a look at a control plane depends on there.
pub fn topics(place: &Place, kubeconfig: &Kubeconfig) -> [Dependency; 2] {
    let secret = secret(kubeconfig);
    let tenant = ObjectKey::new(&place.namespace, &place.name);
    [
        Dependency::Kubeconfig(secret.clone()),
        Dependency::Remote(secret, tenant),
    ]
}

/// Where a tenant is.
pub fn address(place: &Place) -> Address {
    let kind = ApiResource::erase::<TenantControlPlane>(&());
    Address::namespaced(kind, &place.namespace, &place.name)
}

/// The way to a place, and the tenant that is there now.
pub async fn reach(
    context: &Arc<Context>,
    (place, kubeconfig): (&Place, &Kubeconfig),
) -> Result<(Arc<Connection>, Option<TenantControlPlane>), Unreachable> {
    let connection = connection(context, (place, kubeconfig)).await?;
    if let (Some(recorded), Some(found)) = (&place.cluster, &connection.cluster)
        && recorded != found
    {
        return Err(Unreachable {
            why: format!(
                "the kubeconfig {} leads to another cluster than before, or its namespace {} was made anew (uid {found}, not {recorded}): correct the kubeconfig; if the new namespace is meant, take \"cluster\" out of the annotation {}",
                described(kubeconfig),
                place.namespace,
                placement::ANNOTATION
            ),
            again: false,
        });
    }
    let address = address(place);
    let found = tokio::time::timeout(ANSWER, connection.writer.find(&address)).await;
    let again = |why: String| Unreachable {
        why: format!(
            "the cluster of the kubeconfig {kubeconfig} does not answer: {why}",
            kubeconfig = described(kubeconfig)
        ),
        again: true,
    };
    let found = match found {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(again(error.to_string())),
        Err(_) => return Err(again(format!("nothing within {ANSWER:?}"))),
    };
    let read = found.map(|object| serde_json::to_value(object).and_then(serde_json::from_value));
    let tenant = read.transpose();
    let tenant = tenant.map_err(|error| again(format!("{address} cannot be read: {error}")))?;
    Ok((connection, tenant))
}

/// What another cluster answers about an object, or that it does not.
pub async fn in_time<T>(
    object: String,
    answer: impl Future<Output = Result<T, WriteError>>,
) -> Result<T, WriteError> {
    let answer = tokio::time::timeout(ANSWER, answer).await;
    answer.unwrap_or_else(|_| {
        Err(WriteError::Api {
            object,
            problem: format!("the other cluster has not answered within {ANSWER:?}"),
        })
    })
}

fn described(kubeconfig: &Kubeconfig) -> String {
    let Kubeconfig {
        namespace,
        name,
        key,
    } = kubeconfig;
    format!("{key} of the Secret {namespace}/{name}")
}

/// The connection that the present bytes of the Secret lead to.
async fn connection(
    context: &Arc<Context>,
    (place, kubeconfig): (&Place, &Kubeconfig),
) -> Result<Arc<Connection>, Unreachable> {
    let key = (kubeconfig.clone(), place.namespace.clone());
    context.externals.follow(context, &secret(kubeconfig));
    let bytes = match bytes(context, kubeconfig).await {
        Ok(bytes) => bytes,
        Err(unreachable) => {
            context.externals.locked().connections.remove(&key);
            return Err(unreachable);
        }
    };
    if let Some(known) = context.externals.locked().connections.get(&key)
        && known.kubeconfig == bytes
    {
        return Ok(known.clone());
    }
    let client = probe::client(&bytes, CONNECT, &probe::EXTERNALS).await;
    let client = client.map_err(|why| Unreachable {
        why: format!("{} cannot be used: {why}", described(kubeconfig)),
        again: false,
    })?;
    let made = Arc::new(Connection {
        cluster: identity(&client, &place.namespace).await,
        watch: watch(context, (place, kubeconfig), &client),
        writer: context.writer.towards(client.clone()),
        client,
        kubeconfig: bytes,
    });
    let mut state = context.externals.locked();
    state.connections.insert(key, made.clone());
    Ok(made)
}

/// The uid of a namespace; a kubeconfig may lack the right to read it.
async fn identity(client: &Client, namespace: &str) -> Option<String> {
    let api: Api<Namespace> = Api::all(client.clone());
    let found = tokio::time::timeout(ANSWER, api.get_metadata(namespace)).await;
    found.ok()?.ok()?.metadata.uid
}

/// The present kubeconfig.
async fn bytes(context: &Context, kubeconfig: &Kubeconfig) -> Result<Vec<u8>, Unreachable> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &kubeconfig.namespace);
    context.metrics.counters.request("get", "secrets");
    let live = api.get_opt(&kubeconfig.name).await;
    let live = live.map_err(|error| Unreachable {
        why: format!("{} cannot be read: {error}", described(kubeconfig)),
        again: true,
    })?;
    let missing = |what: &str| Unreachable {
        why: format!("{} is not there: {what}", described(kubeconfig)),
        again: false,
    };
    let data: BTreeMap<String, ByteString> = live
        .ok_or_else(|| missing("create the Secret"))?
        .data
        .unwrap_or_default();
    let bytes = data.get(&kubeconfig.key);
    bytes
        .map(|bytes| bytes.0.clone())
        .ok_or_else(|| missing("the Secret has no such key"))
}

/// Follows the TenantControlPlanes of a namespace there.
fn watch(
    context: &Arc<Context>,
    (place, kubeconfig): (&Place, &Kubeconfig),
    client: &Client,
) -> AbortHandle {
    let kind = ApiResource::erase::<TenantControlPlane>(&());
    let api = Api::namespaced_with(client.clone(), &place.namespace, &kind);
    // Weak: the context owns the watch, not the other way round.
    let (told, secret) = (Arc::downgrade(context), secret(kubeconfig));
    let tell = move |change| {
        let Some(context) = told.upgrade() else {
            return;
        };
        match change {
            Change::Of(tenant, _) => context.tell(&Dependency::Remote(secret.clone(), tenant)),
            Change::Any => {
                context
                    .uncertain(|topic| matches!(topic, Dependency::Remote(of, _) if *of == secret));
            }
        }
    };
    let follow = metadata_watch::follow(api, watcher::Config::default(), tell);
    let task = tokio::spawn(follow);
    task.abort_handle()
}

impl Externals {
    /// Sees to it that changes of a kubeconfig wake whoever refers to it.
    fn follow(&self, context: &Arc<Context>, secret: &ObjectKey) {
        let mut state = self.locked();
        if state.secrets.contains_key(secret) {
            return;
        }
        let kind = ApiResource::erase::<Secret>(&());
        let api = Api::namespaced_with(context.client.clone(), &secret.namespace, &kind);
        let config = watcher::Config::default().fields(&format!("metadata.name={}", secret.name));
        let told = Arc::downgrade(context);
        let topic = Dependency::Kubeconfig(secret.clone());
        let tell = move |_| {
            if let Some(context) = told.upgrade() {
                context.tell(&topic);
            }
        };
        let task = tokio::spawn(metadata_watch::follow(api, config, tell));
        state.secrets.insert(secret.clone(), task.abort_handle());
    }

    /// Ends what nobody is interested in any more.
    pub fn sweep(&self, interests: &Interests) {
        let mut state = self.locked();
        if state.secrets.is_empty() {
            return;
        }
        let topics = interests.topics();
        let wanted: HashSet<&ObjectKey> = topics
            .iter()
            .filter_map(|topic| match topic {
                Dependency::Kubeconfig(secret) => Some(secret),
                _ => None,
            })
            .collect();
        let places: HashSet<(&ObjectKey, &str)> = topics
            .iter()
            .filter_map(|topic| match topic {
                Dependency::Remote(secret, tenant) => Some((secret, tenant.namespace.as_str())),
                _ => None,
            })
            .collect();
        state.connections.retain(|(kubeconfig, namespace), _| {
            places.contains(&(&secret(kubeconfig), namespace.as_str()))
        });
        state.secrets.retain(|secret, task| {
            let keep = wanted.contains(secret);
            if !keep {
                task.abort();
            }
            keep
        });
    }

    /// Secrets and connections that are followed now.
    pub fn followed(&self) -> (usize, usize) {
        let state = self.locked();
        (state.secrets.len(), state.connections.len())
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
