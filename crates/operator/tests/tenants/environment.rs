//! Test environment: a management cluster without nodes (kube-apiserver with an audit log), an etcd as datastore, and
//! operators within the test's process.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::{Namespace, Secret, ServiceAccount},
};
use kamaji_api::{condition, tenant::TenantControlPlane};
use kamaji_datastore::{self as datastore, Connection, Driver, Identity, Owner, Tenancy, Tls};
use kamaji_e2e::{
    audit::Entry,
    envtest::{ApiServer, Options},
    kubeconfig,
    tls_etcd::{Identities, TlsEtcd},
    tools::Tools,
};
use kamaji_operator::{run_with, settings::Settings};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    client::Body,
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Namespace of all tenants.
pub const NAMESPACE: &str = "tenants";
/// Roles and bindings that the packages grant the operator.
pub const RIGHTS: [&str; 3] = [
    include_str!("../../../../config/rbac/role.yaml"),
    include_str!("../../../../config/rbac/leader_election_role.yaml"),
    include_str!("../../../../config/rbac/metrics_access.yaml"),
];
/// ServiceAccount of the operator in `kamaji-system`.
pub const ACCOUNT: &str = "kamaji-controller-manager";

pub struct Environment {
    pub api: ApiServer,
    pub etcd: TlsEtcd,
    pub client: Client,
    /// Client of the operator, with the rights of its package and no others.
    account: Client,
    /// Directory for files of the test, removed when the value is dropped.
    pub dir: TempDir,
}

/// An operator within this process. It is aborted when the value is dropped, and keeps its lease then.
pub struct Operator(JoinHandle<()>);

impl Drop for Operator {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An operator that can be asked to stop.
pub struct Stoppable {
    stop: tokio::sync::oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Stoppable {
    /// Stops the operator as SIGTERM does, and waits until it has ended.
    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(30), self.task).await;
        ended.expect("the operator ends").unwrap();
    }
}

impl Environment {
    /// Starts the environment without a DataStore.
    pub async fn without_data_store() -> Self {
        Self::without_data_store_with(&[]).await
    }

