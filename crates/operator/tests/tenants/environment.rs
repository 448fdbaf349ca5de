//! A management cluster without nodes, a datastore, and operators that come and go.

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
    tls_etcd::TlsEtcd,
    tools::Tools,
};
use kamaji_operator::{run_with, settings::Settings};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Namespace of all tenants.
pub const NAMESPACE: &str = "tenants";
/// What the packages give the operator.
pub const RIGHTS: [&str; 3] = [
    include_str!("../../../../config/rbac/role.yaml"),
    include_str!("../../../../config/rbac/leader_election_role.yaml"),
    include_str!("../../../../config/rbac/metrics_access.yaml"),
];
/// Its ServiceAccount.
pub const ACCOUNT: &str = "kamaji-controller-manager";

pub struct Environment {
    pub api: ApiServer,
    pub etcd: TlsEtcd,
    pub client: Client,
    /// As the operator, with the rights of its package and no others.
    account: Client,
    /// Files of the test.
    pub dir: TempDir,
}

/// An operator that ends, without a farewell, when it is dropped.
pub struct Operator(JoinHandle<()>);

impl Drop for Operator {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Environment {
    /// Everything but a DataStore.
    pub async fn bare() -> Self {
        Self::bare_with(&[]).await
    }

    /// As [`World::bare`], with further arguments of kube-apiserver.
    pub async fn bare_with(args: &[&str]) -> Self {
        // Whoever is first installs it; the same one is in the binary.
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

    /// With the DataStore `default`.
    pub async fn new() -> Self {
        Self::new_with(&[]).await
    }

    /// As [`World::new`], with further arguments of kube-apiserver.
    pub async fn new_with(args: &[&str]) -> Self {
        let environment = Self::bare_with(args).await;
        environment.data_store("default").await;
        environment
    }

    pub async fn data_store(&self, name: &str) {
        let ids = &self.etcd.identities;
        let content = |pem: &str| json!({"content": STANDARD.encode(pem)});
        self.apply(json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1",
            "kind": "DataStore",
            "metadata": {"name": name},
            "spec": {
                "driver": "etcd",
                "endpoints": [self.etcd.endpoint],
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

    /// An operator that need not agree with anybody.
    pub fn operator(&self) -> Operator {
        self.run(Self::settings())
    }

    /// What an operator is told that need not agree with anybody.
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
            tenant_cluster_resync: Duration::from_mins(10),
            dial_cluster_ip: true,
        }
    }

    /// An operator within this process.
    pub fn run(&self, settings: Settings) -> Operator {
        let client = self.account.clone();
        Operator(tokio::spawn(async move {
            let ended = run_with(client, settings, std::future::pending()).await;
            tracing::info!(?ended, "the operator ended");
        }))
    }

    /// Kubeconfig of a ServiceAccount of the operator's namespace with the rights of its package.
    pub async fn account(&self, name: &str) -> PathBuf {
        let meta = json!({"name": name, "namespace": "kamaji-system"});
        self.apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}))
            .await;
        self.bind(name, ("ClusterRole", "kamaji-manager-role"))
            .await;
        self.bind(name, ("Role", "kamaji-leader-election-role"))
            .await;
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

    /// Gives a ServiceAccount of the operator's namespace a role.
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

    /// How the etcd is reached with a client certificate.
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

    /// The etcd, as its own tool sees it.
    pub async fn etcd_client(&self) -> etcd_client::Client {
        let ids = &self.etcd.identities;
        let tls = etcd_client::TlsOptions::new()
            .ca_certificate(etcd_client::Certificate::from_pem(&ids.authority.cert))
            .identity(etcd_client::Identity::from_pem(
                &ids.root.cert,
                &ids.root.key,
            ));
        let options = etcd_client::ConnectOptions::new().with_tls(tls);
        let url = format!("https://{}", self.etcd.endpoint);
        etcd_client::Client::connect([url], Some(options))
            .await
            .unwrap()
    }

    /// Whose tenant that is, as datastores record it.
    pub async fn owner(&self, tenant: &str) -> Owner {
        let found = self.tenants().get(tenant).await.unwrap();
        self.owner_of_uid(tenant, &found.uid().unwrap()).await
    }

    /// The same of a tenant that may be gone.
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

    /// What a tenant has in the etcd under these names, as its owner.
    pub async fn tenancy(&self, tenant: &str, schema: &str, user: &str) -> Tenancy {
        Tenancy::parse(Driver::Etcd, schema, user, self.owner(tenant).await).unwrap()
    }

    /// The etcd, as its administrator sees it.
    pub async fn etcd_admin(&self) -> Box<dyn datastore::DataStore> {
        let root = &self.etcd.identities.root;
        let connection = self.connection(root.cert.as_bytes(), root.key.as_bytes());
        datastore::connect(&connection).await.unwrap()
    }

    /// Applies an object as a person would.
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

    /// Makes a tenant; `spec` is merged over the least that one needs.
    pub async fn tenant(&self, name: &str, spec: Value) {
        self.apply(tenant(name, &spec)).await;
    }

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

    /// Tenants as the API server has them.
    pub fn untyped(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<TenantControlPlane>(&());
        Api::namespaced_with(self.client.clone(), NAMESPACE, &resource)
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Objects of one of our kinds, as JSON by name.
    pub async fn owned(&self, resource: &ApiResource, tenant: &str) -> Vec<DynamicObject> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), NAMESPACE, resource);
        let selector = format!("kamaji.clastix.io/name={tenant}");
        api.list(&ListParams::default().labels(&selector))
            .await
            .unwrap()
            .items
    }

    /// Waits until a condition of a tenant has that reason, and returns its message.
    pub async fn reason(&self, tenant: &str, type_: &str, reason: &str) -> String {
        let what = format!("{type_} of {tenant} to be {reason}");
        let found = until(&what, async || {
            let object = self.tenants().get_opt(tenant).await.ok()??;
            let conditions = object.status?.conditions;
            let found = condition::find(&conditions, type_)?.clone();
            (found.reason == reason).then_some(found.message)
        });
        found.await
    }

    /// Waits until everything of a tenant is written that can be without nodes.
    pub async fn written(&self, tenant: &str) {
        self.reason(tenant, "ControlPlaneAvailable", "NoReplicaReady")
            .await;
        self.reason(tenant, "Reconciled", "AsPlanned").await;
    }

    /// Waits until a tenant is gone.
    pub async fn gone(&self, tenant: &str) {
        until(&format!("{tenant} to be gone"), async || {
            let found = self.tenants().get_opt(tenant).await.ok()?;
            found.is_none().then_some(())
        })
        .await;
    }

    /// Writes since `mark`, leases, events and the API server's own aside.
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

    /// Asserts that nobody writes for `seconds`, once what was begun has ended: a DataStore's list of its users
    /// is written up to two seconds after a tenant. What never ends fails here after a minute.
    pub async fn at_rest(&self, seconds: u64) {
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

    /// The data of a Secret, if it is there.
    pub async fn secret(&self, name: &str) -> Option<Secret> {
        self.secrets().get_opt(name).await.unwrap()
    }
}

/// Asks until there is an answer, for at most a minute.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
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

/// Puts `from` over `into`.
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

/// The names of objects.
pub fn names(objects: &[DynamicObject]) -> Vec<String> {
    objects.iter().map(ResourceExt::name_any).collect()
}

/// A tenant; `spec` is merged over the least that one needs.
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
