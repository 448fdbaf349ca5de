//! Long-running processes of a testbed, and how exactly those are stopped.
//!
//! Each process is recorded in a file with its pid and its start time. A pid that the kernel has
//! given to something else since then has another start time and is never signalled.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::command::tail;

/// A process by pid and start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Process id of the process.
    pub pid: u32,
    /// Start time in clock ticks since boot, from `/proc`.
    pub started: u64,
}

impl Identity {
    /// The identity of a living process; `None` when there is no such process or only its remains.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the name in parentheses and may hold blanks: count from its end.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let (state, started) = (*fields.first()?, fields.get(19)?.parse().ok()?);
        (!matches!(state, "Z" | "X")).then_some(Self { pid, started })
    }

    /// True if the process runs.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal, unless the process is gone.
    pub fn signal(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            // It may end between the check and the signal; the wait after a stop notices.
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for at most `limit` until the process has ended; false if it is alive then.
    pub async fn wait_ended(self, limit: Duration) -> bool {
        let end = tokio::time::Instant::now() + limit;
        while self.is_alive() {
            if tokio::time::Instant::now() > end {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        true
    }

    /// Asks the process to end, waits for `grace`, then kills it. A process that does not run is
    /// left alone.
    pub async fn stop(self, grace: Duration) -> Result<()> {
        if !grace.is_zero() {
            self.signal(Signal::TERM);
            if self.wait_ended(grace).await {
                return Ok(());
            }
        }
        self.signal(Signal::KILL);
        if !self.wait_ended(Duration::from_secs(10)).await {
            bail!(
                "process {} survives SIGKILL; read /proc/{}/status",
                self.pid,
                self.pid
            );
        }
        Ok(())
    }
}

/// The processes of one testbed: their records and their logs.
#[derive(Debug, Clone)]
pub struct Processes {
    dir: PathBuf,
}

impl Processes {
    /// The processes recorded below a state folder.
    pub fn below(state: &Path) -> Self {
        Self {
            dir: state.to_path_buf(),
        }
    }

    /// File with what a process wrote to its standard output and error.
    pub fn log(&self, name: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{name}.log"))
    }

    fn record(&self, name: &str) -> PathBuf {
        self.dir.join("pids").join(format!("{name}.json"))
    }

    /// The recorded identity of a process, dead or alive.
    pub fn identity(&self, name: &str) -> Option<Identity> {
        serde_json::from_slice(&fs::read(self.record(name)).ok()?).ok()
    }

    /// True if the process runs.
    pub fn is_alive(&self, name: &str) -> bool {
        self.identity(name).is_some_and(Identity::is_alive)
    }

    /// Starts a process that outlives this one, with its output in its log.
    pub fn spawn(&self, name: &str, mut command: Command) -> Result<Identity> {
        if self.is_alive(name) {
            bail!("{name} runs already; stop it first");
        }
        let (log, record) = (self.log(name), self.record(name));
        for file in [&log, &record] {
            fs::create_dir_all(file.parent().unwrap_or(&self.dir))?;
        }
        let out = File::options().create(true).append(true).open(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0);
        let child = command
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        let Some(identity) = Identity::of(child.id()) else {
            bail!("{name} ended at once: {}", self.log_excerpt(name));
        };
        fs::write(record, serde_json::to_vec(&identity)?)?;
        Ok(identity)
    }

    /// Asks the process to end, waits for `grace`, then kills it. A process that does not run is
    /// left alone.
    pub async fn stop(&self, name: &str, grace: Duration) -> Result<()> {
        if let Some(identity) = self.identity(name) {
            identity
                .stop(grace)
                .await
                .with_context(|| format!("stop {name}"))?;
            fs::remove_file(self.record(name))?;
        }
        Ok(())
    }

    /// Kills the process and its children, which are of the process group that [`Processes::spawn`] gave it.
    pub async fn stop_group(&self, name: &str) -> Result<()> {
        let alive = self.identity(name).filter(|found| found.is_alive());
        let leader = alive.and_then(|found| Pid::from_raw(i32::try_from(found.pid).ok()?));
        if let Some(leader) = leader {
            kill_process_group(leader, Signal::KILL)
                .with_context(|| format!("stop {name} and its children"))?;
        }
        self.stop(name, Duration::ZERO).await
    }

    /// Ends every recorded process, the newest first.
    pub async fn stop_all(&self) -> Result<()> {
        for name in self.names()? {
            self.stop(&name, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// Names of the recorded processes, the newest first.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.dir.join("pids")) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found: Vec<(SystemTime, String)> = Vec::new();
        for entry in entries {
            let entry = entry?;
            if let Some(name) = entry.path().file_stem() {
                found.push((
                    entry.metadata()?.modified()?,
                    name.to_string_lossy().into_owned(),
                ));
            }
        }
        found.sort();
        Ok(found.into_iter().rev().map(|(_, name)| name).collect())
    }

    /// Last lines of a process's log, for an error message.
    pub fn log_excerpt(&self, name: &str) -> String {
        let log = self.log(name);
        let text = fs::read(&log).unwrap_or_default();
        format!(
            "its log {} ends with:\n{}",
            log.display(),
            tail(&String::from_utf8_lossy(&text), 15)
        )
    }
}

#[cfg(test)]
mod tests;
