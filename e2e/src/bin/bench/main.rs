//! What does the operator cost for many tenants, and how far is it from what any client must pay?
//!
//! For each number of tenants: a lone API server, an etcd with TLS as DataStore, the operator as a
//! process beside them. Nothing runs pods, so tenants wait once their objects are there. Then the
//! floor: a bare client writes the same objects. Figures go to `target/bench/figures.json`.

mod figures;
mod floor;
mod operator_process;
mod round;
mod world;

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kamaji_e2e::layout::{Layout, checkout};
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::Tools;

use figures::Figures;

/// Numbers of tenants unless `KAMAJI_BENCH_N` lists others.
const NUMBERS: &str = "20,100,500";

/// The tenant whose way to Ready is measured on a testbed.
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

#[tokio::main]
async fn main() -> Result<()> {
    let numbers = env::var("KAMAJI_BENCH_N").unwrap_or_else(|_| NUMBERS.into());
    let numbers: Vec<usize> = numbers
        .split(',')
        .map(|number| {
            number
                .trim()
                .parse()
                .context("KAMAJI_BENCH_N is a list such as 20,100")
        })
        .collect::<Result<_>>()?;
    let mut figures = Figures::default();
    if env::args().any(|argument| argument == "--testbed") {
        figures.set("create_to_ready_s", create_to_ready().await?.as_secs_f64());
    }
    let tools = Tools::api_server().await?;
    let kamaji = kamaji_e2e::operator::binary().await?;
    for (index, number) in numbers.iter().enumerate() {
        let is_last = index + 1 == numbers.len();
        round::play(&tools, &kamaji, (*number, is_last), &mut figures).await?;
        figures.save(&checkout().join("target/bench/figures.json"))?;
    }
    figures.print();
    Ok(())
}

/// How long a tenant takes from its creation to a control plane that answers.
async fn create_to_ready() -> Result<Duration> {
    let Some(testbed) = Testbed::running(Layout::from_env()?).await? else {
        bail!("no testbed is up: make up, or leave --testbed out");
    };
    let version = kamaji_e2e::tools::kubernetes_version()?;
    let begin = Instant::now();
    let tenant = Tenant::apply(&testbed, &TENANT.replace("VERSION", &version)).await?;
    tenant.wait_ready(Duration::from_mins(3)).await?;
    let took = begin.elapsed();
    testbed
        .kubectl()?
        .run("delete tcp bench -n default --timeout=120s")
        .await?;
    Ok(took)
}
