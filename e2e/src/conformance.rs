//! Kubernetes' own conformance specs, run against a tenant of the testbed with two workers.

mod exclusions;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::catalogue::conformance as catalogue;
use crate::command::without_proxy;
use crate::interrupt::unless_interrupted;
use crate::kubectl::Kubectl;
use crate::layout::{Layout, checkout, manifest};
use crate::management::archives;
use crate::operator;
use crate::step::step;
use crate::tenant::Tenant;
use crate::testbed::Testbed;
use crate::tools::{Tools, conformance_sources};
use crate::worker::Worker;
use exclusions::Exclusion;
use report::Report;

/// Specs that run at the same time; those that upstream marks serial run alone, at the end.
const PROCESSES: &str = "--procs=6";
/// Specs of one test, with a margin over the longest run measured.
const LIMIT: &str = "--timeout=90m";
/// Workers of the tenant: specs ask for two nodes that take pods.
const WORKERS: u8 = 2;
/// Brings the testbed up, runs the specs, prints the result and writes it to its page of `docs/`.
///
/// With `focus` only specs that match it run, and no page is written.
pub async fn run(focus: Option<&str>) -> Result<()> {
    let layout = Layout::from_env()?;
    let tools = step("Kubernetes' tests", Tools::conformance()).await?;
    let result = unless_interrupted(Box::pin(run_on_testbed(&layout, &tools, focus))).await;
    if result.is_err() {
        Testbed::save_logs(&layout)?;
    }
    if !Testbed::is_kept() {
        Testbed::down(&layout).await?;
    }
    let report = result?;
    println!("{}", report.summary());
    if focus.is_none() {
        report.write().await?;
    }
    ensure!(
        report.failed().is_empty(),
        "{} conformance specs failed: {}",
        report.failed().len(),
        folder().join("output.log").display()
    );
    Ok(())
}

async fn run_on_testbed(layout: &Layout, tools: &Tools, focus: Option<&str>) -> Result<Report> {
    let testbed = Testbed::running_or_up(layout.clone()).await?;
    operator::deploy(&testbed).await?;
    let tenant = Tenant::apply(&testbed, &manifest("demo.yaml")?).await?;
    tenant.wait_ready(Duration::from_mins(3)).await?;
    let kubectl = tenant.kubectl().await?;
    let images = catalogue::images(tools, &conformance_sources().await?)?;
    let images = archives(images).await?;
    for index in 0..WORKERS {
        let worker = Worker::numbered(&testbed.bed, index)?;
        if !worker.is_up() {
            worker.remove().await?;
            Worker::join(&testbed.bed, index, &kubectl).await?;
        }
        worker.node().import(&images).await?;
    }
    kubectl
        .run("-n kube-system rollout status deployment/coredns --timeout=120s")
        .await?;
    step("specs", specs(tools, &kubectl, focus)).await
}

/// Folder of the output and the reports.
fn folder() -> PathBuf {
    checkout().join("target/conformance")
}

async fn specs(tools: &Tools, kubectl: &Kubectl, focus: Option<&str>) -> Result<Report> {
    let folder = folder();
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let path = folder.join("report.json");
    let exclusions = exclusions::read()?;
    let mut ginkgo = ginkgo(tools, &exclusions, focus)?;
    ginkgo.arg("--json-report=report.json");
    ginkgo.arg(format!("--output-dir={}", folder.display()));
    ginkgo.arg(tools.path("e2e.test")?).arg("--");
    ginkgo
        .arg(format!("--kubeconfig={}", kubectl.kubeconfig().display()))
        .args(["--provider=skeleton", "--num-nodes=2"]);
    without_proxy(&mut ginkgo);
    // Specs call kubectl by its name.
    let kubectl = kubectl.command();
    let bin = Path::new(kubectl.get_program()).parent();
    let bin = bin.context("kubectl is in no folder")?.display();
    let search = std::env::var("PATH").unwrap_or_default();
    ginkgo.env("PATH", format!("{bin}:{search}"));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let log = fs::File::create(folder.join("output.log"))?;
    ginkgo.stdout(log.try_clone()?).stderr(log);
    // Failed specs are in the report; without one the run itself failed.
    let status = tokio::process::Command::from(ginkgo)
        .kill_on_drop(true)
        .status()
        .await?;
    Report::read(&path, exclusions).with_context(|| {
        let log = folder.join("output.log");
        format!("ginkgo ended with {status}, see {}", log.display())
    })
}

fn ginkgo(tools: &Tools, exclusions: &[Exclusion], focus: Option<&str>) -> Result<Command> {
    let mut ginkgo = tools.command("ginkgo")?;
    ginkgo.args([
        "run",
        PROCESSES,
        LIMIT,
        "--no-color",
        "--silence-skips",
        "--poll-progress-after=0",
    ]);
    ginkgo.arg(match focus {
        Some(focus) => format!("--focus=(?:{focus}).*\\[Conformance\\]"),
        None => "--focus=\\[Conformance\\]".to_owned(),
    });
    for exclusion in exclusions {
        ginkgo.arg(format!("--skip={}", exclusion.pattern()));
    }
    Ok(ginkgo)
}
