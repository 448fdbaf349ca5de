//! Helm with the testbed's cluster, and what scenarios of the charts ask about tenants.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::audit::OPERATOR_NAMESPACE;
use kamaji_e2e::command::output;
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::layout::checkout;
use kamaji_e2e::tools::Tools;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use super::manifest;

/// Image that the chart renders with [`IMAGE_TAG`].
pub const IMAGE: &str = "docker.io/clastix/kamaji:chart";
/// Value that names [`IMAGE`].
pub const IMAGE_TAG: &str = "--set=image.tag=chart";
/// Definitions of the charts.
pub const DEFINITIONS: [&str; 3] = [
    "datastores.kamaji.clastix.io",
    "kubeconfiggenerators.kamaji.clastix.io",
    "tenantcontrolplanes.kamaji.clastix.io",
];

/// The operator's namespace with a profile of Pod Security that the API server enforces.
pub fn namespace(profile: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": OPERATOR_NAMESPACE,
            "labels": {"pod-security.kubernetes.io/enforce": profile},
        },
    })
    .to_string()
}

/// Fails on a testbed that has the operator's definitions already.
pub async fn require_none(kubectl: &Kubectl) -> Result<()> {
    let there = kubectl.run("get crd -o name").await?;
    ensure!(
        !there.contains("kamaji.clastix.io"),
        "operator or definitions are installed already: this scenario needs a testbed without them"
    );
    Ok(())
}

/// The helm binary with the testbed's cluster.
pub struct Helm<'a> {
    /// Where the binary of Helm is.
    pub tools: Tools,
    /// kubectl for the same cluster.
    pub kubectl: &'a Kubectl,
}

impl Helm<'_> {
    async fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut helm = self.tools.command("helm")?;
        helm.args(arguments)
            .arg("--namespace")
            .arg(OPERATOR_NAMESPACE)
            .arg("--kubeconfig")
            .arg(self.kubectl.kubeconfig());
        output(helm).await
    }

    /// Installs or upgrades the release that is named like its chart, and waits until its pods are ready.
    pub async fn install(&self, chart: &str, flags: &[&str]) -> Result<()> {
        let folder = checkout().join("config/charts").join(chart);
        let folder = folder.to_str().context("the checkout's path is no text")?;
        let base = ["upgrade", "--install", chart, folder];
        let wait = ["--wait", "--timeout=300s"];
        self.run(&[&base[..], &wait, flags].concat()).await?;
        Ok(())
    }

    /// Renders objects of a chart without asking the cluster.
    pub async fn template(&self, chart: &str, flags: &[&str]) -> Result<String> {
        let folder = checkout().join("config/charts").join(chart);
        let folder = folder.to_str().context("the checkout's path is no text")?;
        // This build of Helm does not know for which Kubernetes it is.
        let base = ["template", chart, folder, "--kube-version=v1.33.0"];
        self.run(&[&base[..], flags].concat()).await
    }

    pub async fn uninstall(&self, release: &str) -> Result<()> {
        self.run(&["uninstall", release, "--wait"]).await?;
        Ok(())
    }

    /// The admission webhooks refuse a tenant that is wrong, so the API server trusts their certificate.
    pub async fn webhooks_answer(&self, tenant: &str) -> Result<()> {
        let wrong = tenant.replace(&manifest::version(), "v1.1.0");
        until("the webhooks answer", Duration::from_mins(1), || async {
            let Err(refused) = self.kubectl.dry_run(&wrong).await else {
                anyhow::bail!("a tenant of Kubernetes v1.1.0 was accepted");
            };
            let said = format!("{refused:#}");
            ensure!(said.contains("vtenantcontrolplane.kb.io"), "{said}");
            Ok(())
        })
        .await
    }

    /// Uids and restarts of the pods of a namespace.
    pub async fn tenant_pods(&self, namespace: &str) -> Result<Value> {
        let pods = self
            .kubectl
            .json(&format!("get pods -n {namespace}"))
            .await?;
        let pods = pods["items"].as_array().cloned().unwrap_or_default();
        ensure!(!pods.is_empty(), "the tenant has no pods");
        let facts = pods.iter().map(|pod| {
            let containers = pod["status"]["containerStatuses"].as_array();
            let restarts = containers.into_iter().flatten().map(|c| &c["restartCount"]);
            json!([pod["metadata"]["uid"], restarts.collect::<Vec<_>>()])
        });
        Ok(facts.collect())
    }
}
