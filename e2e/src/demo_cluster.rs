//! Demo of `make up CAPI=1`: Cluster API, a Cluster from a ClusterClass, and two workers.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::cluster_api::{self, Clusterctl, GeneratedCluster};
use crate::infrastructure;
use crate::kubectl::Kubectl;
use crate::layout::manifest;
use crate::step::step;
use crate::testbed::Testbed;
use crate::tools::kubernetes_version;
use crate::wait::until;

const BLUE: (&str, &str) = ("blue", "default");
const WORKERS: usize = 2;

/// Installs Cluster API by `clusterctl init` and brings the Cluster `blue` up; `binary` is the `testbed`
/// command.
pub async fn up(testbed: &Testbed, binary: &Path) -> Result<()> {
    let clusterctl = cluster_api::install(testbed).await?;
    infrastructure::start(testbed, binary).await?;
    let kubectl = testbed.kubectl()?;
    step("Cluster blue, until it is available", async {
        kubectl
            .apply(&manifest("clusterclass-kubelets.yaml")?)
            .await?;
        let address = testbed.bed.layout.vip(23).to_string();
        let blue = GeneratedCluster {
            key: BLUE,
            template: "cluster-template-kubelets.yaml",
            version: &kubernetes_version()?,
            workers: WORKERS,
        };
        let blue = clusterctl
            .with("CONTROL_PLANE_ADDRESS", &address)
            .generate(&blue)
            .await?;
        kubectl.apply(&blue).await?;
        kubectl
            .run("wait --for=condition=Available cluster/blue --timeout=240s")
            .await
    })
    .await?;
    let tenant = clusterctl.tenant(BLUE).await?;
    step("two workers, until they are Ready", ready(&tenant)).await?;
    println!("{}", clusterctl.run("describe cluster blue").await?);
    println!("{}", what_to_try(testbed, &tenant, &clusterctl)?);
    Ok(())
}

async fn ready(tenant: &Kubectl) -> Result<()> {
    until("the workers are Nodes", Duration::from_mins(4), || async {
        let nodes = tenant.run("get nodes -o name").await?.lines().count();
        ensure!(nodes == WORKERS, "{nodes} of {WORKERS}");
        Ok(())
    })
    .await?;
    tenant
        .run("wait --for=condition=Ready nodes --all --timeout=120s")
        .await?;
    tenant
        .run("-n kube-system rollout status deployment/coredns --timeout=120s")
        .await?;
    Ok(())
}

fn what_to_try(testbed: &Testbed, tenant: &Kubectl, clusterctl: &Clusterctl) -> Result<String> {
    let binary = testbed.bed.tools.path("kubectl")?.display();
    let management = testbed.bed.layout.kubeconfig();
    Ok(format!(
        "
Try, with kubectl={binary}:
  $kubectl --kubeconfig {management} get clusters,ktcp,tcp,machines -A
  $kubectl --kubeconfig {tenant} get nodes,pods -A -o wide
  {clusterctl} describe cluster blue
`make down` removes it all.",
        management = management.display(),
        tenant = tenant.kubeconfig().display(),
        clusterctl = clusterctl.line()?,
    ))
}
