//! Templates: clusterctl renders each file of `templates/`, and API servers accept what it renders.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and their helpers are, too"
)]

mod classes;
mod definitions;
mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kamaji_e2e::command::output;
use kamaji_e2e::envtest::{ApiServer, Options};
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::layout::checkout;
use kamaji_e2e::tools::Tools;
use serde_json::{Value, json};

use definitions::{INFRASTRUCTURE, Infrastructures};

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
    let rows = variables().into_iter();
    rows.map(|(name, _, example)| (name, example)).collect()
}

/// The examples of those that have no default.
fn required() -> BTreeMap<String, String> {
    let rows = variables().into_iter();
    rows.filter(|(_, default, _)| default.is_empty())
        .map(|(name, _, example)| (name, example))
        .collect()
}

/// Name, default and example of each variable that the README documents.
fn variables() -> Vec<(String, String, String)> {
    let text = fs::read_to_string(folder().join("README.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    let bare = |cell: &str| cell.trim_start_matches("| ").replace('`', "");
    cells
        .filter(|cells| cells.len() == 4)
        .map(|cells| {
            (
                bare(cells[0]),
                bare(cells[1]).trim().to_string(),
                bare(cells[2]),
            )
        })
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

    async fn generate(
        &self,
        template: &Path,
        flags: &[&str],
        values: &BTreeMap<String, String>,
    ) -> String {
        let mut command = self.tools.command("clusterctl").unwrap();
        command.args(["generate", "yaml", "--from"]).arg(template);
        command.args(flags).envs(values);
        command.env("CLUSTERCTL_DISABLE_VERSIONCHECK", "true");
        command.env("HOME", self.home.path());
        command.env("XDG_CONFIG_HOME", self.home.path());
        let rendered = output(command).await;
        rendered.unwrap_or_else(|error| panic!("{}: {error:#}", template.display()))
    }

    /// Objects that a template renders with the examples.
    async fn objects(&self, template: &Path) -> Vec<Value> {
        self.objects_of(template, &examples()).await
    }

    /// Objects that a template renders with these variables.
    async fn objects_of(&self, template: &Path, values: &BTreeMap<String, String>) -> Vec<Value> {
        let text = self.generate(template, &[], values).await;
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

/// References in `value` to other objects, as kind and name.
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
async fn templates_and_readme_name_the_same_variables() {
    let clusterctl = Clusterctl::new().await;
    let documented: BTreeSet<String> = examples().into_keys().collect();
    let mut used = BTreeSet::new();
    for template in templates() {
        let listed = clusterctl
            .generate(&template, &["--list-variables"], &examples())
            .await;
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
async fn templates_contain_what_they_refer_to_and_endpoints_agree() {
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

/// clusterctl, an API server with every definition that is at hand, and kubectl for it.
struct Checks {
    clusterctl: Clusterctl,
    infrastructures: Infrastructures,
    kubectl: Kubectl,
    _api: ApiServer,
}

impl Checks {
    async fn start() -> Self {
        let clusterctl = Clusterctl::new().await;
        let options = Options::default();
        let api = ApiServer::start(&clusterctl.tools, options).await.unwrap();
        let kubectl = Kubectl::new(&clusterctl.tools, &api.kubeconfig()).unwrap();
        let infrastructures = Infrastructures::read();
        infrastructures.define(&clusterctl.tools, &kubectl).await;
        Self {
            clusterctl,
            infrastructures,
            kubectl,
            _api: api,
        }
    }

    /// Sends each object whose definition exists to the API server as a dry run; returns their number.
    async fn evaluate(&self, origin: &Path, objects: &[Value]) -> usize {
        let mut checked = Vec::new();
        for object in objects {
            let at = format!("{}: {}", origin.display(), title(object));
            let group = word(object, "/apiVersion").split('/').next();
            assert!(!at.ends_with(' '), "{at}: {object}");
            if group != Some(INFRASTRUCTURE) || self.infrastructures.are_here() {
                checked.push(object);
            }
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": checked});
        let taken = self.kubectl.dry_run(&list.to_string()).await;
        taken.unwrap_or_else(|error| panic!("{}: {error:#}", origin.display()));
        checked.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn api_servers_accept_templates_with_and_without_defaults() {
    let checks = Checks::start().await;
    let mut checked = 0;
    for template in templates() {
        for values in [examples(), required()] {
            let objects = checks.clusterctl.objects_of(&template, &values).await;
            checked += checks.evaluate(&template, &objects).await;
        }
    }
    let least = if checks.infrastructures.are_here() {
        300
    } else {
        200
    };
    assert!(checked > least, "{checked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn api_servers_accept_what_classes_generate() {
    let checks = Checks::start().await;
    let mut classes = 0;
    for template in templates() {
        let topology = template.with_file_name("cluster-template-topology.yaml");
        let name = template.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("clusterclass-") {
            continue;
        }
        let objects = checks.clusterctl.objects(&template).await;
        let cluster = checks.clusterctl.objects(&topology).await.remove(0);
        let generated = classes::generated(&objects, &cluster);
        assert!(generated.len() >= 4, "{}", template.display());
        checks.evaluate(&template, &generated).await;
        classes += 1;
    }
    assert!(classes > 8, "{classes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn infrastructure_objects_have_the_stored_version() {
    let infrastructures = Infrastructures::read();
    let stored = infrastructures.stored();
    let clusterctl = Clusterctl::new().await;
    for template in templates() {
        let objects = clusterctl.objects(&template).await;
        let mut versions = Vec::new();
        for object in &objects {
            versioned(object, &mut versions);
        }
        for (group_version, kind) in versions {
            let Some((INFRASTRUCTURE, version)) = group_version.split_once('/') else {
                continue;
            };
            if infrastructures.are_here() {
                let at = format!("{}: {kind}", template.display());
                assert_eq!(stored.get(&kind).map(String::as_str), Some(version), "{at}");
            }
        }
    }
}

/// Values in `value` that have a group, a version and a kind.
fn versioned(value: &Value, found: &mut Vec<(String, String)>) {
    let (version, kind) = (word(value, "/apiVersion"), word(value, "/kind"));
    if !version.is_empty() && !kind.is_empty() {
        found.push((version.into(), kind.into()));
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|value| versioned(value, found)),
        Value::Array(items) => items.iter().for_each(|value| versioned(value, found)),
        _ => {}
    }
}
