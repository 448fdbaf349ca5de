//! A nats-server with JetStream and one user.

use std::process::{Command, Stdio};

use kamaji_datastore::{BasicAuth, Connection, Driver, Secret};
use tempfile::TempDir;

use crate::ports::free_ports;
use crate::process::{Launched, Process, start};
use crate::tools::find;

/// A running server, which ends with the value.
pub struct Nats {
    process: Process,
    /// Folder with its configuration, and with the data below `store`.
    pub files: TempDir,
    pub port: u16,
}

impl Launched for Nats {
    const NAME: &'static str = "nats-server";

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    async fn serves(&mut self) -> bool {
        let address = ("127.0.0.1", self.port);
        tokio::net::TcpStream::connect(address).await.is_ok()
    }
}

impl Nats {
    pub async fn start() -> Self {
        start(Self::launch).await
    }

    fn launch() -> Self {
        let files = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let store = files.path().join("store").display().to_string();
        let settings = format!(
            "authorization {{ user: kamaji, password: secret }}\njetstream {{ store_dir: {store:?} }}"
        );
        let file = files.path().join("nats.conf");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(find("nats-server", "nats-"));
        command
            .arg("--config")
            .arg(file)
            .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
            .stderr(Stdio::null());
        Self {
            process: Process::spawn(&mut command, "KILL"),
            files,
            port,
        }
    }

    pub fn connection(&self) -> Connection {
        Connection {
            driver: Driver::Nats,
            endpoints: vec![format!("127.0.0.1:{}", self.port).parse().unwrap()],
            tls: None,
            basic_auth: Some(BasicAuth {
                user: "kamaji".to_owned(),
                password: Secret::new("secret"),
            }),
            without_access_control: false,
        }
    }
}
