//! A management cluster without nodes, whose Cluster API core, operator and infrastructure provider are
//! the test itself.

use std::{
    collections::BTreeSet,
    sync::Mutex,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::{
    api::{
        authentication::v1::TokenRequest,
        core::v1::{Event, Secret, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kamaji_api::{condition, control_plane::KamajiControlPlane, tenant::TenantControlPlane};
use kamaji_core::{cluster_api, pki::webhook_certificate::WebhookService};
use kamaji_e2e::{
    audit::Entry,
    envtest::{ApiServer, Options},
    kubeconfig::client_from,
    tools::Tools,
};
use kamaji_provider::{run_with, settings::Settings};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Namespace of all Clusters.
pub const NAMESPACE: &str = "default";
/// Group of infrastructure clusters.
pub const INFRASTRUCTURE: &str = "infrastructure.cluster.x-k8s.io";

/// What the provider's manifest gives it.
const RIGHTS: [&str; 3] = [
    include_str!("../../../../config/capi/rbac/role.yaml"),
    include_str!("../../../../config/capi/rbac/role_binding.yaml"),
    include_str!("../../../../config/capi/rbac/leader_election_role.yaml"),
];
/// Its ServiceAccount.
const ACCOUNT: &str = "capi-kamaji-controller-manager";

pub struct Environment {
    pub api: ApiServer,
    /// As an administrator.
    pub client: Client,
    /// As the provider.
    pub account: Client,
    /// Lists by which a watch has begun anew.
    anew: Mutex<BTreeSet<String>>,
}

/// A provider that ends, without a farewell, when it is dropped.
pub struct Provider(JoinHandle<()>);

impl Drop for Provider {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Environment {
    /// Without the definition of Clusters.
    pub async fn bare() -> Self {
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
            anew: Mutex::default(),
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

    /// With everything that Cluster API brings.
    pub async fn new() -> Self {
        let environment = Self::bare().await;
        environment.clusters().await;
        environment
    }

    /// Installs the definition of Clusters.
    pub async fn clusters(&self) {
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
        // As a person would for an infrastructure of their own; nobody aggregates here.
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

    /// What an administrator of the API server uses, which plays the tenant's, too.
    pub fn kubeconfig(&self) -> String {
        std::fs::read_to_string(self.api.kubeconfig()).unwrap()
    }

    /// What a provider is told that need not agree with anybody.
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

    pub fn provider(&self) -> Provider {
        self.run(Self::settings())
    }

    pub fn run(&self, settings: Settings) -> Provider {
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

    /// Where objects like this one are.
    pub fn at(&self, object: &Value) -> Api<DynamicObject> {
        at(&self.client, object)
    }

    /// A Cluster and its control plane, as core leaves them: the owner reference set. Both are called
    /// by their own names.
    pub async fn cluster(&self, cluster: &str, control_plane: &str, infrastructure: Option<&str>) {
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
        self.control_plane(control_plane, json!([owner_of(cluster, &uid)]), &json!({}))
            .await;
    }

    /// A control plane; `spec` is merged over the least that one needs.
    pub async fn control_plane(&self, name: &str, owners: Value, spec: &Value) {
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

    /// Waits until the TenantControlPlane is asked for.
    pub async fn asked(&self, name: &str) -> TenantControlPlane {
        until(&format!("the TenantControlPlane {name}"), async || {
            self.tenants().get_opt(name).await.ok()?
        })
        .await
    }

    /// Plays the operator: the tenant's Secrets, as labelled by it.
    pub async fn tenant_secrets(&self, name: &str) {
        let texts = [
            ("admin-kubeconfig", json!({"admin.conf": self.kubeconfig()})),
            ("ca", json!({"ca.crt": "certificate", "ca.key": "key"})),
        ];
        for (suffix, data) in texts {
            self.apply(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {
                    "name": format!("{name}-{suffix}"), "namespace": NAMESPACE,
                    "labels": {"kamaji.clastix.io/project": "kamaji", "kamaji.clastix.io/name": name},
                },
                "data": encoded(&data),
            }))
            .await;
        }
    }

    /// Plays the operator: the tenant serves, where this API server does.
    pub async fn serves(&self, name: &str) {
        self.tenant_status(name, &self.status(name)).await;
    }

    /// The status of a tenant that serves.
    pub fn status(&self, name: &str) -> Value {
        let time = "2026-01-01T00:00:00Z";
        json!({
            "controlPlaneEndpoint": self.api.url().strip_prefix("https://").unwrap(),
            "kubeconfig": {"admin": {"secretName": format!("{name}-admin-kubeconfig")}},
            "certificates": {"ca": {"secretName": format!("{name}-ca")}},
            "kubernetesResources": {
                "version": {"version": "v1.36.3", "status": "Ready"},
                "deployment": {
                    "name": name, "namespace": NAMESPACE, "selector": format!("kamaji.clastix.io/name={name}"),
                    "replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 2,
                },
            },
            "conditions": [{
                "type": "ControlPlaneAvailable", "status": "True", "reason": "Available",
                "message": "", "lastTransitionTime": time,
            }],
        })
    }

    pub async fn tenant_status(&self, name: &str, status: &Value) {
        let params = PatchParams::default();
        let patch = Patch::Merge(json!({"status": status}));
        self.tenants()
            .patch_status(name, &params, &patch)
            .await
            .unwrap();
    }

    /// Merges into a Cluster.
    pub async fn change_cluster(&self, name: &str, patch: Value) {
        let like = json!({
            "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster",
            "metadata": {"namespace": NAMESPACE},
        });
        let params = PatchParams::default();
        self.at(&like)
            .patch(name, &params, &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// Merges into a control plane.
    pub async fn change(&self, name: &str, patch: Value) {
        let params = PatchParams::default();
        let api = self.control_planes();
        api.patch(name, &params, &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// A condition of a control plane.
    pub async fn condition(&self, name: &str, type_: &str) -> Option<Condition> {
        let object = self.control_planes().get_opt(name).await.ok()??;
        condition::find(&object.status?.conditions, type_).cloned()
    }

    /// Waits until a condition has that status and reason; its message.
    pub async fn says(&self, name: &str, type_: &str, (status, reason): (&str, &str)) -> String {
        let what = format!("{type_} of {name} to be {status} for {reason}");
        let mut seen = None;
        let answer = answer(async || {
            let said = self.condition(name, type_).await?;
            seen = Some(said.clone());
            (said.status == status && said.reason == reason).then_some(said.message)
        });
        answer.await.unwrap_or_else(|| {
            let last = self.last_requests();
            panic!("waited a minute for {what}, and it is {seen:?}; the provider's last requests: {last:#?}")
        })
    }

    /// Waits until a control plane is usable.
    pub async fn available(&self, name: &str) -> KamajiControlPlane {
        self.says(name, "Available", ("True", "Available")).await;
        self.control_planes().get(name).await.unwrap()
    }

    /// Requests of the provider since `mark`, watches aside.
    pub fn requests(&self, mark: u64) -> Vec<Entry> {
        let entries = self.api.audit().since(mark).unwrap();
        let ours = entries
            .into_iter()
            .filter(|entry| entry.is_of_the_operator() && entry.verb != "watch");
        ours.collect()
    }

    /// What the provider asked for last, watches too.
    fn last_requests(&self) -> Vec<String> {
        let entries = self.api.audit().since(0).unwrap_or_default();
        let ours = entries.iter().filter(|entry| entry.is_of_the_operator());
        let said =
            ours.map(|e| format!("{} {} {} {}", e.at, e.verb, e.uri, e.response_status.code));
        let said: Vec<_> = said.collect();
        said[said.len().saturating_sub(40)..].to_vec()
    }

    pub fn mark(&self) -> u64 {
        self.api.audit().mark().unwrap()
    }

    /// Asserts that the provider requests nothing for `seconds`, once what was begun has ended. What never ends
    /// fails here after a minute.
    pub async fn at_rest(&self, seconds: u64) {
        until("the provider to end what it has begun", async || {
            let mark = self.mark();
            tokio::time::sleep(Duration::from_secs(2)).await;
            self.requests(mark).is_empty().then_some(())
        })
        .await;
        let mark = self.mark();
        let seen = self.asked_within(seconds).await;
        // Not even a watch that begins anew is a reason to write.
        let writes = self.requests(mark).into_iter().filter(Entry::is_write);
        let asked = seen.into_iter().chain(writes).map(|e| (e.verb, e.uri));
        let asked: Vec<_> = asked.collect();
        assert!(asked.is_empty(), "{asked:?} {:#?}", self.last_requests());
    }

    /// Whether a watch of a defined kind began anew that has not done so before.
    fn begun_anew(&self, seen: &[Entry]) -> bool {
        let defined = |uri: &str| {
            uri.starts_with("/apis/") && !uri.starts_with("/apis/apiextensions.k8s.io/")
        };
        let lists = seen.iter().filter(|e| e.verb == "list" && defined(&e.uri));
        let mut anew = self.anew.lock().unwrap();
        let news = lists.filter(|e| anew.insert(e.uri.clone())).count();
        news > 0
    }

    /// What the provider asks for within so many seconds. The API server ends the watches of a
    /// definition that has just come, once: they begin anew, whoever is interested looks again, and so
    /// does this.
    pub async fn asked_within(&self, seconds: u64) -> Vec<Entry> {
        loop {
            let mark = self.mark();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            let seen = self.requests(mark);
            if !self.begun_anew(&seen) {
                return seen;
            }
        }
    }

    /// Waits for an event about an object with that reason.
    pub async fn event(&self, name: &str, reason: &str) -> String {
        let api: Api<Event> = Api::namespaced(self.client.clone(), NAMESPACE);
        until(&format!("an event {reason} of {name}"), async || {
            let events = api.list(&ListParams::default()).await.ok()?.items;
            let found = events.into_iter().find(|event| {
                event.involved_object.name.as_deref() == Some(name)
                    && event.reason.as_deref() == Some(reason)
            })?;
            found.message
        })
        .await
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
        match at(client, &object).patch(&name, &params, &patch).await {
            Ok(live) => return live,
            Err(error) if started.elapsed() > Duration::from_secs(10) => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Where objects like this one are.
fn at(client: &Client, object: &Value) -> Api<DynamicObject> {
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

fn encoded(data: &Value) -> Value {
    let entries = data.as_object().unwrap().iter();
    entries
        .map(|(key, value)| (key.clone(), json!(STANDARD.encode(value.as_str().unwrap()))))
        .collect::<serde_json::Map<_, _>>()
        .into()
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

/// Asks until there is an answer, for at most a minute.
pub async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    let answer = answer(ask).await;
    answer.unwrap_or_else(|| panic!("waited a minute for {what}"))
}

/// The answer, if there is one within a minute.
async fn answer<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_mins(1) {
        if let Some(answer) = ask().await {
            return Some(answer);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}
