//! Environment of the tests: a management cluster without nodes, in which the test plays Cluster API's core, the
//! operator and the infrastructure provider.

use std::{
    collections::BTreeSet,
    sync::Mutex,
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::{Secret, ServiceAccount},
};
use kamaji_api::{control_plane::KamajiControlPlane, tenant::TenantControlPlane};
use kamaji_core::{cluster_api, pki::webhook_certificate::WebhookService};
use kamaji_e2e::{
    envtest::{ApiServer, Options},
    kubeconfig::client_from,
    tools::Tools,
};
use kamaji_provider::{run_with, settings::Settings};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Namespace of all Clusters.
pub const NAMESPACE: &str = "default";
/// Group of infrastructure clusters.
pub const INFRASTRUCTURE: &str = "infrastructure.cluster.x-k8s.io";

/// RBAC of the provider's manifest.
const RIGHTS: [&str; 3] = [
    include_str!("../../../../config/capi/rbac/role.yaml"),
    include_str!("../../../../config/capi/rbac/role_binding.yaml"),
    include_str!("../../../../config/capi/rbac/leader_election_role.yaml"),
];
/// ServiceAccount of the provider's manifest.
const ACCOUNT: &str = "capi-kamaji-controller-manager";

pub struct Environment {
    pub api: ApiServer,
    /// Client of an administrator.
    pub client: Client,
    /// Client with the provider's rights.
    pub account: Client,
    /// URIs of the lists by which watches have restarted.
    pub restarted: Mutex<BTreeSet<String>>,
}

/// A running provider, which is aborted when it is dropped.
pub struct Provider(JoinHandle<()>);

