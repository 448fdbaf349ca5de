//! Environment of the operator in a bench: a lone API server with the definitions, a DataStore, and
//! accounts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kamaji_e2e::audit::OPERATOR_NAMESPACE;
use kamaji_e2e::command::{command, output};
use kamaji_e2e::envtest::{ApiServer, Options};
use kamaji_e2e::kubeconfig::client;
use kamaji_e2e::tls_etcd::TlsEtcd;
use kamaji_e2e::tools::Tools;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::figures::Figures;
use crate::usage::Usage;

/// Namespace of the bench's tenants.
pub const TENANTS: &str = "bench";

/// API server, DataStore and accounts that the operator needs.
pub struct Environment {
    /// The management cluster's API server.
    pub server: ApiServer,
    /// Folder for the files of one round.
    pub dir: TempDir,
    etcd: TlsEtcd,
}

/// CPU seconds of the servers of a bench.
#[derive(Debug, Clone, Copy)]
pub struct Servers {
    /// CPU seconds of the process kube-apiserver.
    pub api_server: f64,
    /// The etcd of kube-apiserver.
    pub api_server_etcd: f64,
    /// The etcd that is the DataStore.
    pub data_store: f64,
}

impl Servers {
    /// Records under `name` what the servers used since `before`, each for one of `each` tenants.
    pub fn record(&self, before: &Self, (name, each): (&str, f64), figures: &mut Figures) {
        for (server, now, then) in [
            ("api_server", self.api_server, before.api_server),
            (
                "api_server_etcd",
                self.api_server_etcd,
                before.api_server_etcd,
            ),
            ("data_store", self.data_store, before.data_store),
        ] {
            let figure = format!("{name}_{server}_cpu_s_per_tenant_n{each}");
            figures.set(figure, (now - then) / each);
        }
    }
}

impl Environment {
    /// Starts the API server and the etcd, and applies definitions, DataStore and accounts.
    pub async fn new(tools: &Tools, kamaji: &Path) -> Result<Self> {
        let options = Options {
            audit: true,
            ..Options::default()
        };
        let (server, etcd) =
            tokio::try_join!(ApiServer::start(tools, options), TlsEtcd::start(tools))?;
        let client = server.client().await?;
        let crds: Vec<Value> =
            serde_saphyr::from_multiple(&output(command(kamaji, ["crds"])).await?)?;
        for object in crds.iter().chain(&accounts()) {
            apply(&client, object).await?;
        }
        let store = store(&etcd);
        kamaji_e2e::wait::until("the DataStore is accepted", Duration::from_secs(30), || {
            apply(&client, &store)
        })
        .await?;
        Ok(Self {
            server,
            dir: tempfile::tempdir()?,
            etcd,
        })
    }

    /// CPU seconds used so far by each process that requests of a client reach.
    pub fn cpu(&self) -> Result<Servers> {
        let [api_server, api_server_etcd] = self.server.pids()?;
        let cpu = |pid: u32| Usage::of(&pid.to_string()).cpu();
        Ok(Servers {
            api_server: cpu(api_server)?,
            api_server_etcd: cpu(api_server_etcd)?,
            data_store: cpu(self.etcd.pid()?)?,
        })
    }

    /// Kubeconfig of a ServiceAccount, as an operator has: an administrator would bypass the API
    /// server's fairness and some of its audit.
    pub async fn account(&self, namespace: &str) -> Result<PathBuf> {
        let api: Api<ServiceAccount> = Api::namespaced(self.server.client().await?, namespace);
        let request = TokenRequest::default();
        let answer = api
            .create_token_request("bench", &PostParams::default(), &request)
            .await?;
        let token = answer
            .status
            .context("a token request without an answer")?
            .token;
        let text = std::fs::read_to_string(self.server.kubeconfig())?;
        let mut config: Value = serde_saphyr::from_str(&text)?;
        config["users"] = json!([{"name": "test", "user": {"token": token}}]);
        let path = self.dir.path().join(format!("{namespace}.kubeconfig"));
        std::fs::write(&path, config.to_string())?;
        Ok(path)
    }

    /// Client of the account that stands for the users.
    pub async fn user(&self) -> Result<Client> {
        client(&self.account(TENANTS).await?).await
    }
}

fn accounts() -> Vec<Value> {
    let mut objects = Vec::new();
    for namespace in [OPERATOR_NAMESPACE, TENANTS] {
        objects.push(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        );
        objects.push(json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "bench", "namespace": namespace}}));
        objects.push(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("bench-{namespace}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "bench", "namespace": namespace}]}));
    }
    objects
}

fn store(etcd: &TlsEtcd) -> Value {
    let content = |pem: &str| json!({"content": BASE64_STANDARD.encode(pem)});
    let (authority, root) = (&etcd.identities.authority, &etcd.identities.root);
    json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "DataStore",
        "metadata": {"name": "default"},
        "spec": {"driver": "etcd", "endpoints": [etcd.endpoint], "tlsConfig": {
            "certificateAuthority": {
                "certificate": content(&authority.cert), "privateKey": content(&authority.key)},
            "clientCertificate": {
                "certificate": content(&root.cert), "privateKey": content(&root.key)}}},
    })
}

/// The tenant of this name, with all addons that make objects in the management cluster.
pub fn tenant(name: &str) -> Result<Value> {
    Ok(json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
        "metadata": {"name": name, "namespace": TENANTS},
        "spec": {
            "dataStore": "default",
            "controlPlane": {
                "deployment": {"replicas": 2}, "service": {"serviceType": "ClusterIP"}},
            "kubernetes": {
                "version": kamaji_e2e::tools::kubernetes_version()?,
                "kubelet": {"cgroupfs": "systemd"}},
            "networkProfile": {"port": 6443},
            "addons": {
                "coreDNS": {}, "kubeProxy": {}, "konnectivity": {"server": {"port": 8132}}},
        },
    }))
}

async fn apply(client: &Client, object: &Value) -> Result<()> {
    let types: TypeMeta = serde_json::from_value(object.clone())?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types)?);
    let Some(name) = object["metadata"]["name"].as_str() else {
        bail!("no name in {object}")
    };
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let params = PatchParams::apply("bench").force();
    let answer = api.patch(name, &params, &Patch::Apply(object)).await;
    answer
        .map(drop)
        .with_context(|| format!("apply {} {name}", types.kind))
}
