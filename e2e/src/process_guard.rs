//! Processes that do not outlive the test that started them, however the test ends.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Shell line that ends its process when its own input ends, which the kernel does when the test is
/// gone.
const WATCH: &str = "\"$@\" </dev/null & child=$!
cat >/dev/null
kill -KILL $child 2>/dev/null
wait $child 2>/dev/null";

/// A process that ends with the value, or with the program that holds it.
#[derive(Debug)]
pub struct Guarded {
    watcher: Child,
}

impl Guarded {
    /// Starts a process with its output in `log`.
    pub fn spawn(command: &Command, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", WATCH, "sh"])
            .arg(command.get_program())
            .args(command.get_args());
        shell
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out);
        let watcher = shell
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        Ok(Self { watcher })
    }

    /// Process id of the process, which is the first child of the shell that watches over it.
    pub fn pid(&self) -> Result<u32> {
        let shell = self.watcher.id();
        let path = format!("/proc/{shell}/task/{shell}/children");
        let children = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let first = children.split_whitespace().next();
        let first = first.with_context(|| format!("the shell {shell} has started no process"))?;
        first.parse().with_context(|| format!("a pid in {path}"))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        // An error of the wait for the watcher has no remedy.
        let _ = self.watcher.wait();
    }
}
