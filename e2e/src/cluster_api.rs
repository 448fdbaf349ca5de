//! Installation of Cluster API into the management cluster: `clusterctl init` from a repository of
//! files.
//!
//! Core and the kubeadm bootstrap provider are rendered from the sources of the pinned module, the
//! operator and our provider from `config/capi`. [`certificates`] stands in for cert-manager.

mod certificates;
mod clusterctl;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub use self::clusterctl::{Clusterctl, GeneratedCluster};

use crate::command::output;
use crate::datastore;
use crate::image::Image;
use crate::kubectl::Kubectl;
use crate::layout::checkout;
use crate::management::archives;
use crate::operator;
use crate::step::step;
use crate::testbed::Testbed;
use crate::tools::{Tools, cluster_api_sources, cluster_api_version};
use crate::wait::until;

/// Version that our own components have in the repository.
const OURS: &str = "v0.21.0";

const INIT: &str = "init --core cluster-api --bootstrap kubeadm --control-plane kamaji";

/// Objects about which the webhooks of core and of the bootstrap provider are asked.
const ASKED: &str = "
apiVersion: cluster.x-k8s.io/v1beta2
kind: MachineDeployment
metadata: {name: asked, namespace: default}
spec:
  clusterName: asked
  selector: {matchLabels: {}}
  template:
    spec:
      clusterName: asked
      bootstrap: {dataSecretName: asked}
      infrastructureRef: {apiGroup: infrastructure.cluster.x-k8s.io, kind: HollowMachineTemplate, name: asked}
---
apiVersion: bootstrap.cluster.x-k8s.io/v1beta2
kind: KubeadmConfigTemplate
metadata: {name: asked, namespace: default}
spec: {template: {spec: {joinConfiguration: {nodeRegistration: {name: asked}}}}}
";

/// Installs, by clusterctl, the definitions that another management cluster needs before anything
/// can be moved there; nothing runs in it.
pub async fn define(clusterctl: &Clusterctl, kubectl: &Kubectl) -> Result<()> {
    kubectl.apply(certificates::DEFINITIONS).await?;
    kubectl
        .run("wait --for=condition=Established crd --all --timeout=30s")
        .await?;
    clusterctl.at(kubectl.kubeconfig()).run(INIT).await?;
    Ok(())
}

/// One provider of the repository.
struct Provider {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    file: &'static str,
    version: String,
    components: String,
    metadata: String,
}

/// Installs Cluster API's core, its kubeadm bootstrap provider, the operator and our provider, and waits
/// until they are available.
pub async fn install(testbed: &Testbed) -> Result<Clusterctl> {
    let tools = testbed.bed.tools.clone().with_cluster_api().await?;
    let kubectl = testbed.kubectl()?;
    let clusterctl = step("repository of clusterctl", repository(testbed, &tools)).await?;
    let changed = step("images of Cluster API and kamaji", images(testbed, &tools)).await?;
    step("clusterctl init, until providers are available", async {
        kubectl.apply(certificates::DEFINITIONS).await?;
        kubectl
            .run("wait --for=condition=Established crd --all --timeout=30s")
            .await?;
        let there = kubectl
            .run("get namespace capi-system --ignore-not-found -o name")
            .await?;
        if there.is_empty() {
            let line = format!("{INIT} --wait-providers");
            certificates::beside(&kubectl, clusterctl.run(&line)).await?;
        } else if changed {
            operator::restart(&kubectl).await?;
        }
        until(
            "the DataStore is accepted",
            std::time::Duration::from_mins(1),
            || datastore::apply(&testbed.bed, &kubectl),
        )
        .await?;
        // kube-proxy leads to webhooks a moment after their pods are ready.
        until(
            "the webhooks of Cluster API answer",
            std::time::Duration::from_mins(1),
            || kubectl.dry_run(ASKED),
        )
        .await
    })
    .await?;
    Ok(clusterctl)
}

