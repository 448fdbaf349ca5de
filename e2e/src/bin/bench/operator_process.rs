//! The operator as a process beside the lone API server of a bench.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use kamaji_e2e::command::{command, output};
use kamaji_e2e::ports::free_port;
use kamaji_e2e::process_guard::Guarded;

use crate::usage::Usage;

/// A running operator process.
pub struct Operator {
    _guard: Guarded,
    pid: String,
    usage: Usage,
}

impl Operator {
    /// Starts the operator with a kubeconfig; its files go to `dir`.
    pub async fn start(kamaji: &Path, kubeconfig: &Path, dir: &Path) -> Result<Self> {
        let health = format!("127.0.0.1:{}", free_port()?);
        // It becomes the operator, and keeps its process id.
        let mut env = command("env", [""; 0]);
        env.arg(format!("KUBECONFIG={}", kubeconfig.display()))
            .arg(kamaji)
            .args([
                "manager",
                "--leader-elect=false",
                "--metrics-bind-address=0",
                "--webhook-bind-address=0",
                "--pod-namespace=kamaji-system",
                "--datastore=default",
                "--zap-log-level=error",
            ]);
        env.arg(format!("--health-probe-bind-address={health}"));
        let guard = Guarded::spawn(&env, &dir.join("operator.log"))?;
        kamaji_e2e::wait::until("the operator starts", START, || async {
            Ok(tokio::net::TcpStream::connect(&health).await?)
        })
        .await?;
        let pid = guard.pid()?.to_string();
        Ok(Self {
            _guard: guard,
            usage: Usage::of(&pid),
            pid,
        })
    }

    /// Stops the operator as a node stops a pod, and waits until it has ended.
    pub async fn stop(self) -> Result<()> {
        output(command("kill", ["-TERM", &self.pid])).await?;
        let line = PathBuf::from(format!("/proc/{}/cmdline", self.pid));
        kamaji_e2e::wait::until("the operator ends", STOP, || async {
            // That of a process that has ended is empty until its parent has asked for it.
            let line = fs::read(&line).unwrap_or_default();
            ensure!(line.is_empty(), "it runs");
            Ok(())
        })
        .await
    }

    /// Process id of the operator.
    pub fn pid(&self) -> &str {
        &self.pid
    }

    /// CPU and memory that the operator has used.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }
}

/// Longest end of the operator.
const STOP: std::time::Duration = std::time::Duration::from_secs(30);
/// Longest start of the operator.
const START: std::time::Duration = std::time::Duration::from_secs(30);
