//! Definitions that the templates are validated against: Cluster API's, ours, and those that the
//! infrastructures publish.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use kamaji_e2e::command::output;
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::layout::checkout;
use kamaji_e2e::tools::{Tools, cluster_api_sources};
use serde_json::{Value, json};

use super::word;

/// Group of what the infrastructures define.
pub const INFRASTRUCTURE: &str = "infrastructure.cluster.x-k8s.io";

/// Definitions of the infrastructures, as far as they are at hand.
pub struct Infrastructures {
    definitions: Option<Vec<Value>>,
}

impl Infrastructures {
    /// Reads them from `infrastructure/` in the folder that `KAMAJI_SHARED` names, else in `../shared`;
    /// if it is absent, a line on standard error, which tests do not capture, says what is not checked.
    pub fn read() -> Self {
        let shared = std::env::var_os("KAMAJI_SHARED");
        let shared = shared.map_or_else(|| checkout().join("../shared"), PathBuf::from);
        let folder = shared.join("infrastructure");
        let Ok(files) = fs::read_dir(&folder) else {
            let folder = folder.display();
            let text = format!(
                "NOT RUN: objects of infrastructures against their definitions: {folder} is absent; KAMAJI_SHARED names another place\n"
            );
            std::io::stderr().write_all(text.as_bytes()).unwrap();
            return Self { definitions: None };
        };
        let files = files.map(|file| file.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|ext| ext == "yaml"));
        let read = files.flat_map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let found: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
            found
        });
        let definitions: Vec<Value> = read.collect();
        assert!(definitions.len() > 30, "{}", definitions.len());
        Self {
            definitions: Some(definitions),
        }
    }

    /// Whether there are any.
    pub fn are_here(&self) -> bool {
        self.definitions.is_some()
    }

    /// The version that each kind is stored in; the others of it are on their way out.
    pub fn stored(&self) -> BTreeMap<String, String> {
        let definitions = self.definitions.iter().flatten();
        let stored = |definition: &Value| {
            let versions = definition["spec"]["versions"].as_array().unwrap();
            let stored = versions.iter().find(|version| version["storage"] == true);
            word(stored.unwrap(), "/name").to_string()
        };
        definitions
            .map(|definition| {
                (
                    word(definition, "/spec/names/kind").into(),
                    stored(definition),
                )
            })
            .collect()
    }

    /// Installs them beside those of Cluster API, its kubeadm bootstrap provider and ours, all without
    /// conversion.
    pub async fn define(&self, tools: &Tools, kubectl: &Kubectl) {
        let sources = cluster_api_sources().await.unwrap();
        let mut definitions: Vec<Value> = kamaji_api::crd::all()
            .into_iter()
            .map(|(_, definition)| serde_json::to_value(definition).unwrap())
            .collect();
        for folder in ["core/config/crd", "bootstrap/kubeadm/config/crd"] {
            let mut kustomize = tools.command("kubectl").unwrap();
            kustomize.arg("kustomize").arg(sources.join(folder));
            let text = output(kustomize).await.unwrap();
            let found: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
            definitions.extend(found);
        }
        definitions.extend(self.definitions.iter().flatten().cloned());
        for definition in &mut definitions {
            definition["spec"]["conversion"] = json!({"strategy": "None"});
            // Two infrastructures have the same short name, and only one would be served.
            definition["spec"]["names"]["shortNames"] = json!([]);
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": definitions});
        kubectl.apply(&list.to_string()).await.unwrap();
        let established = "wait --for=condition=Established crd --all --timeout=60s";
        kubectl.run(established).await.unwrap();
    }
}
