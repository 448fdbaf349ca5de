//! Chart `kamaji` over a release of upstream's chart, with a real Helm and API server: nothing that tenants depend on is
//! deleted, replaced or changed. No pods run here: what restarts pods is a change of a pod template, and is seen.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use kamaji_e2e::command::output;
use kamaji_e2e::envtest::{ApiServer, Options};
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::layout::{checkout, crate_dir};
use kamaji_e2e::tools::Tools;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

/// Kinds whose objects Helm may have made, by kubectl's names.
const KINDS: &str = "statefulset,service,deployment,serviceaccount,role,rolebinding,job,cronjob,poddisruptionbudget,\
    certificate,issuer";
const GLOBAL: &str = "datastore,clusterrole,clusterrolebinding,mutatingwebhookconfiguration,validatingwebhookconfiguration";
/// Objects of upstream's chart that its etcd and its DataStore consist of, and what renews certificates.
const KEPT: [&str; 11] = [
    "StatefulSet kamaji-etcd",
    "Service kamaji-etcd",
    "Service kamaji-etcd-client",
    "DataStore default",
    "Issuer kamaji-selfsigned-issuer",
    "Issuer kamaji-etcd-ca-issuer",
    "Certificate kamaji-serving-cert",
    "Certificate kamaji-etcd-ca",
    "Certificate kamaji-etcd-server-certs",
    "Certificate kamaji-etcd-peer-certs",
    "Certificate kamaji-etcd-client-certs",
];
const WITHOUT_ETCD: &str = "--set=kamaji-etcd.deploy=false";

/// Live objects by kind and name.
type Objects = BTreeMap<String, Value>;

/// A management cluster without nodes in which upstream's chart is installed.
struct Installation {
    _api: ApiServer,
    kubectl: Kubectl,
    helm: Tools,
}

impl Installation {
    async fn new(flags: &[&str]) -> Self {
        let tools = Tools::all().await.unwrap();
        let api = ApiServer::start(&tools, Options::default()).await.unwrap();
        let installation = Self {
            kubectl: Kubectl::new(&tools, &api.kubeconfig()).unwrap(),
            helm: Tools::helm().await.unwrap(),
            _api: api,
        };
        let kubectl = &installation.kubectl;
        kubectl.run("create namespace kamaji-system").await.unwrap();
        // As upstream's chart brings them, in its folder `crds`, which Helm does not record.
        let folder = checkout().join("config/crd");
        let create = format!("create -k {}", folder.display());
        kubectl.run(&create).await.unwrap();
        for kind in ["Certificate", "Issuer"] {
            kubectl.apply(&definition(kind)).await.unwrap();
        }
        let upstream = crate_dir().join("tests/package/upstream");
        until("upstream's chart", Duration::from_secs(30), || async {
            installation.upgrade(&upstream, flags).await.map(drop)
        })
        .await
        .unwrap();
        installation
    }

    /// Helm in the operator's namespace.
    async fn helm(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut helm = self.helm.command("helm")?;
        helm.args(arguments).arg("--namespace=kamaji-system");
        helm.arg("--kubeconfig").arg(self.kubectl.kubeconfig());
        output(helm).await
    }

    /// Installs or upgrades the release `kamaji`.
    async fn upgrade(&self, chart: &Path, flags: &[&str]) -> anyhow::Result<String> {
        let chart = chart.display().to_string();
        let base = ["upgrade", "--install", "kamaji", &chart, "--timeout=20s"];
        self.helm(&[&base, flags].concat()).await
    }

    /// Upgrades to the chart of this checkout with the values that the release has.
    async fn take_over(&self, flags: &[&str]) -> anyhow::Result<String> {
        let chart = checkout().join("config/charts/kamaji");
        let base = ["--skip-crds", "--reset-then-reuse-values"];
        self.upgrade(&chart, &[&base, flags].concat()).await
    }

    async fn objects(&self) -> Objects {
        let mut found = Objects::new();
        let namespaced = format!("get {KINDS} -n kamaji-system");
        for line in [namespaced, format!("get {GLOBAL}")] {
            let list = self.kubectl.json(&line).await.unwrap();
            for object in list["items"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
                found.insert(format!("{kind} {name}"), object.clone());
            }
        }
        found
    }
}

