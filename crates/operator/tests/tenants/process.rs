//! The operator as a process of its own, which tests can kill, stop and continue.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use kamaji_e2e::{
    command::command, operator::binary, process::Identity, process_guard::Guarded, wait::until,
};
use rustix::process::Signal;
use tokio::sync::OnceCell;

use crate::environment::Environment;

/// Shell script that writes its pid to the file `$0` and then executes its arguments.
const WRITE_PID: &str = "echo $$ > \"$0.new\"; mv \"$0.new\" \"$0\"; exec \"$@\"";

/// Shell script that limits the private memory of a process to `$0` KiB and executes its arguments.
const LIMIT_MEMORY: &str = "ulimit -d \"$0\"; exec \"$@\"";
/// Flags of every process.
const FLAGS: [&str; 5] = [
    "--metrics-bind-address=0",
    "--health-probe-bind-address=0",
    "--webhook-bind-address=0",
    "--pod-namespace=kamaji-system",
    "--datastore=default",
];

/// Path of the checkout's binary, built before the first test measures time.
static KAMAJI: OnceCell<PathBuf> = OnceCell::const_new();

/// A running `kamaji manager`, which is killed when the value is dropped.
pub struct Process {
    identity: Identity,
    log: PathBuf,
    _guard: Guarded,
}

impl Process {
    /// Builds the binary, so that a later start takes no longer than the start itself.
    pub async fn prepare() {
        KAMAJI.get_or_init(async || binary().await.unwrap()).await;
    }

    /// Starts the checkout's binary with a kubeconfig and further flags.
    pub async fn start(environment: &Environment, kubeconfig: &Path, flags: &[&str]) -> Self {
        Self::prepare().await;
        Self::start_of(KAMAJI.get().unwrap(), environment, kubeconfig, flags).await
    }

    /// As [`Process::start`], with at most `bytes` of private memory: an allocation beyond them ends the process.
    pub async fn start_limited(
        environment: &Environment,
        bytes: u64,
        kubeconfig: &Path,
        flags: &[&str],
    ) -> Self {
        Self::prepare().await;
        let kib = (bytes / 1024).to_string();
        let limit = ["sh", "-c", LIMIT_MEMORY, &kib].map(str::to_owned);
        let binary = KAMAJI.get().unwrap().display().to_string();
        let words: Vec<_> = limit.into_iter().chain([binary]).collect();
        Self::spawn(environment, &words, kubeconfig, flags).await
    }

    /// Starts `binary` with a kubeconfig and further flags.
    pub async fn start_of(
        binary: &Path,
        environment: &Environment,
        kubeconfig: &Path,
        flags: &[&str],
    ) -> Self {
        let words = [binary.display().to_string()];
        Self::spawn(environment, &words, kubeconfig, flags).await
    }

    /// Starts the command `words` with a kubeconfig and further flags, which replace defaults of the same name.
    async fn spawn(
        environment: &Environment,
        words: &[String],
        kubeconfig: &Path,
        flags: &[&str],
    ) -> Self {
        let dir = tempfile::tempdir_in(environment.dir.path()).unwrap().keep();
        let pid_file = dir.join("pid");
        let mut shell = command("sh", ["-c", WRITE_PID]);
        shell.arg(&pid_file).arg("env");
        let name = |flag: &str| flag.split('=').next().unwrap().to_owned();
        let given: Vec<_> = flags.iter().map(|flag| name(flag)).collect();
        shell
            .arg(format!("KUBECONFIG={}", kubeconfig.display()))
            .args(words)
            .arg("manager")
            .args(FLAGS.iter().filter(|flag| !given.contains(&name(flag))))
            .args(flags);
        let log = dir.join("log");
        let guard = Guarded::spawn(&shell, &log).unwrap();
        let identity = until("a pid", Duration::from_secs(10), || async {
            let pid = std::fs::read_to_string(&pid_file)?.trim().parse()?;
            Identity::of(pid).ok_or_else(|| std::io::Error::other("it ended").into())
        });
        Self {
            identity: identity.await.unwrap(),
            log,
            _guard: guard,
        }
    }

    /// Peak of the resident memory, in bytes. Fails with the log if the process has ended.
    pub fn peak_memory(&self) -> u64 {
        self.assert_running();
        let path = format!("/proc/{}/status", self.identity.pid);
        let text = std::fs::read_to_string(path).unwrap();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = peak
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib * 1024
    }

    /// Fails with the log if the process that was started has ended.
    pub fn assert_running(&self) {
        if !self.identity.is_alive() {
            let log = std::fs::read_to_string(&self.log).unwrap();
            panic!("the process has ended; its log:\n{log}");
        }
    }

    /// Whether a text, such as the holder of a lease, ends in the process id.
    pub fn is_named_by(&self, text: &str) -> bool {
        text.ends_with(&format!("_{}", self.identity.pid))
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        self.identity.signal(signal);
    }

    /// Waits until the process has exited. Fails after `limit`, with its log.
    pub async fn wait_exited(&self, limit: Duration) {
        let ended = self.identity.wait_ended(limit).await;
        let log = std::fs::read_to_string(&self.log).unwrap();
        assert!(ended, "still running after {limit:?}; its log:\n{log}");
    }
}
