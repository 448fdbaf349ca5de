//! An API server with the definitions, and the binary that uses it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use k8s_openapi::{
    ByteString,
    api::{
        authentication::v1::TokenRequest,
        core::v1::{Secret, ServiceAccount},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kamaji_api::tenant::TenantControlPlane;
use kamaji_e2e::{
    envtest::{ApiServer, Options},
    tools::Tools,
};
use kube::{
    Api, Client, Resource,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub struct Cluster {
    pub client: Client,
    server: ApiServer,
    home: TempDir,
}

impl Cluster {
    /// An API server with our definitions.
    pub async fn start() -> Self {
        let cluster = Self::bare().await;
        let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
        for (_, definition) in kamaji_api::crd::all() {
            let definition = serde_json::from_value(serde_json::to_value(definition).unwrap());
            api.create(&PostParams::default(), &definition.unwrap())
                .await
                .unwrap();
        }
        for _ in 0..600 {
            let page = ListParams::default().limit(1);
            if cluster.tenants().list(&page).await.is_ok() {
                return cluster;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the definitions are not served within 30 s");
    }

    /// An API server without our definitions.
    pub async fn bare() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tools = Tools::api_server().await.unwrap();
        let server = ApiServer::start(&tools, Options::default()).await.unwrap();
        Self {
            client: server.client().await.unwrap(),
            home: tempfile::tempdir().unwrap(),
            server,
        }
    }

    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// Kubeconfig of an administrator of the API server.
    pub fn kubeconfig(&self) -> PathBuf {
        self.server.kubeconfig()
    }

    /// Home folder of the commands.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn tenants(&self) -> Api<TenantControlPlane> {
        Api::namespaced(self.client.clone(), "default")
    }

    pub fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kamaji"));
        command
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            .env("HOME", self.home())
            .env_remove("KUBERNETES_SERVICE_HOST");
        command
    }

    /// Standard output of a command that succeeds.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Last line of standard error of a command that fails with a code, and prints nothing else.
    pub fn fails(&self, arguments: &[&str], code: i32) -> String {
        sentence(&self.command(arguments).output().unwrap(), code)
    }

    /// A tenant of the spec that all tests use, changed by `patch`.
    pub async fn tenant(&self, name: &str, patch: &Value) -> TenantControlPlane {
        let mut object = json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
            "metadata": {"name": name},
            "spec": {
                "controlPlane": {
                    "deployment": {"replicas": 3},
                    "service": {"serviceType": "ClusterIP"},
                },
                "kubernetes": {"version": "v1.35.1", "kubelet": {}},
            },
        });
        overlay(&mut object, patch);
        let object = serde_json::from_value(object).unwrap();
        self.tenants()
            .create(&PostParams::default(), &object)
            .await
            .unwrap()
    }

    /// Token of a ServiceAccount that may do nothing.
    pub async fn token(&self, name: &str) -> String {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), "default");
        let mut account = ServiceAccount::default();
        account.metadata.name = Some(name.to_owned());
        api.create(&PostParams::default(), &account).await.unwrap();
        let request = TokenRequest::default();
        let parameters = PostParams::default();
        let made = api.create_token_request(name, &parameters, &request);
        made.await.unwrap().status.unwrap().token
    }

    pub async fn read(&self, name: &str) -> TenantControlPlane {
        self.tenants().get(name).await.unwrap()
    }

    pub async fn set_status(&self, name: &str, status: Value) {
        let patch = Patch::Merge(json!({ "status": status }));
        self.tenants()
            .patch_status(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    pub async fn set_condition(&self, name: &str, type_: &str, reason: &str) {
        let status = if reason == "AsPlanned" {
            "True"
        } else {
            "False"
        };
        let condition = |type_: &str| {
            json!({
                "type": type_, "status": status, "reason": reason, "message": "because \u{1b}[31m",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let conditions = json!({"conditions": [condition("Ready"), condition(type_)]});
        self.set_status(name, conditions).await;
    }

    /// A Secret that the tenant owns, with the labels of its lifecycle.
    pub async fn secret(&self, tenant: &TenantControlPlane, name: &str, data: &[(&str, &str)]) {
        let data = data.iter();
        let data =
            data.map(|(key, text)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec())));
        let mut secret = Secret {
            data: Some(data.collect()),
            ..Secret::default()
        };
        let owner: OwnerReference = tenant.controller_owner_ref(&()).unwrap();
        secret.metadata.name = Some(name.to_owned());
        secret.metadata.labels = Some(
            [
                ("kamaji.clastix.io/project", "kamaji"),
                ("kamaji.clastix.io/name", owner.name.as_str()),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        );
        secret.metadata.owner_references = Some(vec![owner]);
        let api = self.secrets("default");
        api.create(&PostParams::default(), &secret).await.unwrap();
    }
}

/// The only line of standard error of a command that failed with a code, after its progress.
pub fn sentence(output: &Output, code: i32) -> String {
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{errors}{printed}");
    assert_eq!(printed, "");
    let line = errors.lines().last().unwrap_or_default().to_owned();
    assert!(line.starts_with("kamaji: "), "{errors}");
    assert!(!line.chars().any(char::is_control), "{line:?}");
    line
}

fn overlay(object: &mut Value, patch: &Value) {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            for (key, value) in patch {
                overlay(object.entry(key).or_insert(Value::Null), value);
            }
        }
        (object, patch) => *object = patch.clone(),
    }
}
