//! Other management clusters: one connection and one metadata watch of TenantControlPlanes for each kubeconfig and
//! namespace, as long as a control plane refers to them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
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
    lock::lock,
};
use kube::{Api, Client, api::ApiResource, runtime::watcher};
use tokio::task::AbortHandle;

use crate::{
    dependencies::Dependency,
    dependents::Dependents,
    management::ManagementCluster,
    metadata_watch::{self, Change},
    probe::{self, ClientOptions},
};

/// Limit for connecting to another management cluster.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Limit for one operation on another management cluster, which may take several requests.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);
/// Limit for any single response of another management cluster, watches aside: it ends the requests that no
/// operation waits for any more.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections to the management clusters that control planes refer to, and their watches.
pub struct RemoteClusters {
    management: ManagementCluster,
    dependents: Dependents,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Watches of the Secrets with kubeconfigs.
    secrets: HashMap<ObjectKey, AbortHandle>,
    /// Connections by kubeconfig and namespace.
    connections: HashMap<(Kubeconfig, String), Arc<Connection>>,
}

/// Connection to one namespace of another management cluster; its watch ends with it.
pub struct Connection {
    /// Client of the API server, with a read time-out: not for watches.
    pub client: Client,
    /// Write door to that cluster.
    pub writer: Writer,
    /// Identity of the cluster: the uid of the namespace, where the kubeconfig may read it.
    pub cluster: Option<String>,
    /// Content of the kubeconfig that the connection was made from.
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

/// Reason why another cluster cannot be used.
pub struct Unreachable {
    /// Message for the condition: the cause and the next action.
    pub why: String,
    /// True if no watch reports when the cluster can be used again.
    pub retry: bool,
}

/// A tenant's location in another management cluster.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Namespace and name of the TenantControlPlane.
    pub place: &'a Place,
    /// Kubeconfig of the cluster, the one of [`Place::kubeconfig`].
    pub kubeconfig: &'a Kubeconfig,
}

/// Key of the Secret with a kubeconfig.
pub fn secret(kubeconfig: &Kubeconfig) -> ObjectKey {
    ObjectKey::new(&kubeconfig.namespace, &kubeconfig.name)
}

/// Dependencies of a control plane whose tenant is in another cluster: the Secret with the kubeconfig, and the tenant.
pub fn dependencies(target: Target) -> [Dependency; 2] {
    let secret = secret(target.kubeconfig);
    let tenant = ObjectKey::new(&target.place.namespace, &target.place.name);
    [
        Dependency::Kubeconfig(secret.clone()),
        Dependency::Remote(secret, tenant),
    ]
}

/// Address of a TenantControlPlane in its cluster.
pub fn address(place: &Place) -> Address {
    let kind = ApiResource::erase::<TenantControlPlane>(&());
    Address::namespaced(kind, &place.namespace, &place.name)
}