    /// As [`Environment::without_data_store`], with further arguments of kube-apiserver.
    pub async fn without_data_store_with(args: &[&str]) -> Self {
        // Only the first test of a process installs the provider. The binary uses the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tools = Tools::api_server().await.unwrap();
        let options = Options {
            audit: true,
            args: std::iter::once(
                "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
            )
            .chain(args.iter().copied())
            .map(str::to_owned)
            .collect(),
        };
        let api = ApiServer::start(&tools, options).await.unwrap();
        let etcd = TlsEtcd::start(&tools).await.unwrap();
        let client = api.client().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut environment = Self {
            api,
            etcd,
            account: client.clone(),
            client,
            dir,
        };
        for (_, definition) in kamaji_api::crd::all() {
            environment.apply(definition).await;
        }
        for name in [NAMESPACE, "kamaji-system"] {
            let meta = json!({"name": name});
            environment
                .apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}))
                .await;
        }
        for file in RIGHTS {
            let objects: Vec<Value> = serde_saphyr::from_multiple(file).unwrap();
            for object in objects {
                environment.apply(object).await;
            }
        }
        let path = environment.account(ACCOUNT).await;
        environment.account = kubeconfig::client(&path).await.unwrap();
        environment
    }

    /// Starts the environment with the DataStore `default`.
    pub async fn new() -> Self {
        Self::new_with(&[]).await
    }

    /// As [`Environment::new`], with further arguments of kube-apiserver.
    pub async fn new_with(args: &[&str]) -> Self {
        let environment = Self::without_data_store_with(args).await;
        environment.data_store("default").await;
        environment
    }

    /// Applies a DataStore for the environment's etcd, with its certificates inline.
    pub async fn data_store(&self, name: &str) {
        self.data_store_of(name, &self.etcd).await;
    }

    /// Applies a DataStore for another etcd, with its certificates inline.
    pub async fn data_store_of(&self, name: &str, etcd: &TlsEtcd) {
        self.data_store_at(name, &etcd.endpoint, &etcd.identities)
            .await;
    }

    /// Applies a DataStore of the driver etcd with this endpoint and these certificates, inline.
    pub async fn data_store_at(&self, name: &str, endpoint: &str, ids: &Identities) {
        let content = |pem: &str| json!({"content": STANDARD.encode(pem)});
        self.apply(json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1",
            "kind": "DataStore",
            "metadata": {"name": name},
            "spec": {
                "driver": "etcd",
                "endpoints": [endpoint],
                "tlsConfig": {
                    "certificateAuthority": {
                        "certificate": content(&ids.authority.cert),
                        "privateKey": content(&ids.authority.key),
                    },
                    "clientCertificate": {
                        "certificate": content(&ids.root.cert),
                        "privateKey": content(&ids.root.key),
                    },
                },
            },
        }))
        .await;
    }

    /// Starts an operator without leader election.
    pub fn operator(&self) -> Operator {
        self.run(Self::settings())
    }

    /// Settings of an operator without leader election, webhooks and metrics.
    pub fn settings() -> Settings {
        Settings {
            core: kamaji_core::settings::Settings {
                default_data_store: Some("default".to_owned()),
                ..Default::default()
            },
            metrics: None,
            metrics_secure: false,
            health: None,
            webhooks: None,
            leader_elect: false,
            namespace: "kamaji-system".to_owned(),
            identity: "alone".to_owned(),
            webhook_service: "kamaji-webhook-service".to_owned(),
            webhook_certificates: None,
            concurrency: 16,
            tenant_cluster_concurrency: 4,
            time_limit: Duration::from_secs(30),
            resync: Duration::from_hours(10),
            data_store_check: Duration::from_secs(4),
            tenant_usage: Duration::from_hours(10),
            handover: Duration::from_hours(10),
            tenant_cluster_resync: Duration::from_mins(10),
            dial_cluster_ip: true,
        }
    }

    /// Starts an operator without leader election that can be asked to stop.
    pub fn stoppable(&self) -> Stoppable {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let client = self.account.clone();
        let task = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            let ended = run_with(client, Self::settings(), stopped).await;
            tracing::info!(?ended, "the operator ended");
        });
        Stoppable { stop, task }
    }

    /// Starts an operator with these settings.
    pub fn run(&self, settings: Settings) -> Operator {
        spawn_operator(self.account.clone(), settings)
    }

    /// Starts an operator with these settings whose requests go through `wrap`, which gets each request and
    /// the client to send it with.
    pub fn run_through<F>(
        &self,
        settings: Settings,
        wrap: impl Fn(http::Request<Body>, Client) -> F + Clone + Send + 'static,
    ) -> Operator
    where
        F: Future<Output = Result<http::Response<Body>, kube::Error>> + Send + 'static,
    {
        let client = self.account.clone();
        let service = tower::service_fn(move |request| wrap(request, client.clone()));
        spawn_operator(Client::new(service, "default"), settings)
    }

    /// Creates a ServiceAccount in `kamaji-system` with the rights of the package and returns the path of its
    /// kubeconfig.
    pub async fn account(&self, name: &str) -> PathBuf {
        let meta = json!({"name": name, "namespace": "kamaji-system"});
        self.apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}))
            .await;
        self.bind(name, ("ClusterRole", "kamaji-manager-role"))
            .await;
        self.bind(name, ("Role", "kamaji-leader-election-role"))
            .await;
        self.kubeconfig_of(name).await
    }

    /// Writes a kubeconfig of a ServiceAccount in `kamaji-system` and returns its path.
    pub async fn kubeconfig_of(&self, name: &str) -> PathBuf {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), "kamaji-system");
        let request = TokenRequest::default();
        let answer = api
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .unwrap();
        let text = std::fs::read_to_string(self.api.kubeconfig()).unwrap();
        let mut config: Value = serde_saphyr::from_str(&text).unwrap();
        let token = answer.status.unwrap().token;
        config["users"] = json!([{"name": "test", "user": {"token": token}}]);
        let path = self.dir.path().join(format!("{name}.kubeconfig"));
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// Binds a ServiceAccount of `kamaji-system` to a ClusterRole or Role.
    async fn bind(&self, account: &str, (kind, role): (&str, &str)) {
        let mut meta = json!({"name": format!("{role}-of-{account}")});
        if kind == "Role" {
            meta["namespace"] = "kamaji-system".into();
        }
        self.apply(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": format!("{kind}Binding"),
            "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "kamaji-system"}],
        }))
        .await;
    }

    /// Connection to the etcd with a client certificate.
    pub fn connection(&self, certificate: &[u8], key: &[u8]) -> Connection {
        Connection {
            driver: Driver::Etcd,
            endpoints: vec![self.etcd.endpoint.parse().unwrap()],
            tls: Some(Tls {
                ca_pem: self.etcd.identities.authority.cert.clone().into_bytes(),
                client: Some(Identity {
                    cert_pem: certificate.to_vec(),
                    key_pem: key.to_vec(),
                }),
            }),
            basic_auth: None,
            without_access_control: false,
        }
    }

    /// A plain client of the etcd, as its user `root`.
    pub async fn etcd_client(&self) -> etcd_client::Client {
        client_of(&self.etcd).await
    }

    /// The owner that datastores record for a tenant, with the uid of the live object.
    pub async fn owner(&self, tenant: &str) -> Owner {
        let found = self.tenants().get(tenant).await.unwrap();
        self.owner_of_uid(tenant, &found.uid().unwrap()).await
    }

    /// The owner that datastores record for a tenant with `uid`, which need not exist any more.
    pub async fn owner_of_uid(&self, tenant: &str, uid: &str) -> Owner {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let system = namespaces.get("kube-system").await.unwrap();
        Owner {
            cluster: system.uid().unwrap(),
            tenant: uid.to_owned(),
            namespace: NAMESPACE.to_owned(),
            name: tenant.to_owned(),
        }
    }

    /// Schema and user of a tenant in the etcd, with the tenant as owner.
    pub async fn tenancy(&self, tenant: &str, schema: &str, user: &str) -> Tenancy {
        Tenancy::parse(Driver::Etcd, schema, user, self.owner(tenant).await).unwrap()
    }

    /// The etcd as a datastore, with the rights of an administrator.
    pub async fn etcd_admin(&self) -> Box<dyn datastore::DataStore> {
        let root = &self.etcd.identities.root;
        let connection = self.connection(root.cert.as_bytes(), root.key.as_bytes());
        datastore::connect(&connection).await.unwrap()
    }

    /// Applies an object with the field manager `person`, and retries for ten seconds.
    pub async fn apply(&self, object: Value) -> DynamicObject {
        let text = |key: &str| object[key].as_str().unwrap().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        // A definition that was just applied takes a moment to be served.
        let started = Instant::now();
        loop {
            let params = PatchParams::apply("person").force();
            match api.patch(&name, &params, &Patch::Apply(&object)).await {
                Ok(live) => return live,
                Err(error) if started.elapsed() > Duration::from_secs(10) => panic!("{error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// Applies a tenant; `spec` is merged over the smallest valid spec.
    pub async fn tenant(&self, name: &str, spec: Value) {
        self.apply(tenant(name, &spec)).await;
    }

    /// All tenants of the namespace.
    pub fn tenants(&self) -> Api<TenantControlPlane> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// The port of a tenant's API server.
    pub async fn port(&self, tenant: &str) -> i32 {
        let live = self.tenants().get(tenant).await.unwrap();
        live.spec.network_profile.port
    }

    /// A client of a tenant's API server, as its administrator.
    pub async fn tenant_client(&self, tenant: &str) -> Client {
        let secret = self.secret(&format!("{tenant}-admin-kubeconfig")).await;
        let data = secret.unwrap().data.unwrap();
        let path = self.dir.path().join(format!("{tenant}.conf"));
        std::fs::write(&path, &data["super-admin.conf"].0).unwrap();
        kamaji_e2e::kubeconfig::client(&path).await.unwrap()
    }

    /// Tenants as untyped objects, with fields that this build does not know.
    pub fn untyped(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<TenantControlPlane>(&());
        Api::namespaced_with(self.client.clone(), NAMESPACE, &resource)
    }

    /// All Secrets of the namespace.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Objects of a kind that have the tenant's label.
    pub async fn owned(&self, resource: &ApiResource, tenant: &str) -> Vec<DynamicObject> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), NAMESPACE, resource);
        let selector = format!("kamaji.clastix.io/name={tenant}");
        api.list(&ListParams::default().labels(&selector))
            .await
            .unwrap()
            .items
    }

    /// Waits until the condition `type_` of a tenant has `reason`, and returns its message. Fails after a minute.
    pub async fn wait_for_condition(&self, tenant: &str, type_: &str, reason: &str) -> String {
        let what = format!("{type_} of {tenant} to be {reason}");
        let found = wait_until(&what, async || {
            let object = self.tenants().get_opt(tenant).await.ok()??;
            let conditions = object.status?.conditions;
            let found = condition::find(&conditions, type_)?.clone();
            (found.reason == reason).then_some(found.message)
        });
        found.await
    }

    /// Waits until all objects of a tenant are written: its control plane then lacks nothing but ready pods, which do
    /// not exist here.
    pub async fn wait_for_objects(&self, tenant: &str) {
        self.wait_for_condition(tenant, "ControlPlaneAvailable", "NoReplicaReady")
            .await;
        self.wait_for_condition(tenant, "Reconciled", "AsPlanned")
            .await;
    }

    /// Waits until a tenant is deleted.
    pub async fn wait_deleted(&self, tenant: &str) {
        wait_until(&format!("{tenant} to be deleted"), async || {
            let found = self.tenants().get_opt(tenant).await.ok()?;
            found.is_none().then_some(())
        })
        .await;
    }

    /// Writes since `mark`, without those of leases, of events, and of the API server itself.
    pub fn writes(&self, mark: u64) -> Vec<Entry> {
        let entries = self.api.audit().since(mark).unwrap();
        let written = entries.into_iter().filter(|entry| {
            entry.is_write()
                && !entry.is_of_a_lease()
                && !entry.uri.contains("/events")
                && entry.user.username != "system:apiserver"
        });
        written.collect()
    }

    /// Asserts that no write takes place for `seconds`. Waits up to a minute for earlier work to end first: a
    /// DataStore's list of its users is written up to two seconds after a tenant.
    pub async fn assert_quiescent(&self, seconds: u64) {
        let mut last = Vec::new();
        let ended = async {
            loop {
                let mark = self.api.audit().mark().unwrap();
                tokio::time::sleep(Duration::from_secs(3)).await;
                last = self.writes(mark);
                if last.is_empty() {
                    break;
                }
            }
        };
        let ended = tokio::time::timeout(Duration::from_mins(1), ended).await;
        assert!(ended.is_ok(), "writes go on: {last:?}");
        let mark = self.api.audit().mark().unwrap();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let uris: Vec<_> = self
            .writes(mark)
            .into_iter()
            .map(|entry| (entry.verb, entry.uri))
            .collect();
        assert!(uris.is_empty(), "{uris:?}");
    }

    /// A Secret of the namespace, or none if it does not exist.
    pub async fn secret(&self, name: &str) -> Option<Secret> {
        self.secrets().get_opt(name).await.unwrap()
    }
}