/// Definition of a kind of cert-manager that takes any spec.
fn definition(kind: &str) -> String {
    let plural = format!("{}s", kind.to_lowercase());
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.cert-manager.io")},
        "spec": {
            "group": "cert-manager.io", "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    })
    .to_string()
}

/// Asserts that these objects are the same ones, and that nothing of their specs has changed.
fn assert_unchanged(before: &Objects, now: &Objects, names: &[&str]) {
    for name in names {
        assert!(now.contains_key(*name), "{name} is gone");
        let (had, has) = (&before[*name], &now[*name]);
        for part in ["/metadata/uid", "/metadata/generation", "/spec"] {
            assert_eq!(had.pointer(part), has.pointer(part), "{name} {part}");
        }
    }
}

fn container(objects: &Objects) -> &Value {
    &objects["Deployment kamaji"]["spec"]["template"]["spec"]["containers"][0]
}

#[tokio::test]
async fn an_upgrade_of_upstreams_release_replaces_the_operator_and_leaves_etcd_as_it_is() {
    let installation = Installation::new(&[]).await;
    let before = installation.objects().await;
    let notes = installation.take_over(&[]).await.unwrap();
    assert!(notes.contains("was made by upstream's chart"), "{notes}");
    let now = installation.objects().await;
    assert_unchanged(&before, &now, &KEPT);
    let added: Vec<_> = now
        .keys()
        .filter(|key| !before.contains_key(*key))
        .collect();
    assert!(added.is_empty(), "{added:?}");
    let removed: Vec<_> = before
        .keys()
        .filter(|key| !now.contains_key(*key))
        .collect();
    assert!(removed.is_empty(), "{removed:?}");

    // The operator is the same Deployment with another container of the same name, and nothing of the former one.
    let uid = |objects: &Objects| objects["Deployment kamaji"]["metadata"]["uid"].clone();
    assert_eq!(uid(&before), uid(&now));
    let manager = container(&now);
    assert_eq!(manager["name"], "manager");
    assert_eq!(manager["image"], "docker.io/clastix/kamaji:latest");
    assert_eq!(manager["command"], Value::Null);
    assert_eq!(manager["volumeMounts"], Value::Null);
    let hooks = &now["ValidatingWebhookConfiguration kamaji-validating-webhook-configuration"];
    assert!(!hooks.to_string().contains("telemetry.kamaji"), "{hooks}");
    // cert-manager would overwrite the bundle that the operator writes.
    assert!(!hooks.to_string().contains("inject-ca-from"), "{hooks}");

    installation
        .take_over(&["--set=replicaCount=2"])
        .await
        .unwrap();
    assert_unchanged(&before, &installation.objects().await, &KEPT);
}

#[tokio::test]
async fn a_rollback_brings_upstreams_operator_back_and_a_removal_leaves_etcd() {
    let installation = Installation::new(&[]).await;
    let before = installation.objects().await;
    installation.take_over(&[]).await.unwrap();
    installation
        .helm(&["rollback", "kamaji", "1"])
        .await
        .unwrap();
    let back = installation.objects().await;
    assert_unchanged(&before, &back, &KEPT);
    assert_eq!(container(&before), container(&back));
    let names = |objects: &Objects| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&back));

    installation.take_over(&[]).await.unwrap();
    // Upstream's own removal would run a Job that deletes the certificates of etcd.
    installation.helm(&["uninstall", "kamaji"]).await.unwrap();
    let left = installation.objects().await;
    assert_unchanged(&before, &left, &KEPT);
    assert!(!left.contains_key("Deployment kamaji"));
    assert!(!left.keys().any(|key| key.starts_with("Job ")));
}

#[tokio::test]
async fn a_release_without_etcd_keeps_the_certificate_of_its_webhooks_and_gets_no_etcd() {
    let installation = Installation::new(&[WITHOUT_ETCD]).await;
    let before = installation.objects().await;
    installation.take_over(&[]).await.unwrap();
    let now = installation.objects().await;
    let webhooks = [
        "Issuer kamaji-selfsigned-issuer",
        "Certificate kamaji-serving-cert",
    ];
    assert_unchanged(&before, &now, &webhooks);
    assert!(!now.keys().any(|key| key.contains("etcd")));
    installation.helm(&["uninstall", "kamaji"]).await.unwrap();
    let left = installation.objects().await;
    assert!(!left.contains_key(webhooks[1]));
}

#[tokio::test]
async fn values_that_would_delete_upstreams_etcd_are_refused_before_anything_changes() {
    let installation = Installation::new(&[]).await;
    let before = installation.objects().await;
    let refused = installation.take_over(&[WITHOUT_ETCD]).await.unwrap_err();
    let said = format!("{refused:#}");
    assert!(
        said.contains("would take StatefulSet kamaji-etcd"),
        "{said}"
    );
    let now = installation.objects().await;
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        now.keys().collect::<Vec<_>>()
    );
    assert_eq!(container(&before), container(&now));
}

#[tokio::test]
async fn definitions_that_upstreams_chart_brought_become_those_of_the_chart_of_definitions() {
    let installation = Installation::new(&[WITHOUT_ETCD]).await;
    let get = "get crd tenantcontrolplanes.kamaji.clastix.io";
    let before = installation.kubectl.json(get).await.unwrap();
    let chart = checkout().join("config/charts/kamaji-crds");
    let chart = chart.display().to_string();
    let install = ["upgrade", "--install", "kamaji-crds", &chart];
    let refused = installation.helm(&install).await.unwrap_err();
    assert!(format!("{refused:#}").contains("invalid ownership metadata"));
    let owning = [&install[..], &["--take-ownership"]].concat();
    installation.helm(&owning).await.unwrap();
    let now = installation.kubectl.json(get).await.unwrap();
    assert_eq!(before["metadata"]["uid"], now["metadata"]["uid"]);
    let policy = &now["metadata"]["annotations"]["helm.sh/resource-policy"];
    assert_eq!(policy, "keep");
}