/// Awaits an operation on another cluster for at most 6 seconds; the error names `object`.
pub async fn with_timeout<T>(
    object: String,
    operation: impl Future<Output = Result<T, WriteError>>,
) -> Result<T, WriteError> {
    let result = tokio::time::timeout(OPERATION_TIMEOUT, operation).await;
    result.unwrap_or_else(|_| {
        Err(WriteError::Api {
            object,
            problem: format!("the other cluster has not answered within {OPERATION_TIMEOUT:?}"),
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

/// Reads the uid of a namespace; `None` if the kubeconfig lacks that right.
async fn identity(client: &Client, namespace: &str) -> Option<String> {
    let api: Api<Namespace> = Api::all(client.clone());
    let found = tokio::time::timeout(OPERATION_TIMEOUT, api.get_metadata(namespace)).await;
    found.ok()?.ok()?.metadata.uid
}

impl RemoteClusters {
    /// No cluster is connected yet.
    pub fn new(management: ManagementCluster, dependents: Dependents) -> Self {
        Self {
            management,
            dependents,
            state: Mutex::default(),
        }
    }

    /// Connects to the tenant's cluster and reads the TenantControlPlane; `None` if it does not exist.
    pub async fn reach(
        &self,
        target: Target<'_>,
    ) -> Result<(Arc<Connection>, Option<TenantControlPlane>), Unreachable> {
        let Target { place, kubeconfig } = target;
        let connection = self.connection(target).await?;
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
                retry: false,
            });
        }
        let address = address(place);
        let request = connection.writer.find(&address);
        let found = tokio::time::timeout(OPERATION_TIMEOUT, request).await;
        let failed = |why: String| Unreachable {
            why: format!(
                "the cluster of the kubeconfig {kubeconfig} does not answer: {why}",
                kubeconfig = described(kubeconfig)
            ),
            retry: true,
        };
        let found = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed(format!("nothing within {OPERATION_TIMEOUT:?}"))),
        };
        let read =
            found.map(|object| serde_json::to_value(object).and_then(serde_json::from_value));
        let tenant = read.transpose();
        let tenant =
            tenant.map_err(|error| failed(format!("{address} cannot be read: {error}")))?;
        Ok((connection, tenant))
    }

    /// Connection by the Secret's present kubeconfig: the cached one, or a new one if the kubeconfig has changed.
    async fn connection(&self, target: Target<'_>) -> Result<Arc<Connection>, Unreachable> {
        let Target { place, kubeconfig } = target;
        let key = (kubeconfig.clone(), place.namespace.clone());
        self.watch_secret(&secret(kubeconfig));
        let bytes = match self.read_kubeconfig(kubeconfig).await {
            Ok(bytes) => bytes,
            Err(unreachable) => {
                self.locked().connections.remove(&key);
                return Err(unreachable);
            }
        };
        if let Some(known) = self.locked().connections.get(&key)
            && known.kubeconfig == bytes
        {
            return Ok(known.clone());
        }
        let connection = Arc::new(self.connect(target, bytes).await?);
        self.locked().connections.insert(key, connection.clone());
        Ok(connection)
    }

    /// Connects with the content of a kubeconfig and watches the TenantControlPlanes of the namespace.
    async fn connect(&self, target: Target<'_>, bytes: Vec<u8>) -> Result<Connection, Unreachable> {
        let Target { place, kubeconfig } = target;
        let client = async |read_timeout| {
            let options = ClientOptions {
                connect_timeout: CONNECT_TIMEOUT,
                read_timeout,
                answers: &probe::EXTERNALS,
            };
            let client = probe::client(&bytes, options).await;
            client.map_err(|why| Unreachable {
                why: format!("{} cannot be used: {why}", described(kubeconfig)),
                retry: false,
            })
        };
        let requests = client(Some(READ_TIMEOUT)).await?;
        // A watch may be silent for minutes; the watcher has an idle time-out of its own.
        let watches = client(None).await?;
        Ok(Connection {
            cluster: identity(&requests, &place.namespace).await,
            watch: self.watch_tenants(target, watches),
            writer: self.management.writer.towards(requests.clone()),
            client: requests,
            kubeconfig: bytes,
        })
    }

    /// Reads the present content of a kubeconfig.
    async fn read_kubeconfig(&self, kubeconfig: &Kubeconfig) -> Result<Vec<u8>, Unreachable> {
        let client = self.management.client.clone();
        let api: Api<Secret> = Api::namespaced(client, &kubeconfig.namespace);
        self.management.counters.request("get", "secrets");
        let live = api.get_opt(&kubeconfig.name).await;
        let live = live.map_err(|error| Unreachable {
            why: format!("{} cannot be read: {error}", described(kubeconfig)),
            retry: true,
        })?;
        let missing = |what: &str| Unreachable {
            why: format!("{} is not there: {what}", described(kubeconfig)),
            retry: false,
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

    /// Watches the TenantControlPlanes of a namespace in another cluster.
    fn watch_tenants(&self, target: Target, client: Client) -> AbortHandle {
        let kind = ApiResource::erase::<TenantControlPlane>(&());
        let api = Api::namespaced_with(client, &target.place.namespace, &kind);
        let (dependents, secret) = (self.dependents.clone(), secret(target.kubeconfig));
        let on_change = move |change| match change {
            Change::Of(tenant, _) => {
                dependents.enqueue(&Dependency::Remote(secret.clone(), tenant));
            }
            Change::Any => {
                dependents.invalidate(|d| matches!(d, Dependency::Remote(of, _) if *of == secret));
            }
        };
        let events = metadata_watch::run(api, watcher::Config::default(), on_change);
        tokio::spawn(events).abort_handle()
    }

    /// Watches the Secret with a kubeconfig, unless it is watched already.
    fn watch_secret(&self, secret: &ObjectKey) {
        let mut state = self.locked();
        if state.secrets.contains_key(secret) {
            return;
        }
        let kind = ApiResource::erase::<Secret>(&());
        let client = self.management.client.clone();
        let api = Api::namespaced_with(client, &secret.namespace, &kind);
        let config = watcher::Config::default().fields(&format!("metadata.name={}", secret.name));
        let dependents = self.dependents.clone();
        let dependency = Dependency::Kubeconfig(secret.clone());
        let on_change = move |_| dependents.enqueue(&dependency);
        let task = tokio::spawn(metadata_watch::run(api, config, on_change));
        state.secrets.insert(secret.clone(), task.abort_handle());
    }

    /// Ends connections and watches that no control plane depends on any more.
    pub fn sweep(&self) {
        let mut state = self.locked();
        if state.secrets.is_empty() {
            return;
        }
        let dependencies = self.dependents.index.dependencies();
        let mut secrets: HashSet<&ObjectKey> = HashSet::new();
        let mut namespaces: HashSet<(&ObjectKey, &str)> = HashSet::new();
        for dependency in &dependencies {
            match dependency {
                Dependency::Kubeconfig(secret) => {
                    secrets.insert(secret);
                }
                Dependency::Remote(secret, tenant) => {
                    namespaces.insert((secret, tenant.namespace.as_str()));
                }
                _ => {}
            }
        }
        state.connections.retain(|(kubeconfig, namespace), _| {
            namespaces.contains(&(&secret(kubeconfig), namespace.as_str()))
        });
        state.secrets.retain(|secret, task| {
            let keep = secrets.contains(secret);
            if !keep {
                task.abort();
            }
            keep
        });
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
