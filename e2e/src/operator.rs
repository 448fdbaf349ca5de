//! Deployment of the operator into the management cluster, as a user does it.
//!
//! The image holds the `kamaji` binary of this checkout; the manifests are `config/default` as
//! `kubectl kustomize` renders it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::audit::OPERATOR_NAMESPACE;
use crate::catalogue;
use crate::command::{command, output, words};
use crate::datastore;
use crate::kubectl::Kubectl;
use crate::layout::{cache_dir, checkout, manifest};
use crate::node::Node;
use crate::step::step;
use crate::testbed::Testbed;
use crate::wait::until;

/// Deploys the operator with the DataStore `default` and waits until it is available.
pub async fn deploy(testbed: &Testbed) -> Result<()> {
    deploy_into(testbed, &testbed.kubectl()?, &testbed.node()?).await
}

/// Deploys the operator into another cluster, whose pods `node` runs.
pub async fn deploy_into(testbed: &Testbed, kubectl: &Kubectl, node: &Node) -> Result<()> {
    let binary = step("kamaji binary", binary()).await?;
    let manifests = step("config/default", render(testbed)).await?;
    step("operator, until it is available", async {
        let before = kubectl
            .run(&format!("-n {OPERATOR_NAMESPACE} get deployment -o name"))
            .await?;
        let mut changed = false;
        for name in images(&manifests)? {
            changed |= load(node, &binary, &name).await?;
        }
        kubectl.apply(&manifests).await?;
        if changed && !before.is_empty() {
            restart(kubectl).await?;
        }
        kubectl
            .run("wait --for=condition=Established crd --all --timeout=30s")
            .await?;
        let deployments = format!("-n {OPERATOR_NAMESPACE} deployment --all --timeout=120s");
        kubectl
            .run(&format!("wait --for=condition=Available {deployments}"))
            .await?;
        // kube-proxy routes to the webhooks a moment after their pod is ready.
        until("the DataStore is accepted", Duration::from_mins(1), || {
            datastore::apply(&testbed.bed, kubectl)
        })
        .await?;
        let tenant = manifest("demo.yaml")?;
        until("tenants are accepted", Duration::from_mins(1), || {
            kubectl.dry_run(&tenant)
        })
        .await?;
        Ok(())
    })
    .await
}

/// Restarts the operator and waits for it: a new binary under the same tag needs that.
pub async fn restart(kubectl: &Kubectl) -> Result<()> {
    for line in ["restart", "status"] {
        let line = format!("-n {OPERATOR_NAMESPACE} rollout {line} deployment");
        kubectl.run(&line).await?;
    }
    Ok(())
}

/// True if the checkout has a kustomization to deploy.
pub fn is_deployable() -> bool {
    kustomization().join("kustomization.yaml").exists()
}

/// Loads the operator's image under a name, for instance for a Deployment with another tag. Returns
/// true if the node had another binary under that name, or none.
pub async fn load(node: &Node, binary: &Path, name: &str) -> Result<bool> {
    let dir = node.dir().join("images");
    let image = catalogue::operator(binary, name)?;
    let (archive, written) = tokio::task::spawn_blocking(move || image.archive(&dir)).await??;
    if written {
        node.import(&[archive]).await?;
    }
    Ok(written)
}

/// The `kamaji` binary: the one `KAMAJI_BIN` names, else the checkout's, built if need be in the
/// profile that `KAMAJI_E2E_PROFILE` names (`dev` if unset).
pub async fn binary() -> Result<PathBuf> {
    if let Some(given) = env::var_os("KAMAJI_BIN") {
        return Ok(PathBuf::from(given));
    }
    let profile = env::var("KAMAJI_E2E_PROFILE").unwrap_or_else(|_| "dev".into());
    let mut build = build(checkout());
    build.args(["--profile", &profile]);
    built(build).await
}

/// The `kamaji` binary of a commit, built once and cached.
pub async fn earlier(commit: &str) -> Result<PathBuf> {
    let folder = cache_dir()?.join(format!("operator-{commit}"));
    let binary = folder.join("kamaji");
    if binary.is_file() {
        return Ok(binary);
    }
    let source = folder.join("source");
    if !source.join("Cargo.toml").is_file() {
        fs::create_dir_all(&source)?;
        let archive = folder.join("source.tar");
        let mut git = command("git", ["archive", "--format=tar", "--output"]);
        git.arg(&archive).arg(commit).current_dir(checkout());
        output(git).await?;
        let mut tar = command("tar", ["-xf"]);
        tar.arg(&archive).arg("-C").arg(&source);
        output(tar).await?;
    }
    let mut build = build(&source);
    build.env("CARGO_TARGET_DIR", folder.join("target"));
    let made = built(build).await?;
    // A concurrent test finds a whole binary or none.
    let partly = folder.join("kamaji.new");
    fs::copy(made, &partly)?;
    fs::rename(partly, &binary)?;
    Ok(binary)
}

/// A build of `kamaji` from the source in `dir`.
fn build(dir: &Path) -> Command {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut build = words(&cargo);
    // Variables that cargo sets for a test would make build scripts run again for each test: their
    // crates would be built again every time.
    for (name, _) in env::vars_os() {
        let prefixes = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
        ];
        if prefixes
            .iter()
            .any(|start| name.as_encoded_bytes().starts_with(start.as_bytes()))
        {
            build.env_remove(name);
        }
    }
    build.args(["build", "--quiet", "--bin", "kamaji"]);
    build.arg("--message-format=json").current_dir(dir);
    build
}

async fn built(build: Command) -> Result<PathBuf> {
    let messages = output(build).await?;
    let executable = messages.lines().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    executable.context("cargo built no kamaji binary")
}

/// Manifests of `config/default`, as YAML.
pub async fn render(testbed: &Testbed) -> Result<String> {
    if !is_deployable() {
        bail!("no kustomization.yaml in {}", kustomization().display());
    }
    let mut kustomize = testbed.kubectl()?.command();
    kustomize.arg("kustomize").arg(kustomization());
    output(kustomize).await
}

fn kustomization() -> PathBuf {
    checkout().join("config/default")
}

/// Names of the images that the Deployments in the manifests run.
fn images(manifests: &str) -> Result<Vec<String>> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(manifests).context("parse manifests")?;
    let mut names: Vec<String> = objects
        .iter()
        .filter(|object| object["kind"] == "Deployment")
        .filter_map(|object| object["spec"]["template"]["spec"]["containers"].as_array())
        .flatten()
        .filter_map(|container| Some(container["image"].as_str()?.to_string()))
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}