/// Starts an operator, which logs to stderr what the filter in `KAMAJI_LOG` lets through; nothing without it.
fn spawn_operator(client: Client, settings: Settings) -> Operator {
    if let Ok(filter) = std::env::var("KAMAJI_LOG") {
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        // Another test of this process may have set it already.
        subscriber.try_init().ok();
    }
    Operator(tokio::spawn(async move {
        let ended = run_with(client, settings, std::future::pending()).await;
        tracing::info!(?ended, "the operator ended");
    }))
}

/// Polls `ask` until it returns a value. Fails after a minute, with `what` in the message.
pub async fn wait_until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "waited a minute for {what}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Merges `from` into `into`: objects recursively, any other value replaces the old one.
pub fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// Names of the given objects.
pub fn names(objects: &[DynamicObject]) -> Vec<String> {
    objects.iter().map(ResourceExt::name_any).collect()
}

/// A TenantControlPlane as JSON; `spec` is merged over the smallest valid spec.
pub fn tenant(name: &str, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1",
        "kind": "TenantControlPlane",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "controlPlane": {"deployment": {"replicas": 1}, "service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": "v1.36.3", "kubelet": {}},
            "networkProfile": {"serviceCidr": "10.98.0.0/16"},
        },
    });
    merge(&mut object["spec"], spec);
    object
}

/// A plain client of `etcd`, as its user `root`.
pub async fn client_of(etcd: &TlsEtcd) -> etcd_client::Client {
    administrator(&etcd.identities, &etcd.endpoint).await
}

/// A plain client of the etcd at `endpoint`, as its user `root`.
pub async fn administrator(ids: &Identities, endpoint: &str) -> etcd_client::Client {
    let tls = etcd_client::TlsOptions::new()
        .ca_certificate(etcd_client::Certificate::from_pem(&ids.authority.cert))
        .identity(etcd_client::Identity::from_pem(
            &ids.root.cert,
            &ids.root.key,
        ));
    let options = etcd_client::ConnectOptions::new().with_tls(tls);
    let url = format!("https://{endpoint}");
    let client = etcd_client::Client::connect([url], Some(options)).await;
    client.unwrap()
}
