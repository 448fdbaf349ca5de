//! Time of one tenant from its creation to Ready on the testbed, and the operator's share of it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kamaji_e2e::layout::Layout;
use kamaji_e2e::operator;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::kubernetes_version;
use kamaji_e2e::wait::until;

use crate::figures::Figures;

const TENANT: &str = "
apiVersion: kamaji.clastix.io/v1alpha1
kind: TenantControlPlane
metadata: {name: bench, namespace: default}
spec:
  dataStore: default
  controlPlane: {deployment: {replicas: 1}, service: {serviceType: ClusterIP}}
  kubernetes: {version: VERSION, kubelet: {cgroupfs: cgroupfs}}
  networkProfile: {port: 6443}
";

const LIMIT: Duration = Duration::from_mins(3);

/// Measures on the testbed that is up, else on a new one that is removed afterwards.
pub async fn measure(figures: &mut Figures) -> Result<()> {
    let layout = Layout::from_env()?;
    let stays = Testbed::is_up(&layout);
    let testbed = Testbed::running_or_up(layout.clone()).await?;
    let measured = async {
        operator::deploy(&testbed).await?;
        run(&testbed, figures).await
    }
    .await;
    if !stays {
        Testbed::down(&layout).await?;
    }
    measured
}

async fn run(testbed: &Testbed, figures: &mut Figures) -> Result<()> {
    let kubectl = testbed.kubectl()?;
    let begin = Instant::now();
    let tenant = Tenant::apply(testbed, &TENANT.replace("VERSION", &kubernetes_version()?)).await?;
    until("the Deployment is there", LIMIT, || {
        kubectl.run("get deployment bench -n default")
    })
    .await?;
    let planned = begin.elapsed();
    until("its pod is ready", LIMIT, || async {
        let line = "get deployment bench -n default -o jsonpath={.status.readyReplicas}";
        ensure!(kubectl.run(line).await? == "1", "it is not ready");
        Ok(())
    })
    .await?;
    let ran = begin.elapsed();
    tenant.wait_ready(LIMIT).await?;
    let ready = begin.elapsed();
    figures.set("create_to_ready_s", ready.as_secs_f64());
    let ours = planned + ready.saturating_sub(ran);
    figures.set("create_to_ready_ours_s", ours.as_secs_f64());
    tenant.delete().await
}
