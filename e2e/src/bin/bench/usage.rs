//! CPU time and memory of a process, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// Clock ticks per second in which the kernel counts CPU time.
const TICKS: f64 = 100.0;

/// A process of this machine.
pub struct Usage {
    proc: String,
}

impl Usage {
    /// Usage of the process with this pid.
    pub fn of(pid: &str) -> Self {
        Self {
            proc: format!("/proc/{pid}"),
        }
    }

    /// Usage of the process that was started with these words, whatever the path of its program.
    pub fn of_command(words: &[&str]) -> Result<Self> {
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            let line = fs::read_to_string(path.join("cmdline")).unwrap_or_default();
            let arguments: Vec<&str> = line.split('\0').collect();
            let program = arguments.first().and_then(|path| path.rsplit('/').next());
            if program == words.first().copied() && arguments.get(1..words.len()) == words.get(1..)
            {
                return Ok(Self {
                    proc: path.display().to_string(),
                });
            }
        }
        anyhow::bail!("no process {words:?}")
    }

    /// CPU seconds of the process, in user and kernel mode.
    pub fn cpu(&self) -> Result<f64> {
        let stat =
            fs::read_to_string(format!("{}/stat", self.proc)).context("the process ended")?;
        let (_, fields) = stat.rsplit_once(") ").context("a stat line")?;
        let mut ticks = 0.0;
        for field in fields.split(' ').skip(11).take(2) {
            ticks += field.parse::<f64>()?;
        }
        Ok(ticks / TICKS)
    }

    /// Memory of the process in MiB: field `VmRSS` now, `VmHWM` at its peak.
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
