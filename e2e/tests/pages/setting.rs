//! Setting in which commands of pages run: an API server with our definitions, the tenants `demo` and `blue` with their
//! Secrets, the DataStore `default`, and files in a folder.

use std::{fs, os::unix::fs::symlink, process::Command};

use anyhow::Result;
use kamaji_core::secret_role::SecretRole;
use kamaji_e2e::{
    command::output,
    envtest::{ApiServer, Options},
    kubectl::Kubectl,
    layout::checkout,
    operator,
    pages::filled_in,
    pki::Authority,
    tools::Tools,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Tenants of the pages, all of them in the namespace `default`.
const TENANTS: [&str; 2] = ["demo", "blue"];
/// Version of the tenants; pages upgrade them.
const VERSION: &str = "v1.36.2";
/// Words that stand for a name in pages, and what they are replaced with.
const WORDS: [(&str, &str); 4] = [
    ("NAMESPACE", "default"),
    ("TENANT", "demo"),
    ("STORE", "default"),
    ("NAME", "demo"),
];

/// An API server, kubectl and a folder in which commands run.
pub struct Setting {
    kubectl: Kubectl,
    tools: Tools,
    server: ApiServer,
    folder: TempDir,
    /// Folder of `kamaji`, whatever name the file of the tested binary has.
    programs: TempDir,
}

impl Setting {
    /// Starts an API server with our definitions, and lays files into a folder.
    pub async fn start() -> Self {
        let tools = Tools::all().await.unwrap();
        let server = ApiServer::start(&tools, Options::default()).await.unwrap();
        let kubectl = Kubectl::new(&tools, &server.kubeconfig()).unwrap();
        let definitions = format!("apply --server-side -k {}/config/crd", checkout().display());
        kubectl.run(&definitions).await.unwrap();
        kubectl
            .run("wait --for=condition=Established crd --all --timeout=30s")
            .await
            .unwrap();
        let programs = tempfile::tempdir().unwrap();
        let kamaji = operator::binary().await.unwrap();
        symlink(kamaji, programs.path().join("kamaji")).unwrap();
        let setting = Self {
            kubectl,
            tools,
            server,
            folder: tempfile::tempdir().unwrap(),
            programs,
        };
        setting.lay_files();
        setting
    }

    /// kubectl with the rights of an administrator.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    fn lay_files(&self) {
        let folder = self.folder.path();
        for name in ["config", "templates"] {
            symlink(checkout().join(name), folder.join(name)).unwrap();
        }
        let authority = Authority::new("etcd").unwrap();
        let root = authority.client("root", None).unwrap();
        for (name, pair) in [("ca", authority.pair()), ("root", &root)] {
            fs::write(folder.join(format!("{name}.crt")), &pair.cert).unwrap();
            fs::write(folder.join(format!("{name}.key")), &pair.key).unwrap();
        }
        for (sample, name) in [
            ("tenant_minimal.yaml", "tenant.yaml"),
            ("datastore_etcd.yaml", "datastore.yaml"),
        ] {
            let sample = checkout().join("config/samples").join(sample);
            fs::copy(sample, folder.join(name)).unwrap();
        }
    }

    /// Makes the objects that every page begins with.
    pub async fn reset(&self) {
        // Webhooks of a page that installs the operator: nobody serves them.
        for kinds in [
            "validatingwebhookconfiguration,mutatingwebhookconfiguration --all",
            "tcp,secret,serviceaccount --all -n default --wait=true",
        ] {
            self.kubectl.run(&format!("delete {kinds}")).await.unwrap();
        }
        let sample = checkout().join("config/samples/datastore_etcd.yaml");
        let mut objects = vec![
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kamaji-system"}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}}),
            serde_saphyr::from_str(&fs::read_to_string(sample).unwrap()).unwrap(),
        ];
        objects.extend(TENANTS.map(tenant));
        self.kubectl.apply(&list(&objects)).await.unwrap();
        for name in TENANTS {
            self.finish(name).await;
        }
    }

    /// Gives a tenant the status and the Secrets that an operator would.
    async fn finish(&self, name: &str) {
        let patch = json!({"status": {
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "AsPlanned", "message": "",
                "lastTransitionTime": "2026-11-01T00:00:00Z", "observedGeneration": 1,
            }],
            "kubernetesResources": {"version": {"version": VERSION, "status": "Ready"}},
        }});
        let words = format!("patch tcp {name} --subresource=status --type=merge -p");
        let patch = patch.to_string();
        let words = words.split(' ').chain([patch.as_str()]);
        self.kubectl.args(words).await.unwrap();
        let owner = self.kubectl.json(&format!("get tcp {name}")).await.unwrap();
        let secrets = SecretRole::ALL.map(|role| secret(&owner, role));
        self.kubectl.apply(&list(&secrets)).await.unwrap();
    }

    /// Runs commands of a page in a shell that ends at the first error.
    pub async fn run(&self, text: &str) -> Result<String> {
        let script = filled_in(text, &WORDS);
        let mut bash = Command::new("timeout");
        bash.args(["60", "bash", "-euo", "pipefail", "-c", &script])
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.server.kubeconfig())
            .env(
                "PATH",
                format!(
                    "{}:{}",
                    self.programs.path().display(),
                    self.tools.search_path()
                ),
            );
        output(bash).await
    }
}

/// A manifest of several objects.
fn list(objects: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}

fn tenant(name: &str) -> Value {
    json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "dataStore": "default",
            "controlPlane": {"service": {"serviceType": "LoadBalancer"}},
            "kubernetes": {"version": VERSION, "kubelet": {}},
            "networkProfile": {},
            "addons": {"coreDNS": {}, "kubeProxy": {}, "konnectivity": {}},
        },
    })
}

fn secret(owner: &Value, role: SecretRole) -> Value {
    let name = owner["metadata"]["name"].as_str().unwrap();
    let mut labels = json!({
        "kamaji.clastix.io/project": "kamaji",
        "kamaji.clastix.io/name": name,
        "kamaji.clastix.io/component": role.component(),
    });
    if let Some(lifecycle) = role.lifecycle() {
        labels["kamaji.clastix.io/certificate_lifecycle_controller"] = json!(lifecycle);
    }
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": format!("{name}-{}", role.component()), "namespace": "default", "labels": labels,
            "ownerReferences": [{
                "apiVersion": owner["apiVersion"], "kind": owner["kind"],
                "name": name, "uid": owner["metadata"]["uid"],
            }],
        },
    })
}
