//! kubectl as a user runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use kube::Client;
use serde_json::Value;

use crate::command::{feed, output, without_proxy};
use crate::kubeconfig::client;
use crate::tools::Tools;

/// True if an object has a condition of this type and status.
pub fn has_condition(object: &Value, (type_, status): (&str, &str)) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == type_ && condition["status"] == status)
}

/// kubectl with the kubeconfig of one cluster.
#[derive(Debug, Clone)]
pub struct Kubectl {
    binary: PathBuf,
    kubeconfig: PathBuf,
    server: Option<String>,
}

impl Kubectl {
    /// kubectl with this kubeconfig file.
    pub fn new(tools: &Tools, kubeconfig: &Path) -> Result<Self> {
        Ok(Self {
            binary: tools.path("kubectl")?.into(),
            kubeconfig: kubeconfig.into(),
            server: None,
        })
    }

    /// A copy with the same identity for another address of the cluster.
    #[must_use]
    pub fn at(&self, server: &str) -> Self {
        Self {
            server: Some(server.into()),
            ..self.clone()
        }
    }

    /// URL of the API server that the kubeconfig names.
    pub async fn server(&self) -> Result<String> {
        self.run("config view --minify -o jsonpath={.clusters[0].cluster.server}")
            .await
    }

    /// Path of the kubeconfig file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client with the same kubeconfig.
    pub async fn client(&self) -> Result<Client> {
        client(&self.kubeconfig).await
    }

    /// kubectl as a command; the caller adds arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        if let Some(server) = &self.server {
            command.arg("--server").arg(server);
        }
        without_proxy(&mut command);
        command
    }

    /// Runs a line, split at blanks, and returns what it prints.
    pub async fn run(&self, line: &str) -> Result<String> {
        self.args(line.split_whitespace()).await
    }

    /// Runs with these arguments and returns what it prints.
    pub async fn args<A: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Result<String> {
        let mut command = self.command();
        command.args(args);
        output(command).await
    }

    /// Runs a line with `-o json` and parses what it prints.
    pub async fn json(&self, line: &str) -> Result<Value> {
        let text = self.run(&format!("{line} -o json")).await?;
        serde_json::from_str(&text).with_context(|| format!("parse the answer to `{line}`"))
    }

    /// Applies manifests (YAML or JSON), server-side as the testbed.
    pub async fn apply(&self, manifests: &str) -> Result<()> {
        self.apply_with(&[], manifests).await
    }

    /// Asks the API server whether it would take the manifests, by webhooks and strict definitions;
    /// nothing is written.
    pub async fn dry_run(&self, manifests: &str) -> Result<()> {
        let flags = ["--dry-run=server", "--validate=strict"];
        self.apply_with(&flags, manifests).await
    }

    async fn apply_with(&self, flags: &[&str], manifests: &str) -> Result<()> {
        let mut command = self.command();
        command.args([
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=testbed",
        ]);
        command.args(flags).args(["-f", "-"]);
        feed(command, manifests).await?;
        Ok(())
    }
}
