//! Charts: Helm installs, upgrades and removes the operator, and tenants go on running.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::audit::OPERATOR_NAMESPACE;
use kamaji_e2e::command::output;
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::layout::checkout;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::Tools;
use kamaji_e2e::wait::until;
use kamaji_e2e::{datastore, operator};
use serde_json::{Value, json};

use super::manifest;

/// Image that the chart renders with the values of [`Helm::install`].
const IMAGE: &str = "docker.io/clastix/kamaji:chart";
/// Definitions of the chart `kamaji-crds`.
const DEFINITIONS: [&str; 3] = [
    "datastores.kamaji.clastix.io",
    "kubeconfiggenerators.kamaji.clastix.io",
    "tenantcontrolplanes.kamaji.clastix.io",
];

pub async fn run(testbed: Testbed) -> Result<()> {
    let kubectl = testbed.kubectl()?;
    let there = kubectl.run("get crd -o name").await?;
    ensure!(
        !there.contains("kamaji.clastix.io"),
        "operator or definitions are installed already: this scenario needs a testbed without them"
    );
    let helm = Helm {
        tools: Tools::helm().await?,
        kubectl: &kubectl,
    };
    operator::load(&testbed.node()?, &operator::binary().await?, IMAGE).await?;

    helm.refuses_a_bundled_etcd().await?;
    kubectl.apply(&namespace("restricted")).await?;
    helm.install("kamaji-crds", &[]).await?;
    let chart = ["--set=image.tag=chart", "--skip-crds"];
    helm.install("kamaji", &chart).await?;
    // kube-proxy routes to the webhooks a moment after their pod is ready.
    until("the DataStore is accepted", Duration::from_mins(1), || {
        datastore::apply(&testbed.bed, &kubectl)
    })
    .await?;
    let text = manifest::tenant(
        "charts",
        "charted",
        json!({"networkProfile": manifest::at_address(&testbed, 6)}),
    );
    kubectl.run("create namespace charts").await?;
    until("tenants are accepted", Duration::from_mins(1), || {
        kubectl.dry_run(&text)
    })
    .await?;
    let tenant = Tenant::apply(&testbed, &text).await?;
    tenant.wait_ready(Duration::from_mins(3)).await?;
    let pods = helm.tenant_pods().await?;

    helm.install("kamaji", &[&chart[..], &["--set=replicaCount=2"]].concat())
        .await?;
    helm.webhooks_answer(&text).await?;
    helm.uninstall("kamaji").await?;
    helm.uninstall("kamaji-crds").await?;
    let left = kubectl.run("get crd -o name").await?;
    for name in DEFINITIONS {
        ensure!(left.contains(name), "the definition {name} is gone: {left}");
    }
    tenant.kubectl().await?.run("get --raw /readyz").await?;

    helm.install("kamaji-crds", &[]).await?;
    helm.install("kamaji", &chart).await?;
    helm.webhooks_answer(&text).await?;
    let after = helm.tenant_pods().await?;
    ensure!(pods == after, "the tenant's pods were {pods}, now {after}");
    tenant.delete().await?;
    kubectl
        .run("delete datastore default --timeout=60s")
        .await?;
    helm.uninstall("kamaji").await?;
    helm.uninstall("kamaji-crds").await?;
    kubectl
        .run(&format!(
            "delete crd {} --timeout=60s",
            DEFINITIONS.join(" ")
        ))
        .await?;
    kubectl.apply(&namespace("privileged")).await
}

/// The operator's namespace with a profile of Pod Security that the API server enforces.
fn namespace(profile: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": OPERATOR_NAMESPACE,
            "labels": {"pod-security.kubernetes.io/enforce": profile},
        },
    })
    .to_string()
}

/// The helm binary with the testbed's cluster.
struct Helm<'a> {
    tools: Tools,
    kubectl: &'a Kubectl,
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
    async fn install(&self, chart: &str, flags: &[&str]) -> Result<()> {
        let folder = checkout().join("config/charts").join(chart);
        let folder = folder.to_str().context("the checkout's path is no text")?;
        let base = ["upgrade", "--install", chart, folder];
        let wait = ["--wait", "--timeout=120s"];
        self.run(&[&base[..], &wait, flags].concat()).await?;
        Ok(())
    }

    async fn uninstall(&self, release: &str) -> Result<()> {
        self.run(&["uninstall", release, "--wait"]).await?;
        Ok(())
    }

    /// A release of upstream's chart with its etcd is not upgraded: that would delete the etcd.
    async fn refuses_a_bundled_etcd(&self) -> Result<()> {
        for flag in ["--set=kamaji-etcd.deploy=true", "--set=etcd.deploy=true"] {
            let Err(refused) = self.install("kamaji", &[flag, "--dry-run=server"]).await else {
                anyhow::bail!("the chart was installed with {flag}");
            };
            let said = format!("{refused:#}");
            ensure!(said.contains("this chart brings no etcd yet"), "{said}");
        }
        Ok(())
    }

    /// The admission webhooks refuse a tenant that is wrong, so the API server trusts their certificate.
    async fn webhooks_answer(&self, tenant: &str) -> Result<()> {
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

    /// Uids and restarts of the tenant's pods.
    async fn tenant_pods(&self) -> Result<Value> {
        let pods = self.kubectl.json("get pods -n charts").await?;
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
