//! clusterctl as a user runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{command, output};
use crate::kubectl::Kubectl;
use crate::layout::manifest_path;
use crate::tools::Tools;

/// clusterctl with the repository of the testbed.
#[derive(Debug, Clone)]
pub struct Clusterctl {
    tools: Tools,
    config: PathBuf,
    kubeconfig: PathBuf,
    variables: Vec<(String, String)>,
}

/// A Cluster that clusterctl renders from a template.
#[derive(Debug, Clone)]
pub struct GeneratedCluster<'a> {
    /// Name and namespace of the Cluster.
    pub key: (&'a str, &'a str),
    /// File name of the template in `manifests/`.
    pub template: &'a str,
    /// Kubernetes version, such as `v1.35.0`.
    pub version: &'a str,
    /// Number of worker machines; 0 for none.
    pub workers: usize,
}

impl Clusterctl {
    /// The binary of `tools`, which have Cluster API's, with a configuration and a management cluster.
    pub fn new(tools: &Tools, config: PathBuf, kubeconfig: PathBuf) -> Self {
        Self {
            tools: tools.clone(),
            config,
            kubeconfig,
            variables: Vec::new(),
        }
    }

    /// Renders a Cluster from its template.
    pub async fn generate(&self, cluster: &GeneratedCluster<'_>) -> Result<String> {
        let (name, namespace) = cluster.key;
        let line = format!(
            "generate cluster {name} -n {namespace} --from {} --kubernetes-version {} \
             --worker-machine-count {}",
            manifest_path(cluster.template).display(),
            cluster.version,
            cluster.workers,
        );
        self.run(&line).await
    }

    /// kubectl for a Cluster's tenant, with the kubeconfig of `clusterctl get kubeconfig`.
    pub async fn tenant(&self, (name, namespace): (&str, &str)) -> Result<Kubectl> {
        let line = format!("get kubeconfig {name} -n {namespace}");
        let path = self.config.with_file_name(format!("{name}.kubeconfig"));
        fs::write(&path, self.run(&line).await?)
            .with_context(|| format!("write {}", path.display()))?;
        Kubectl::new(&self.tools, &path)
    }

    /// A copy with a further variable.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut with = self.clone();
        with.variables.push((name.to_owned(), value.to_owned()));
        with
    }

    /// Runs a line, split at blanks, and returns what it prints.
    pub async fn run(&self, line: &str) -> Result<String> {
        output(self.command(line)?).await
    }

    /// A copy for another management cluster.
    #[must_use]
    pub fn at(&self, kubeconfig: &Path) -> Self {
        let mut at = self.clone();
        at.kubeconfig = kubeconfig.into();
        at
    }

    /// Output of a line that is interrupted after some seconds; an error if it ends before.
    pub async fn broken_off(&self, seconds: u8, line: &str) -> Result<String> {
        let own = self.command(line)?;
        let mut command = command("timeout", [seconds.to_string()]);
        command.arg(own.get_program()).args(own.get_args());
        let set = own
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)));
        command.envs(set);
        match output(command).await {
            Ok(printed) => bail!("`clusterctl {line}` has ended: {printed}"),
            Err(error) => Ok(format!("{error:#}")),
        }
    }

    /// Command line as a person types it.
    pub fn line(&self) -> Result<String> {
        Ok(format!(
            "CLUSTERCTL_DISABLE_VERSIONCHECK=true {} --config {} --kubeconfig {}",
            self.tools.path("clusterctl")?.display(),
            self.config.display(),
            self.kubeconfig.display()
        ))
    }

    fn command(&self, line: &str) -> Result<Command> {
        let mut command = self.tools.command("clusterctl")?;
        command.args(line.split_whitespace());
        command.arg("--config").arg(&self.config);
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env("CLUSTERCTL_DISABLE_VERSIONCHECK", "true");
        command.env("CLUSTER_TOPOLOGY", "true");
        command.env("CACPPK_DYNAMIC_INFRASTRUCTURE_CLUSTER_PATCH", "true");
        command.env("CACPPK_EXTERNAL_CLUSTER_REFERENCE", "true");
        command.env("CACPPK_INFRASTRUCTURE_CLUSTERS", "HollowCluster");
        Ok(command)
    }
}
