//! How is the operator started beside the API server, and what has it used?

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kamaji_e2e::command::command;
use kamaji_e2e::envtest::free_port;
use kamaji_e2e::guarded::Guarded;

/// The kernel counts CPU time in hundredths of a second.
const TICKS: f64 = 100.0;

/// Tells its own pid before it becomes the program in its arguments.
const TELL_PID: &str = "echo $$ > \"$0\"; exec \"$@\"";

/// A running operator.
pub struct Operator {
    _guard: Guarded,
    proc: String,
}

impl Operator {
    /// Starts the operator with a kubeconfig; its files go to `dir`.
    pub async fn start(kamaji: &Path, kubeconfig: &Path, dir: &Path) -> Result<Self> {
        let pid_file = dir.join("operator.pid");
        let _ = fs::remove_file(&pid_file);
        let health = format!("127.0.0.1:{}", free_port()?);
        let mut shell = command("sh", ["-c", TELL_PID]);
        shell.arg(&pid_file).arg("env");
        shell
            .arg(format!("KUBECONFIG={}", kubeconfig.display()))
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
        shell.arg(format!("--health-probe-bind-address={health}"));
        let guard = Guarded::spawn(&shell, &dir.join("operator.log"))?;
        let pid = kamaji_e2e::wait::until("the operator starts", START, || async {
            let pid = fs::read_to_string(&pid_file)?.trim().to_owned();
            tokio::net::TcpStream::connect(&health).await?;
            Ok(pid)
        });
        let proc = format!("/proc/{}", pid.await?);
        Ok(Self {
            _guard: guard,
            proc,
        })
    }

    /// CPU seconds it has used, its own and the kernel's for it.
    pub fn cpu(&self) -> Result<f64> {
        let stat =
            fs::read_to_string(format!("{}/stat", self.proc)).context("the operator ended")?;
        let (_, fields) = stat.rsplit_once(") ").context("a stat line")?;
        let mut ticks = 0.0;
        for field in fields.split(' ').skip(11).take(2) {
            ticks += field.parse::<f64>()?;
        }
        Ok(ticks / TICKS)
    }

    /// Its memory in MiB: `VmRSS` now, `VmHWM` at its peak.
    pub fn memory(&self, field: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("{}/status", self.proc))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = line
            .and_then(|line| line.split_whitespace().next())
            .context("no such field")?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }
}

/// Longest start of the operator.
const START: std::time::Duration = std::time::Duration::from_secs(30);