impl Drop for Provider {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Environment {
    /// Starts an API server without the definition of Clusters.
    pub async fn without_clusters() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tools = Tools::api_server().await.unwrap();
        let options = Options {
            audit: true,
            args: vec![
                "--enable-admission-plugins=OwnerReferencesPermissionEnforcement".to_owned(),
            ],
        };
        let api = ApiServer::start(&tools, options).await.unwrap();
        let client = api.client().await.unwrap();
        let mut environment = Self {
            api,
            account: client.clone(),
            client,
            restarted: Mutex::default(),
        };
        for (_, definition) in kamaji_api::crd::all() {
            environment.apply(definition).await;
        }
        let meta = json!({"name": "kamaji-system"});
        environment
            .apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}))
            .await;
        environment
            .apply(definition(INFRASTRUCTURE, "FakeCluster", &json!({})))
            .await;
        environment.account = environment.provider_account().await;
        environment
    }

    /// Starts an API server with all definitions.
    pub async fn new() -> Self {
        let environment = Self::without_clusters().await;
        environment.install_clusters().await;
        environment
    }

    /// Installs the definition of Clusters.
    pub async fn install_clusters(&self) {
        self.apply(definition("cluster.x-k8s.io", "Cluster", &json!({})))
            .await;
    }

    /// A client with the rights of the provider's manifest, and no others.
    async fn provider_account(&self) -> Client {
        let meta = json!({"name": ACCOUNT, "namespace": "kamaji-system"});
        self.apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}))
            .await;
        for file in RIGHTS {
            let objects: Vec<Value> = serde_saphyr::from_multiple(file).unwrap();
            for object in objects {
                self.apply(object).await;
            }
        }
        // Rights that an administrator grants for a further kind; no controller aggregates roles here.
        self.apply(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "capi-kamaji-infrastructure-role"},
            "rules": [{
                "apiGroups": [INFRASTRUCTURE], "resources": ["fakeclusters", "fakeclusters/status"],
                "verbs": ["get", "list", "watch", "patch"],
            }],
        }))
        .await;
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), "kamaji-system");
        let (request, params) = (TokenRequest::default(), PostParams::default());
        let answer = api.create_token_request(ACCOUNT, &params, &request).await;
        let mut config: Value = serde_saphyr::from_str(&self.kubeconfig()).unwrap();
        let token = answer.unwrap().status.unwrap().token;
        config["users"] = json!([{"name": config["users"][0]["name"], "user": {"token": token}}]);
        client_from(&config.to_string()).await.unwrap()
    }

    /// Kubeconfig of an administrator; it also serves as the tenant's kubeconfig.
    pub fn kubeconfig(&self) -> String {
        std::fs::read_to_string(self.api.kubeconfig()).unwrap()
    }

    /// Settings of a single replica.
    pub fn settings() -> Settings {
        Settings {
            core: cluster_api::Settings {
                further_kinds: vec!["FakeCluster".to_owned()],
                ..cluster_api::Settings::default()
            },
            namespace: None,
            watch_filter: None,
            metrics: None,
            metrics_secure: false,
            health: None,
            webhooks: None,
            service: WebhookService {
                namespace: "kamaji-system".to_owned(),
                name: "capi-kamaji-webhook-service".to_owned(),
            },
            leader_elect: false,
            identity: "alone".to_owned(),
            concurrency: 8,
            time_limit: Duration::from_secs(30),
            resync: Duration::from_hours(10),
        }
    }

    pub fn start_provider(&self) -> Provider {
        self.start_provider_with(Self::settings())
    }

    pub fn start_provider_with(&self, settings: Settings) -> Provider {
        let client = self.account.clone();
        Provider(tokio::spawn(async move {
            let ended = run_with(client, settings, std::future::pending()).await;
            panic!("the provider ended: {ended:?}");
        }))
    }

    /// Applies an object as a person would.
    pub async fn apply(&self, object: Value) -> DynamicObject {
        apply_to(&self.client, object).await
    }

    /// API of the kind and namespace of an object.
    pub fn api_of(&self, object: &Value) -> Api<DynamicObject> {
        api_of(&self.client, object)
    }

    /// Creates a Cluster and its control plane with the owner reference that core sets.
    pub async fn create_cluster(
        &self,
        cluster: &str,
        control_plane: &str,
        infrastructure: Option<&str>,
    ) {
        let mut object = json!({
            "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster",
            "metadata": {"name": cluster, "namespace": NAMESPACE},
            "spec": {
                "clusterNetwork": {"services": {"cidrBlocks": ["10.98.0.0/16"]}},
                "controlPlaneRef": {
                    "apiGroup": "controlplane.cluster.x-k8s.io",
                    "kind": "KamajiControlPlane", "name": control_plane,
                },
            },
        });
        if let Some(name) = infrastructure {
            object["spec"]["infrastructureRef"] =
                json!({"apiGroup": INFRASTRUCTURE, "kind": "FakeCluster", "name": name});
        }
        let owner = self.apply(object).await;
        let uid = owner.metadata.uid.unwrap();
        self.create_control_plane(control_plane, json!([owner_of(cluster, &uid)]), &json!({}))
            .await;
    }

    /// Creates a control plane; `spec` is merged over the smallest valid one.
    pub async fn create_control_plane(&self, name: &str, owners: Value, spec: &Value) {
        let mut object = json!({
            "apiVersion": "controlplane.cluster.x-k8s.io/v1alpha2", "kind": "KamajiControlPlane",
            "metadata": {"name": name, "namespace": NAMESPACE, "ownerReferences": owners},
            "spec": {"version": "1.36.3", "replicas": 2},
        });
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        self.apply(object).await;
    }

    pub fn control_planes(&self) -> Api<KamajiControlPlane> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    pub fn tenants(&self) -> Api<TenantControlPlane> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Deletes a control plane, without waiting.
    pub async fn delete_control_plane(&self, name: &str) {
        let params = DeleteParams::default();
        self.control_planes().delete(name, &params).await.unwrap();
    }

    /// Patches a Cluster.
    pub async fn patch_cluster(&self, name: &str, patch: Value) {
        let like = json!({
            "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster",
            "metadata": {"namespace": NAMESPACE},
        });
        let params = PatchParams::default();
        self.api_of(&like)
            .patch(name, &params, &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// Patches a control plane.
    pub async fn patch_control_plane(&self, name: &str, patch: Value) {
        let params = PatchParams::default();
        let api = self.control_planes();
        api.patch(name, &params, &Patch::Merge(patch))
            .await
            .unwrap();
    }
}

/// Applies an object as a person would.
pub async fn apply_to(client: &Client, object: Value) -> DynamicObject {
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    // A definition that was just applied takes a moment to be served.
    let started = Instant::now();
    loop {
        let params = PatchParams::apply("person").force();
        let patch = Patch::Apply(&object);
        match api_of(client, &object).patch(&name, &params, &patch).await {
            Ok(live) => return live,
            Err(error) if started.elapsed() > Duration::from_secs(10) => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// API of the kind and namespace of an object.
fn api_of(client: &Client, object: &Value) -> Api<DynamicObject> {
    let text = |key: &str| object[key].as_str().unwrap().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// The reference that core gives a control plane.
pub fn owner_of(cluster: &str, uid: &str) -> Value {
    json!({"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster", "name": cluster, "uid": uid})
}

/// Our own definition of a kind.
pub fn definition_of(kind: &str) -> Value {
    let mut all = kamaji_api::crd::all().into_iter();
    let found = all.find(|(_, definition)| definition["spec"]["names"]["kind"] == kind);
    found.unwrap().1
}

/// A definition whose objects may say anything, or what `spec` allows.
pub fn definition(group: &str, kind: &str, spec: &Value) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    let mut schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    if *spec != json!({}) {
        schema["properties"] = json!({"spec": spec});
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.{group}"),
            "labels": {"cluster.x-k8s.io/v1beta2": "v1beta2"},
        },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{
                "name": "v1beta2", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}},
            }],
        },
    })
}

/// An infrastructure cluster of the kind that the provider may patch.
pub fn fake_cluster(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("{INFRASTRUCTURE}/v1beta2"), "kind": "FakeCluster",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    })
}
