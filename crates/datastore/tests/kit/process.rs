//! The process of a server, which ends with the value, and the wait until the server serves.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Attempts at starting a server: another process may take its port before it does.
const ATTEMPTS: usize = 5;
/// Delay between two requests whether a server serves.
const DELAY: Duration = Duration::from_millis(20);
/// Number of such requests.
const REQUESTS: usize = 1500;

/// A process that is ended with the value.
pub struct Process {
    child: Child,
    signal: &'static str,
}

impl Process {
    /// Starts `command`, whose output goes nowhere unless it says otherwise for standard error. `signal`, such as
    /// `KILL`, ends it.
    pub fn spawn(command: &mut Command, signal: &'static str) -> Self {
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        Self { child, signal }
    }

    /// Number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process and waits until it has ended.
    pub fn end(&mut self) {
        // A process that has ended already is what this is for.
        let _ = Command::new("kill")
            .args([&format!("-{}", self.signal), &self.id().to_string()])
            .stderr(Stdio::null())
            .status();
        let _ = self.child.wait();
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A server that was launched.
pub trait Launched {
    /// Name of the program, for errors.
    const NAME: &'static str;

    /// The server's process.
    fn process(&mut self) -> &mut Process;

    /// True if the server serves.
    async fn serves(&mut self) -> bool;

    /// Waits until the server serves; false if it has ended, as it does when another process took its port.
    async fn wait(&mut self) -> bool {
        for _ in 0..REQUESTS {
            if self.process().has_ended() {
                return false;
            }
            if self.serves().await {
                return true;
            }
            tokio::time::sleep(DELAY).await;
        }
        false
    }
}

/// Launches a server until one serves.
pub async fn start<S: Launched>(launch: impl Fn() -> S) -> S {
    for _ in 0..ATTEMPTS {
        let mut server = launch();
        if server.wait().await {
            return server;
        }
    }
    panic!("{} did not come up in {ATTEMPTS} attempts", S::NAME);
}
