//! Charts: Helm installs, upgrades and removes the operator, and tenants go on running.

use std::time::Duration;

use anyhow::{Result, ensure};
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::Tools;
use kamaji_e2e::wait::until;
use kamaji_e2e::{datastore, operator};
use serde_json::json;

use super::helm::{DEFINITIONS, Helm, IMAGE, IMAGE_TAG, namespace, require_none};
use super::manifest;

pub async fn run(testbed: Testbed) -> Result<()> {
    let kubectl = testbed.kubectl()?;
    require_none(&kubectl).await?;
    let helm = Helm {
        tools: Tools::helm().await?,
        kubectl: &kubectl,
    };
    operator::load(&testbed.node()?, &operator::binary().await?, IMAGE).await?;

    kubectl.apply(&namespace("restricted")).await?;
    helm.install("kamaji-crds", &[]).await?;
    let without_etcd = "--set=kamaji-etcd.deploy=false";
    let chart = [IMAGE_TAG, "--skip-crds", without_etcd];
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
    let pods = helm.tenant_pods("charts").await?;

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
    let after = helm.tenant_pods("charts").await?;
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