/// The providers of the repository, rendered.
async fn providers(tools: &Tools) -> Result<[Provider; 3]> {
    let version = cluster_api_version()?;
    let sources = cluster_api_sources().await?;
    let metadata = fs::read_to_string(sources.join("metadata.yaml")).context("metadata.yaml")?;
    let upstream = async |folder: &str| -> Result<String> {
        let rendered = kustomize(tools, &sources.join(folder)).await?;
        Ok(rendered.replace(":main\n", &format!(":{version}\n")))
    };
    Ok([
        Provider {
            name: "cluster-api",
            label: "cluster-api",
            kind: "CoreProvider",
            file: "core-components.yaml",
            version: version.clone(),
            components: upstream("core/config/default").await?,
            metadata: metadata.clone(),
        },
        Provider {
            name: "kubeadm",
            label: "bootstrap-kubeadm",
            kind: "BootstrapProvider",
            file: "bootstrap-components.yaml",
            version: version.clone(),
            components: upstream("bootstrap/kubeadm/config/default").await?,
            metadata,
        },
        Provider {
            name: "kamaji",
            label: "control-plane-kamaji",
            kind: "ControlPlaneProvider",
            file: "control-plane-components.yaml",
            version: OURS.to_owned(),
            components: kustomize(tools, &checkout().join("config/capi")).await?,
            metadata: fs::read_to_string(checkout().join("clusterctl-metadata.yaml"))?,
        },
    ])
}

/// Writes clusterctl's repository and its configuration.
async fn repository(testbed: &Testbed, tools: &Tools) -> Result<Clusterctl> {
    let base = testbed.bed.layout.dir("clusterctl");
    let mut config =
        String::from("cert-manager: {externallyProvisioned: true, timeout: 30s}\nproviders:\n");
    for provider in &providers(tools).await? {
        let dir = base.join(provider.label).join(&provider.version);
        fs::create_dir_all(&dir)?;
        let components = dir.join(provider.file);
        fs::write(&components, &provider.components)?;
        fs::write(dir.join("metadata.yaml"), &provider.metadata)?;
        let (name, kind, file) = (provider.name, provider.kind, components.display());
        let _ = writeln!(
            config,
            "- {{name: {name}, type: {kind}, url: 'file://{file}'}}"
        );
    }
    let file = base.join("clusterctl.yaml");
    fs::write(&file, config)?;
    Ok(Clusterctl::new(
        tools,
        file,
        testbed.bed.layout.kubeconfig(),
    ))
}

async fn kustomize(tools: &Tools, folder: &Path) -> Result<String> {
    let mut kubectl = tools.command("kubectl")?;
    kubectl.arg("kustomize").arg(folder);
    output(kubectl).await
}

/// Loads the operator's images; returns true if the `kamaji` binary differs from the one loaded
/// before.
async fn images(testbed: &Testbed, tools: &Tools) -> Result<bool> {
    let repository = testbed.bed.layout.dir("clusterctl");
    let version = cluster_api_version()?;
    let mut made = Vec::new();
    for (file, binary) in [
        ("cluster-api", "cluster-api-manager"),
        ("bootstrap-kubeadm", "kubeadm-bootstrap-manager"),
    ] {
        for name in names(&repository.join(file).join(&version))? {
            let image = Image::named(name).entrypoint(&["/manager"]);
            made.push(image.binary(tools.path(binary)?, "/manager")?);
        }
    }
    let node = testbed.node()?;
    node.import(&archives(made).await?).await?;
    let kamaji = operator::binary().await?;
    let mut changed = false;
    for name in names(&repository.join("control-plane-kamaji").join(OURS))? {
        changed |= operator::load(&node, &kamaji, &name).await?;
    }
    Ok(changed)
}

/// Names of the images that the components in a folder run.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let text = fs::read_to_string(entry?.path())?;
        let lines = text
            .lines()
            .map(|line| line.trim().trim_start_matches("- "));
        names.extend(lines.filter_map(|line| Some(line.strip_prefix("image: ")?.to_owned())));
    }
    names.sort();
    names.dedup();
    Ok(names)
}
