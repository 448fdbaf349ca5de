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
        Self::start_of(KAMAJI.get().unwrap(), environment, (kubeconfig, flags)).await
    }

    /// Starts `binary` with a kubeconfig and further flags.
    pub async fn start_of(
        binary: &Path,
        environment: &Environment,
        (kubeconfig, flags): (&Path, &[&str]),
    ) -> Self {
        let dir = tempfile::tempdir_in(environment.dir.path()).unwrap().keep();
        let pid_file = dir.join("pid");
        let mut shell = command("sh", ["-c", WRITE_PID]);
        shell.arg(&pid_file).arg("env");
        shell
            .arg(format!("KUBECONFIG={}", kubeconfig.display()))
            .arg(binary)
            .args([
                "manager",
                "--metrics-bind-address=0",
                "--health-probe-bind-address=0",
                "--webhook-bind-address=0",
                "--pod-namespace=kamaji-system",
                "--datastore=default",
            ])
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
