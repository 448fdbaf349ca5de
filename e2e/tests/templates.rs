//! Does clusterctl render each file of `templates/`, and would API servers take what it renders?

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and their helpers are, too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kamaji_e2e::command::output;
use kamaji_e2e::envtest::{ApiServer, Options};
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::layout::checkout;
use kamaji_e2e::tools::{Tools, cluster_api_sources};
use serde_json::{Value, json};

/// Groups whose definitions are at hand.
const KNOWN: [&str; 8] = [
    "cluster.x-k8s.io/",
    "bootstrap.cluster.x-k8s.io/",
    "controlplane.cluster.x-k8s.io/",
    "rbac.authorization.k8s.io/",
    "apps/",
    "addons.cluster.x-k8s.io/",
    "ipam.cluster.x-k8s.io/",
    "v1",
];

/// Kinds whose endpoint the user writes and the provider compares.
const COMPARED: [&str; 2] = ["Metal3Cluster", "MetalStackCluster"];

fn folder() -> PathBuf {
    checkout().join("templates")
}

/// Every template, in order.
fn templates() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for infrastructure in fs::read_dir(folder()).unwrap() {
        let path = infrastructure.unwrap().path();
        if path.is_dir() {
            let files = fs::read_dir(path).unwrap();
            found.extend(files.map(|file| file.unwrap().path()));
        }
    }
    found.sort();
    found
}

/// Variables that the README documents, with its examples.
fn examples() -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder().join("README.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    let bare = |cell: &str| cell.trim_start_matches("| ").replace('`', "");
    cells
        .filter(|cells| cells.len() == 4)
        .map(|cells| (bare(cells[0]), bare(cells[2])))
        .collect()
}

/// clusterctl without a cluster and without a configuration.
struct Clusterctl {
    tools: Tools,
    home: tempfile::TempDir,
}

impl Clusterctl {
    async fn new() -> Self {
        let tools = Tools::all().await.unwrap();
        Self {
            tools: tools.with_cluster_api().await.unwrap(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    async fn generate(&self, template: &Path, flags: &[&str]) -> String {
        let mut command = self.tools.command("clusterctl").unwrap();
        command.args(["generate", "yaml", "--from"]).arg(template);
        command.args(flags).envs(examples());
        command.env("CLUSTERCTL_DISABLE_VERSIONCHECK", "true");
        command.env("HOME", self.home.path());
        command.env("XDG_CONFIG_HOME", self.home.path());
        let rendered = output(command).await;
        rendered.unwrap_or_else(|error| panic!("{}: {error:#}", template.display()))
    }

    async fn objects(&self, template: &Path) -> Vec<Value> {
        let text = self.generate(template, &[]).await;
        assert!(!text.contains("${"), "{}: {text}", template.display());
        let parsed = serde_saphyr::from_multiple(&text);
        parsed.unwrap_or_else(|error| panic!("{}: {error}", template.display()))
    }
}

fn word<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or("")
}

fn title(object: &Value) -> String {
    format!(
        "{} {}",
        word(object, "/kind"),
        word(object, "/metadata/name")
    )
}

/// Everything in `value` that refers to another object, with the kind and the name of that.
fn references(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let refers = matches!(
                    key.as_str(),
                    "controlPlaneRef" | "infrastructureRef" | "configRef" | "templateRef"
                );
                if refers {
                    found.push((word(value, "/kind").into(), word(value, "/name").into()));
                }
                references(value, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                references(item, found);
            }
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_variable_is_documented_and_no_other() {
    let clusterctl = Clusterctl::new().await;
    let documented: BTreeSet<String> = examples().into_keys().collect();
    let mut used = BTreeSet::new();
    for template in templates() {
        let listed = clusterctl.generate(&template, &["--list-variables"]).await;
        let names = listed
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- "));
        used.extend(names.map(ToString::to_string));
    }
    assert!(used.len() > 50, "{used:?}");
    let missing: Vec<_> = used.symmetric_difference(&documented).collect();
    assert!(
        missing.is_empty(),
        "in the templates or the README alone: {missing:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_template_refers_to_is_in_it_and_endpoints_agree() {
    let clusterctl = Clusterctl::new().await;
    for template in templates() {
        let objects = clusterctl.objects(&template).await;
        let titles: BTreeSet<String> = objects.iter().map(title).collect();
        assert_eq!(titles.len(), objects.len(), "{}", template.display());
        let mut wanted = Vec::new();
        for object in &objects {
            references(object, &mut wanted);
        }
        for (kind, name) in wanted {
            let wanted = format!("{kind} {name}");
            assert!(
                titles.contains(&wanted),
                "{}: no {wanted} in {titles:?}",
                template.display()
            );
        }
        let compared = objects
            .iter()
            .find(|object| COMPARED.contains(&word(object, "/kind")));
        if let Some(compared) = compared {
            let endpoint = &compared["spec"]["controlPlaneEndpoint"];
            let of = |kind: &str| {
                objects
                    .iter()
                    .find(|object| word(object, "/kind") == kind)
                    .unwrap()
            };
            let address = &of("KamajiControlPlane")["spec"]["network"]["serviceAddress"];
            let port = &of("Cluster")["spec"]["clusterNetwork"]["apiServerPort"];
            assert_eq!(
                (&endpoint["host"], &endpoint["port"]),
                (address, port),
                "{}",
                template.display()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_takes_all_whose_definitions_are_at_hand() {
    let clusterctl = Clusterctl::new().await;
    let api = ApiServer::start(&clusterctl.tools, Options::default())
        .await
        .unwrap();
    let kubectl = Kubectl::new(&clusterctl.tools, &api.kubeconfig()).unwrap();
    define(&clusterctl.tools, &kubectl).await;
    let mut checked = 0;
    for template in templates() {
        let objects = clusterctl.objects(&template).await;
        for object in &objects {
            let version = word(object, "/apiVersion");
            assert!(
                !title(object).ends_with(' '),
                "{}: {object}",
                template.display()
            );
            if !KNOWN.iter().any(|known| version.starts_with(known)) {
                let infrastructure = version.starts_with("infrastructure.cluster.x-k8s.io/");
                assert!(infrastructure, "{}: {version}", template.display());
                continue;
            }
            let taken = kubectl.dry_run(&object.to_string()).await;
            taken.unwrap_or_else(|error| {
                panic!("{}: {}: {error:#}", template.display(), title(object))
            });
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

/// Definitions of Cluster API, its kubeadm bootstrap provider and ours, without conversion.
async fn define(tools: &Tools, kubectl: &Kubectl) {
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
    for definition in &mut definitions {
        definition["spec"]["conversion"] = json!({"strategy": "None"});
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": definitions});
    kubectl.apply(&list.to_string()).await.unwrap();
    let established = "wait --for=condition=Established crd --all --timeout=30s";
    kubectl.run(established).await.unwrap();
}
