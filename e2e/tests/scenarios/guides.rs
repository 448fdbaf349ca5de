//! Command blocks of pages that have the mark `run=guides`, typed as a reader would, from `make up` to `make down`. A
//! marked block that no step types is an error.

mod clusters;
mod generator;
mod machine;
mod moves;
mod operation;
mod shell;
mod snapshots;
mod start;
mod workers;

use std::time::Duration;

use anyhow::Result;
use kamaji_e2e::step::step;
use kamaji_e2e::testbed::Testbed;

use shell::Guides;

/// Longest time until a process or a tenant has done what a page asks for.
const LIMIT: Duration = Duration::from_mins(3);

pub async fn run(testbed: Testbed) -> Result<()> {
    let guides = Guides::new(&testbed).await?;
    let tenant = step("one machine", guides.up()).await?;
    step("the first tenants", Box::pin(guides.start())).await?;
    step("workers", guides.workers(&tenant)).await?;
    step("kubeconfig generator", guides.generator(&tenant)).await?;
    step("other clusters", guides.clusters()).await?;
    step("monitoring and runbooks", guides.operation()).await?;
    step("snapshots", guides.snapshots(&tenant)).await?;
    tenant.delete().await?;
    step("make down", guides.down()).await?;
    guides.all_have_run()
}
